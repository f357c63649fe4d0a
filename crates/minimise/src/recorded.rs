//! The record of a role's use, as the server tells it.

use std::collections::{BTreeMap, BTreeSet};

use casemate_policy::Form;
use serde::Deserialize;

/// What was recorded of one user or role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Recorded {
    /// Its ARN.
    pub arn: String,
    /// Requests that were not recorded at all, for want of room.
    pub lost: u64,
    /// What was seen.
    pub entries: Vec<Entry>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// `service:Action`
    pub action: String,
    /// The rest.
    pub body: Body,
    /// How often.
    pub count: u64,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Body {
    /// An allowed request, in full.
    Exact(Exact),
    /// Allowed requests, generalised.
    General(General),
    /// Refused requests. They are no use.
    Refused(Refused),
}

/// An allowed request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Exact {
    /// The ARN, or `*`.
    pub resource: String,
    /// The condition keys the operation reported; `None` where it could not tell the values.
    pub keys: Vec<(String, Option<KeyValue>)>,
    /// Policy variables and their values, the most telling first.
    pub variables: Vec<(String, String)>,
    /// Further global keys.
    pub facts: Vec<(String, String)>,
    /// Services it came through.
    pub called_via: Vec<String>,
}

impl Exact {
    /// Is a key unknown by how it begins (`service:Part/*`), as the operation said?
    pub(crate) fn is_unknown(&self, key: &str) -> bool {
        let begins = |start: &str| {
            key.as_bytes().get(..start.len()).is_some_and(|k| k.eq_ignore_ascii_case(start.as_bytes()))
        };
        self.keys.iter().any(|(name, value)| value.is_none() && name.strip_suffix('*').is_some_and(begins))
    }
}

/// What a request had of a condition key. The kind is the key's: also a single value of a multi-valued key is a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum KeyValue {
    /// Of a single-valued key.
    One(String),
    /// Of a multi-valued key.
    Many(Vec<String>),
}

impl KeyValue {
    /// The texts, however many.
    pub(crate) fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }

    /// Whether the key is multi-valued.
    pub(crate) fn is_many(&self) -> bool {
        matches!(self, Self::Many(_))
    }
}

/// Allowed requests, generalised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct General {
    /// Resources; `None` when they have nothing in common.
    pub resources: Option<BTreeSet<Form>>,
    /// Condition keys.
    pub keys: BTreeMap<String, GeneralKey>,
    /// How many different requests.
    pub folded: u64,
}

/// A condition key of generalised requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct GeneralKey {
    /// Values; `None` when they have nothing in common.
    pub forms: Option<BTreeSet<Form>>,
    /// In how many requests the key was present.
    pub present_in: u64,
    /// At least once the values could not be told.
    pub unknown: bool,
    /// It is a key of many values.
    pub many: bool,
}

/// A refused request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Refused {
    /// The ARN, or `*`.
    pub resource: String,
    /// `implicit` or `explicit`.
    pub verdict: String,
    /// The kind of policy that refused or did not grant.
    pub layer: String,
}

/// Where the resource part of an ARN begins.
pub(crate) fn resource_start(arn: &str) -> usize {
    arn.match_indices(':').nth(4).map_or(0, |(at, _)| at + 1)
}
