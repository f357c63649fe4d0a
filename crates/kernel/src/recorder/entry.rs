//! What is known of one principal's use of one action: requests in full while they are few, patterns afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use casemate_names::Timestamp;
use casemate_policy::{Form, generalised, templates};
use serde::{Deserialize, Serialize};

use super::limits::{KEYS_MAX, RESOURCES_MAX, TEXT_BYTES_MAX, VALUES_MAX};
use crate::KeyValue;

/// One kind of request, in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    /// The ARN, or `*`.
    pub resource: String,
    /// The condition keys the operation reported, by name; `None` where it could not tell the values.
    pub keys: Vec<(String, Option<KeyValue>)>,
    /// Policy variables, name and value: tags, and others whose values show in the resource or a key.
    pub variables: Vec<(String, String)>,
    /// Further single-valued global keys, of the first such request.
    pub facts: Vec<(String, String)>,
    /// The services it came through.
    pub called_via: Vec<String>,
}

/// Many requests, generalised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct General {
    /// Resources; `None` when they have nothing in common.
    pub resources: Option<BTreeSet<Form>>,
    /// The condition keys.
    pub keys: BTreeMap<String, GeneralKey>,
    /// Different requests taken in.
    pub folded: u64,
    /// Some condition keys were left out, there were too many.
    pub keys_lost: bool,
}

/// One condition key of a generalised action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneralKey {
    /// Values; `None` when they have nothing in common.
    pub forms: Option<BTreeSet<Form>>,
    /// In how many of the requests the key was present.
    pub present_in: u64,
    /// At least once the values could not be told.
    pub unknown: bool,
    /// It is a key of many values.
    pub many: bool,
}

/// Refusals of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The ARN, or `*`.
    pub resource: String,
    /// `implicit` or `explicit`.
    pub verdict: String,
    /// The kind of policy that refused or did not grant.
    pub layer: String,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Allowed, in full.
    Exact(Exact),
    /// Allowed, generalised.
    General(General),
    /// Refused.
    Refused(Refused),
}

/// Counts repetitions without the book's lock.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: AtomicU64,
    last_ms: AtomicI64,
}

impl Tally {
    pub(super) fn starting(count: u64, last: Timestamp) -> Arc<Self> {
        Arc::new(Self { count: AtomicU64::new(count), last_ms: AtomicI64::new(last.millis()) })
    }

    pub(super) fn bump(&self, now: Timestamp) {
        self.count.fetch_add(1, Ordering::Relaxed);
        // A plain store: of two at the same moment either may win, they differ by nothing anyone reads.
        self.last_ms.store(now.millis(), Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn last(&self) -> Timestamp {
        Timestamp::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}

impl Exact {
    /// Bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        let pairs = |pairs: &[(String, String)]| pairs.iter().map(|(a, b)| a.len() + b.len()).sum::<usize>();
        let texts = |value: &KeyValue| value.texts().iter().map(|text| text.len() + 24).sum::<usize>();
        let keys = self.keys.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, texts));
        self.resource.len()
            + keys.sum::<usize>()
            + pairs(&self.variables)
            + pairs(&self.facts)
            + self.called_via.iter().map(String::len).sum::<usize>()
    }
}

impl General {
    pub(super) fn new() -> Self {
        Self { resources: Some(BTreeSet::new()), ..Self::default() }
    }

    /// Takes one more request in. The patterns only ever get wider.
    pub(super) fn fold(&mut self, exact: &Exact) {
        self.folded += 1;
        let from = resource_start(&exact.resource);
        add(&mut self.resources, &exact.resource, from, &exact.variables, RESOURCES_MAX);
        for (name, value) in &exact.keys {
            if !self.keys.contains_key(name) && self.keys.len() >= KEYS_MAX {
                self.keys_lost = true;
                continue;
            }
            let key = self
                .keys
                .entry(name.clone())
                .or_insert_with(|| GeneralKey { forms: Some(BTreeSet::new()), ..GeneralKey::default() });
            let Some(value) = value else {
                key.unknown = true;
                continue;
            };
            key.present_in += u64::from(!value.texts().is_empty());
            key.many |= matches!(value, KeyValue::Many(_));
            for text in value.texts() {
                add(&mut key.forms, text, 0, &exact.variables, VALUES_MAX);
            }
        }
    }

    /// Bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        let of = |forms: &Option<BTreeSet<Form>>| {
            forms
                .iter()
                .flatten()
                .map(|form| match form {
                    Form::Literal(text) | Form::Template(text) | Form::Prefix(text) => text.len() + 24,
                })
                .sum::<usize>()
        };
        of(&self.resources) + self.keys.iter().map(|(name, key)| name.len() + of(&key.forms)).sum::<usize>()
    }
}

/// Adds `text` in the most telling form; `forms` becomes `None` when nothing useful can be said any more.
fn add(
    forms: &mut Option<BTreeSet<Form>>,
    text: &str,
    from: usize,
    variables: &[(String, String)],
    limit: usize,
) {
    let Some(known) = forms else { return };
    let form = if text.len() > TEXT_BYTES_MAX {
        Form::Prefix(beginning(text, TEXT_BYTES_MAX).to_owned())
    } else if known.iter().any(|form| form.covers(text)) {
        return;
    } else {
        templates(text, from, variables).into_iter().next().unwrap_or_else(|| Form::Literal(text.to_owned()))
    };
    known.insert(form);
    if known.len() > limit {
        *forms = generalised(std::mem::take(known), limit / 2, from);
    }
}

/// Where the resource part of an ARN begins, after the fifth colon.
fn resource_start(arn: &str) -> usize {
    arn.match_indices(':').nth(4).map_or(0, |(at, _)| at + 1)
}

fn beginning(text: &str, bytes: usize) -> &str {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= bytes).last().unwrap_or(0);
    text.get(..end).unwrap_or("")
}
