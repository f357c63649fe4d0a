//! One user or role in the book: its entries, by action, within the limits of one principal.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use casemate_names::Timestamp;

use super::{
    book::{EntryRow, PrincipalRow},
    entry::{Body, Exact, General, Tally},
    limits::{ACTIONS_MAX, EXACT_BYTES_MAX, EXACT_PER_ACTION_MAX, EXACT_PER_PRINCIPAL_MAX},
};

/// One kind of request, with its counters.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) action: String,
    pub(super) body: Body,
    pub(super) first: Timestamp,
    pub(super) tally: Arc<Tally>,
    /// Rises with every change of the body.
    pub(super) revision: u64,
    /// Count and revision at the last write; `None`: never written.
    pub(super) written: Option<(u64, u64)>,
}

/// One principal.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) row: PrincipalRow,
    pub(super) written: Option<PrincipalRow>,
    pub(super) entries: BTreeMap<u64, Entry>,
    /// Ids of entries by action.
    pub(super) by_action: HashMap<String, Vec<u64>>,
    pub(super) exact: usize,
    pub(super) refused: usize,
    pub(super) next: u64,
}

impl Use {
    pub(super) fn new(row: PrincipalRow) -> Self {
        Self {
            row,
            written: None,
            entries: BTreeMap::new(),
            by_action: HashMap::new(),
            exact: 0,
            refused: 0,
            next: 0,
        }
    }

    pub(super) fn of_action(&self, action: &str) -> impl Iterator<Item = (u64, &Entry)> {
        let ids = self.by_action.get(action).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.entries.get(id).map(|entry| (*id, entry)))
    }

    pub(super) fn same(&self, action: &str, body: &Body) -> Option<u64> {
        self.of_action(action).find(|(_, entry)| entry.body == *body).map(|(id, _)| id)
    }

    /// The entry of the same request, if it is kept in full. The facts are the first request's only.
    pub(super) fn known(&self, action: &str, exact: &Exact) -> Option<u64> {
        let same = |body: &Body| match body {
            Body::Exact(known) => {
                known.resource == exact.resource
                    && known.keys == exact.keys
                    && known.variables == exact.variables
                    && known.called_via == exact.called_via
            }
            Body::General(_) | Body::Refused(_) => false,
        };
        self.of_action(action).find(|(_, entry)| same(&entry.body)).map(|(id, _)| id)
    }

    pub(super) fn bump(&self, id: u64, now: Timestamp) -> Option<Arc<Tally>> {
        let entry = self.entries.get(&id)?;
        entry.tally.bump(now);
        Some(Arc::clone(&entry.tally))
    }

    /// Adds a request that is not known in full; says how many bytes that took.
    pub(super) fn add(&mut self, action: &str, exact: Exact, now: Timestamp) -> (Option<Arc<Tally>>, isize) {
        let of_action = self.of_action(action);
        let kept = of_action.filter(|(_, entry)| matches!(entry.body, Body::Exact(_))).count();
        let full = kept >= EXACT_PER_ACTION_MAX || self.exact >= EXACT_PER_PRINCIPAL_MAX;
        if kept == 0 && !self.by_action.contains_key(action) && self.by_action.len() >= ACTIONS_MAX {
            return (None, 0);
        }
        let bytes = exact.bytes();
        if !full && bytes <= EXACT_BYTES_MAX {
            self.exact += 1;
            let taken = signed(action.len() + bytes);
            return (Some(self.insert(action, Body::Exact(exact), now)), taken);
        }
        let general = self.of_action(action).find(|(_, entry)| matches!(entry.body, Body::General(_)));
        let Some(id) = general.map(|(id, _)| id) else {
            let mut general = General::new();
            general.fold(&exact);
            let taken = signed(action.len() + general.bytes());
            return (Some(self.insert(action, Body::General(general), now)), taken);
        };
        let Some(entry) = self.entries.get_mut(&id) else { return (None, 0) };
        let Body::General(general) = &mut entry.body else { return (None, 0) };
        let before = general.bytes();
        general.fold(&exact);
        entry.revision += 1;
        entry.tally.bump(now);
        (Some(Arc::clone(&entry.tally)), signed(general.bytes()) - signed(before))
    }

    /// Puts a stored entry back.
    pub(super) fn load(&mut self, id: u64, row: EntryRow) {
        match &row.body {
            Body::Exact(_) => self.exact += 1,
            Body::Refused(_) => self.refused += 1,
            Body::General(_) => {}
        }
        self.by_action.entry(row.action.clone()).or_default().push(id);
        self.next = self.next.max(id + 1);
        let tally = Tally::starting(row.count, row.last);
        let written = Some((row.count, 0));
        let entry =
            Entry { action: row.action, body: row.body, first: row.first, tally, revision: 0, written };
        self.entries.insert(id, entry);
    }

    pub(super) fn insert(&mut self, action: &str, body: Body, now: Timestamp) -> Arc<Tally> {
        let id = self.next;
        self.next += 1;
        let tally = Tally::starting(1, now);
        let entry = Entry {
            action: action.to_owned(),
            body,
            first: now,
            tally: Arc::clone(&tally),
            revision: 0,
            written: None,
        };
        self.entries.insert(id, entry);
        self.by_action.entry(action.to_owned()).or_default().push(id);
        tally
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(ids) = self.by_action.get_mut(&entry.action) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.by_action.remove(&entry.action);
            }
        }
        match &entry.body {
            Body::Exact(_) => self.exact -= 1,
            Body::Refused(_) => self.refused -= 1,
            Body::General(_) => {}
        }
        Some(entry)
    }
}

pub(super) fn body_bytes(body: &Body) -> usize {
    match body {
        Body::Exact(exact) => exact.bytes(),
        Body::General(general) => general.bytes(),
        Body::Refused(refused) => refused.resource.len() + refused.verdict.len() + refused.layer.len(),
    }
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}
