//! Tables by name, for reads: from memory when possible.
//!
//! INVARIANT: an entry is only kept if no table of this installation changed while it was being read, and every change of
//! a table forgets all entries after it is durable. So a read that begins after a change was acknowledged sees it.
//! Writes never use this: they read the table inside their own transaction.
// DIVERGES: with several nodes on one shared store this cache would need the store's notifications; there is one node.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

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
    /// By account, region and name.
    tables: BTreeMap<(String, String, String), Arc<Table>>,
}

impl Lookup {
    /// The table, if there is one.
    pub(crate) fn find(&self, store: &Store, at: &TableRef) -> Result<Option<Arc<Table>>, Error> {
        let name = (at.scope.account.as_str().to_owned(), at.scope.region.as_str().to_owned(), at.name.clone());
        let changes = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(table) = state.tables.get(&name) {
                return Ok(Some(Arc::clone(table)));
            }
            state.changes
        };
        let Some(table) = store.read(|tx| table::find(tx, at))?.map(Arc::new) else { return Ok(None) };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.changes == changes {
            if state.tables.len() >= ENTRIES_MAX {
                state.tables.clear();
            }
            state.tables.insert(name, Arc::clone(&table));
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
        state.tables.clear();
    }
}
