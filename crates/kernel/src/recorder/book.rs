//! All records in memory, within their limits. Knows no store and no hashes; the clock is a parameter.

use std::{collections::BTreeMap, sync::Arc};

use casemate_names::Timestamp;
use casemate_store::Row;
use serde::{Deserialize, Serialize};

use super::{
    entry::{Body, Exact, Refused, Tally},
    limits::{BYTES_MAX, DENIED_MAX, EXACT_BYTES_MAX, KEPT_DAYS, PRINCIPALS_MAX},
    principal::{Use, body_bytes},
};

/// Whose use it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who<'a> {
    pub(crate) unique_id: &'a str,
    pub(crate) arn: &'a str,
}

/// A principal as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PrincipalRow {
    pub(super) arn: String,
    pub(super) since: Timestamp,
    /// Requests not recorded at all for want of room.
    pub(super) lost: u64,
    /// Refusals not recorded for want of room.
    pub(super) lost_refusals: u64,
}

impl Row for PrincipalRow {
    const TABLE: &'static str = "kernel.recorded-principals";
    const VERSION: u16 = 1;
}

/// An entry as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryRow {
    pub(super) action: String,
    pub(super) body: Body,
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Row for EntryRow {
    const TABLE: &'static str = "kernel.recorded-entries";
    const VERSION: u16 = 1;
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Book {
    principals: BTreeMap<String, Use>,
    bytes: usize,
    /// Requests of principals there was no room for. Since the start only.
    pub(super) lost: u64,
}

/// What a write to the store must do.
#[derive(Debug, Default, Clone)]
pub(super) struct Changes {
    pub(super) principals: Vec<(String, PrincipalRow)>,
    /// Whose, id, revision, row.
    pub(super) entries: Vec<(String, u64, u64, EntryRow)>,
}

/// What the store must forget.
#[derive(Debug, Default, Clone)]
pub(super) struct Removals {
    pub(super) principals: Vec<String>,
    pub(super) entries: Vec<(String, u64)>,
}

/// What is recorded of one user or role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// The ARN.
    pub arn: String,
    /// When recording began.
    pub since: Timestamp,
    /// Requests not recorded at all for want of room.
    pub lost: u64,
    /// Refusals not recorded for want of room.
    pub lost_refusals: u64,
    /// What was seen, in order of first sight.
    pub entries: Vec<RecordedEntry>,
}

/// One entry of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedEntry {
    /// `service:Action`
    pub action: String,
    /// Resources, condition keys, values.
    pub body: Body,
    /// How often.
    pub count: u64,
    /// First seen.
    pub first: Timestamp,
    /// Last seen.
    pub last: Timestamp,
}

impl Book {
    /// Enters an allowed request. `None`: there was no room, which is counted.
    pub(super) fn allowed(
        &mut self,
        who: &Who<'_>,
        action: &str,
        exact: Exact,
        now: Timestamp,
    ) -> Option<Arc<Tally>> {
        let bytes_before = self.bytes;
        let room = bytes_before < BYTES_MAX;
        let Some(principal) = self.principal(who, now, room) else {
            self.lost += 1;
            return None;
        };
        let (tally, bytes) = match principal.known(action, &exact) {
            Some(id) => (principal.bump(id, now), 0),
            None if !room => (None, 0),
            None => principal.add(action, exact, now),
        };
        if tally.is_none() {
            principal.row.lost += 1;
        }
        self.bytes = bytes_before.saturating_add_signed(bytes);
        tally
    }

    /// Enters a refusal.
    pub(super) fn refused(
        &mut self,
        who: &Who<'_>,
        action: &str,
        refused: Refused,
        now: Timestamp,
    ) -> Option<Arc<Tally>> {
        let room = self.bytes < BYTES_MAX;
        let Some(principal) = self.principal(who, now, room) else {
            self.lost += 1;
            return None;
        };
        let body = Body::Refused(refused);
        if let Some(id) = principal.same(action, &body) {
            return principal.bump(id, now);
        }
        if !room || principal.refused >= DENIED_MAX || body_bytes(&body) > EXACT_BYTES_MAX {
            principal.row.lost_refusals += 1;
            return None;
        }
        principal.refused += 1;
        let bytes = action.len() + body_bytes(&body);
        let tally = principal.insert(action, body, now);
        self.bytes += bytes;
        Some(tally)
    }

