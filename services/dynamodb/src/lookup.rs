//! Tables by name, for reads: from memory when possible.
//!
//! INVARIANT: an entry is only kept if no table of this installation changed while it was being read, and every change of
//! a table forgets all entries after it is durable. So a read that begins after a change was acknowledged sees it.
//! Writes never use this: they read the table inside their own transaction.
// DIVERGES: with several nodes on one shared store this cache would need the store's notifications; there is one node.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use casemate_names::Scope;
use casemate_store::Store;

use crate::api::Error;
use crate::resource::TableRef;
use crate::table::{self, Table};

/// Entries beyond which the cache is emptied. Ours: bounds memory; an account may have 2,500 tables.
const ENTRIES_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    changes: u64,
    /// By name; tables of several accounts and regions may share one.
    tables: BTreeMap<String, Vec<(Scope, Arc<Table>)>>,
    entries: usize,
}

impl Lookup {
    /// The table, if there is one.
    pub(crate) fn find(&self, store: &Store, at: &TableRef) -> Result<Option<Arc<Table>>, Error> {
        let changes = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let named = state.tables.get(&at.name).into_iter().flatten();
            if let Some((_, table)) = named.into_iter().find(|(scope, _)| *scope == at.scope) {
                return Ok(Some(Arc::clone(table)));
            }
            state.changes
        };
        let Some(table) = store.read(|tx| table::find(tx, at))?.map(Arc::new) else { return Ok(None) };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.changes == changes {
            if state.entries >= ENTRIES_MAX {
                state.clear();
            }
            state.entries += 1;
            state.tables.entry(at.name.clone()).or_default().push((at.scope.clone(), Arc::clone(&table)));
        }
        Ok(Some(table))
    }

    /// The table, or the complaint of data operations.
    pub(crate) fn table(&self, store: &Store, at: &TableRef) -> Result<Arc<Table>, Error> {
        self.find(store, at)?.ok_or_else(table::missing)
    }

    /// Some table has changed.
    pub(crate) fn forget(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.changes += 1;
        state.clear();
    }
}

impl State {
    fn clear(&mut self) {
        self.tables.clear();
        self.entries = 0;
    }
}
