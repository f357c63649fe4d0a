//! Shadow mode: a candidate for the identity policies of a user or role, evaluated on live traffic beside those in force.
//!
//! ```text
//! none ── set ──▶ watching ── set ──▶ watching (a new report) ── clear ──▶ none
//! ```
//!
//! The candidate never influences an answer. It is durable and sealed; its report is written with the recorder's rows and
//! may lack the last interval after a crash.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use casemate_names::Timestamp;
use casemate_policy::{Decision, Kind, NamedPolicy, Policy, PolicyError, Verdict};
use casemate_store::{Key, Row, Store, StoreError};
use serde::{Deserialize, Serialize};

/// Candidates at a time. Ours.
pub const SHADOWS_MAX: usize = 1_000;
/// Documents of one candidate. AWS: a role has at most 20 attached policies and some inline ones.
pub const DOCUMENTS_MAX: usize = 40;
/// Different changed decisions kept per candidate; further ones are only counted. Ours.
pub const CHANGES_MAX: usize = 100;

/// A document of a candidate: name and text.
pub type Document = (String, String);

/// Decisions of a candidate compared with those in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Asks decided twice.
    pub evaluated: u64,
    /// Allowed now, refused by the candidate.
    pub newly_refused: u64,
    /// Refused now, allowed by the candidate.
    pub newly_allowed: u64,
    /// The first [`CHANGES_MAX`] different changes.
    pub changes: Vec<Change>,
    /// Changed decisions that are not among them.
    pub changes_lost: u64,
}

/// One changed decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `service:Action`
    pub action: String,
    /// The ARN, or `*`.
    pub resource: String,
    /// In force.
    pub before: Side,
    /// By the candidate.
    pub after: Side,
    /// How often.
    pub count: u64,
    /// First seen.
    pub first: Timestamp,
    /// Last seen.
    pub last: Timestamp,
}

/// One of the two answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Allowed or not.
    pub allowed: bool,
    /// The kind of policy that decided.
    pub layer: String,
    /// The decisive statement: policy, Sid, position from 0; `None` if the absence of one decided.
    pub statement: Option<(String, Option<String>, usize)>,
}

/// A candidate and its report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowState {
    /// Whose.
    pub arn: String,
    /// The candidate.
    pub documents: Vec<Document>,
    /// Since when.
    pub set_at: Timestamp,
    /// What was found.
    pub report: Report,
}

impl Row for ShadowState {
    const TABLE: &'static str = "kernel.shadows";
    const VERSION: u16 = 1;
}

/// Why a candidate is not taken.
#[derive(Debug)]
pub enum ShadowError {
    /// This document is not a policy.
    Policy(String, PolicyError),
    /// There are too many candidates, or documents in one.
    TooMany(usize),
    /// It could not be stored.
    Store(StoreError),
}

impl From<StoreError> for ShadowError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Debug)]
struct Shadow {
    arn: String,
    documents: Vec<Document>,
    set_at: Timestamp,
    compiled: Vec<NamedPolicy>,
    report: Mutex<(Report, bool)>,
}

/// All candidates.
#[derive(Debug)]
pub struct Shadows {
    store: Store,
    /// Whether there is any: the one thing read on every request.
    any: AtomicBool,
    table: RwLock<HashMap<String, Arc<Shadow>>>,
}

impl Shadows {
    /// Opens with what the store has. A stored candidate that no longer parses is left out.
    pub fn open(store: Store) -> Result<Self, StoreError> {
        let rows = store.read(|tx| tx.scan::<ShadowState>(&Key::global(), None, SHADOWS_MAX))?;
        let mut table = HashMap::new();
        for (key, state) in rows {
            let Some(unique_id) = key.text_at(0) else { continue };
            if let Ok(compiled) = compiled(&state.documents) {
                table.insert(unique_id, Arc::new(Shadow::new(state, compiled)));
            } else {
                tracing::warn!(arn = state.arn, "a shadow policy no longer parses and is not used");
            }
        }
        Ok(Self { store, any: AtomicBool::new(!table.is_empty()), table: RwLock::new(table) })
    }

    /// Sets the candidate of a user or role; a report begun before starts again.
    pub async fn set(
        &self,
        unique_id: &str,
        arn: &str,
        documents: Vec<Document>,
        now: Timestamp,
    ) -> Result<(), ShadowError> {
        if documents.len() > DOCUMENTS_MAX {
            return Err(ShadowError::TooMany(DOCUMENTS_MAX));
        }
        let compiled = compiled(&documents)?;
        if self.is_full_for(unique_id) {
            return Err(ShadowError::TooMany(SHADOWS_MAX));
        }
        let state = ShadowState { arn: arn.to_owned(), documents, set_at: now, report: Report::default() };
        self.put(unique_id, state.clone()).await?;
        let shadow = Arc::new(Shadow::new(state, compiled));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(unique_id.to_owned(), shadow);
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes a candidate away. Says whether there was one.
    pub async fn clear(&self, unique_id: &str) -> Result<bool, StoreError> {
        let key = Key::global().text(unique_id);
        self.store.write::<(), StoreError, _>(move |tx| tx.delete::<ShadowState>(&key)).await?;
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let known = table.remove(unique_id).is_some();
        self.any.store(!table.is_empty(), Ordering::Release);
        Ok(known)
    }

    /// The candidate of a user or role, with its report.
    pub fn state(&self, unique_id: &str) -> Option<ShadowState> {
        self.find(unique_id).map(|shadow| shadow.state())
    }

    /// All candidates of an account, by ARN.
    pub fn of_account(&self, account: &str) -> Vec<ShadowState> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let own = |shadow: &&Arc<Shadow>| shadow.arn.split(':').nth(4) == Some(account);
        let mut states: Vec<ShadowState> = table.values().filter(own).map(|shadow| shadow.state()).collect();
        states.sort_by(|a, b| a.arn.cmp(&b.arn));
        states
    }