    fn principal(&mut self, who: &Who<'_>, now: Timestamp, room: bool) -> Option<&mut Use> {
        let known = self.principals.contains_key(who.unique_id);
        if !known && (!room || self.principals.len() >= PRINCIPALS_MAX) {
            return None;
        }
        let found = self.principals.entry(who.unique_id.to_owned()).or_insert_with(|| {
            Use::new(PrincipalRow { arn: who.arn.to_owned(), since: now, lost: 0, lost_refusals: 0 })
        });
        Some(found)
    }

    /// Puts a stored principal back.
    pub(super) fn load_principal(&mut self, unique_id: String, row: PrincipalRow) {
        let principal = Use { written: Some(row.clone()), ..Use::new(row) };
        self.principals.insert(unique_id, principal);
    }

    /// Puts a stored entry back.
    pub(super) fn load_entry(&mut self, unique_id: &str, id: u64, row: EntryRow) {
        let Some(principal) = self.principals.get_mut(unique_id) else { return };
        self.bytes += row.action.len() + body_bytes(&row.body);
        principal.load(id, row);
    }

    /// What is known of a user or role.
    pub(super) fn recorded(&self, unique_id: &str) -> Option<Recorded> {
        let principal = self.principals.get(unique_id)?;
        let entries = principal.entries.values().map(|entry| RecordedEntry {
            action: entry.action.clone(),
            body: entry.body.clone(),
            count: entry.tally.count(),
            first: entry.first,
            last: entry.tally.last(),
        });
        Some(Recorded {
            arn: principal.row.arn.clone(),
            since: principal.row.since,
            lost: principal.row.lost,
            lost_refusals: principal.row.lost_refusals,
            entries: entries.collect(),
        })
    }

    /// Forgets what is too old, and principals of whom nothing is left. Says what the store must forget.
    pub(super) fn expire(&mut self, now: Timestamp) -> Removals {
        let oldest = now.plus_seconds(-KEPT_DAYS * 86_400);
        let mut removed = Removals::default();
        for (unique_id, principal) in &mut self.principals {
            let old: Vec<u64> = principal
                .entries
                .iter()
                .filter(|(_, entry)| entry.tally.last() < oldest)
                .map(|(id, _)| *id)
                .collect();
            for id in old {
                if let Some(entry) = principal.remove(id) {
                    self.bytes = self.bytes.saturating_sub(entry.action.len() + body_bytes(&entry.body));
                    removed.entries.push((unique_id.clone(), id));
                }
            }
        }
        self.principals.retain(|unique_id, principal| {
            let gone = principal.entries.is_empty() && principal.row.since < oldest;
            if gone {
                removed.principals.push(unique_id.clone());
            }
            !gone
        });
        removed
    }

    /// What has changed since the last write.
    pub(super) fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for (unique_id, principal) in &self.principals {
            if principal.written.as_ref() != Some(&principal.row) {
                changes.principals.push((unique_id.clone(), principal.row.clone()));
            }
            for (id, entry) in &principal.entries {
                let count = entry.tally.count();
                if entry.written == Some((count, entry.revision)) {
                    continue;
                }
                let row = EntryRow {
                    action: entry.action.clone(),
                    body: entry.body.clone(),
                    count,
                    first: entry.first,
                    last: entry.tally.last(),
                };
                changes.entries.push((unique_id.clone(), *id, entry.revision, row));
            }
        }
        changes
    }

    /// Notes what was written.
    pub(super) fn written(&mut self, changes: &Changes) {
        for (unique_id, row) in &changes.principals {
            if let Some(principal) = self.principals.get_mut(unique_id) {
                principal.written = Some(row.clone());
            }
        }
        for (unique_id, id, revision, row) in &changes.entries {
            let entry = self.principals.get_mut(unique_id).and_then(|p| p.entries.get_mut(id));
            if let Some(entry) = entry {
                entry.written = Some((row.count, *revision));
            }
        }
    }
}