    /// Decides with the candidate, if there is one, and notes what differs.
    pub(crate) fn consider(
        &self,
        unique_id: &str,
        (action, resource): (&str, &str),
        before: &Decision,
        now: Timestamp,
        decide: impl FnOnce(&[NamedPolicy]) -> Option<Decision>,
    ) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let Some(shadow) = self.find(unique_id) else { return };
        if let Some(after) = decide(&shadow.compiled) {
            let mut report = locked(&shadow.report);
            report.0.note(action, resource, before, &after, now);
            report.1 = true;
        }
    }

    /// Writes reports that have changed.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let changed: Vec<(String, Arc<Shadow>)> = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            let changed = table.iter().filter(|(_, shadow)| locked(&shadow.report).1);
            changed.map(|(unique_id, shadow)| (unique_id.clone(), Arc::clone(shadow))).collect()
        };
        for (unique_id, shadow) in changed {
            locked(&shadow.report).1 = false;
            let state = shadow.state();
            let written = self.update(&unique_id, state).await;
            if written.is_err() {
                locked(&shadow.report).1 = true;
            }
            written?;
        }
        Ok(())
    }

    async fn put(&self, unique_id: &str, state: ShadowState) -> Result<(), StoreError> {
        let key = Key::global().text(unique_id);
        self.store.write::<(), StoreError, _>(move |tx| tx.put(&key, &state)).await
    }

    /// Writes a report, unless its candidate has been cleared or replaced meanwhile.
    async fn update(&self, unique_id: &str, state: ShadowState) -> Result<(), StoreError> {
        let key = Key::global().text(unique_id);
        let write = move |tx: &mut casemate_store::WriteTx<'_>| match tx.get::<ShadowState>(&key)? {
            Some(stored) if stored.set_at == state.set_at && stored.documents == state.documents => {
                tx.put(&key, &state)
            }
            Some(_) | None => Ok(()),
        };
        self.store.write::<(), StoreError, _>(write).await
    }

    fn is_full_for(&self, unique_id: &str) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.len() >= SHADOWS_MAX && !table.contains_key(unique_id)
    }

    fn find(&self, unique_id: &str) -> Option<Arc<Shadow>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).get(unique_id).cloned()
    }
}

impl Shadow {
    fn new(state: ShadowState, compiled: Vec<NamedPolicy>) -> Self {
        let ShadowState { arn, documents, set_at, report } = state;
        Self { arn, documents, set_at, compiled, report: Mutex::new((report, false)) }
    }

    fn state(&self) -> ShadowState {
        ShadowState {
            arn: self.arn.clone(),
            documents: self.documents.clone(),
            set_at: self.set_at,
            report: locked(&self.report).0.clone(),
        }
    }
}

impl Report {
    fn note(&mut self, action: &str, resource: &str, before: &Decision, after: &Decision, now: Timestamp) {
        self.evaluated += 1;
        match (before.is_allowed(), after.is_allowed()) {
            (true, false) => self.newly_refused += 1,
            (false, true) => self.newly_allowed += 1,
            (true, true) | (false, false) => return,
        }
        let (before, after) = (Side::of(before), Side::of(after));
        let same = self.changes.iter_mut().find(|known| {
            known.action == action
                && known.resource == resource
                && known.before == before
                && known.after == after
        });
        if let Some(known) = same {
            known.count += 1;
            known.last = now;
        } else if self.changes.len() < CHANGES_MAX {
            self.changes.push(Change {
                action: action.to_owned(),
                resource: resource.to_owned(),
                before,
                after,
                count: 1,
                first: now,
                last: now,
            });
        } else {
            self.changes_lost += 1;
        }
    }
}

impl Side {
    fn of(decision: &Decision) -> Self {
        let decisive = decision.because.decisive.as_ref();
        Self {
            allowed: decision.verdict == Verdict::Allow,
            layer: decision.because.layer.to_string(),
            statement: decisive
                .map(|d| (d.policy.to_string(), d.sid.as_deref().map(str::to_owned), d.statement)),
        }
    }
}

fn compiled(documents: &[Document]) -> Result<Vec<NamedPolicy>, ShadowError> {
    let each = documents.iter().map(|(name, text)| {
        let policy =
            Policy::parse(text, Kind::Identity).map_err(|error| ShadowError::Policy(name.clone(), error))?;
        Ok(NamedPolicy { name: name.as_str().into(), policy: Arc::new(policy) })
    });
    each.collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
