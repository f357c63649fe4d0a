//! Work that is too large for one transaction: filling a new index, and removing the rows of a table or index that is
//! gone. A job is written in the transaction that makes it necessary, done in steps, and survives a restart.

use std::ops::Bound;

use casemate_names::Scope;
use casemate_store::{Key, Order, Row, Store, WriteTx};
use serde::{Deserialize, Serialize};

use crate::api::Error;
use crate::key;
use crate::rows::{self, IndexRow, ItemHolder, ItemRow};
use crate::table::{self, IndexState, Table};
use crate::value::item_size;

/// Rows looked at in one step.
const STEP_ROWS: usize = 64;
/// Bytes of items after which a step ends early.
const STEP_BYTES: usize = 1024 * 1024;
/// Steps done before the request that caused the job answers; the rest is done behind it.
pub(crate) const STEPS_AT_ONCE: usize = 32;

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    scope: Scope,
    table_name: String,
    table_id: String,
    index_id: Option<String>,
    work: Work,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Work {
    /// Fill the index, going on after this row key.
    Backfill { after: Option<Vec<u8>> },
    /// Remove all rows.
    Purge,
}

impl Row for Job {
    const TABLE: &'static str = "dynamodb.job";
    const VERSION: u16 = 1;
}

/// Is there more to do?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Some job has steps left.
    More,
    /// None has.
    Done,
}

impl Job {
    /// Fill a new index.
    pub(crate) fn backfill(scope: &Scope, table: &Table, index_id: &str) -> Self {
        Self::new(scope, table, Some(index_id.to_owned()), Work::Backfill { after: None })
    }

    /// Remove what an index left behind.
    pub(crate) fn purge_index(scope: &Scope, table: &Table, index_id: &str) -> Self {
        Self::new(scope, table, Some(index_id.to_owned()), Work::Purge)
    }

    /// Remove what a table left behind, without its indexes.
    pub(crate) fn purge_items(scope: &Scope, table: &Table) -> Self {
        Self::new(scope, table, None, Work::Purge)
    }

    fn new(scope: &Scope, table: &Table, index_id: Option<String>, work: Work) -> Self {
        Self {
            scope: scope.clone(),
            table_name: table.name.clone(),
            table_id: table.id.clone(),
            index_id,
            work,
        }
    }

    /// Writes the job down. A later job for the same index takes the place of an earlier one.
    pub(crate) fn enqueue(&self, tx: &mut WriteTx<'_>) -> Result<(), Error> {
        Ok(tx.put(&self.row_key(), self)?)
    }

    // The jobs of all accounts lie together: the worker is the installation's.
    fn row_key(&self) -> Key {
        Key::global().text(&self.table_id).text(self.index_id.as_deref().unwrap_or(""))
    }

    fn rows_prefix(&self) -> Key {
        let table = Key::of(&self.scope).text(&self.table_id);
        match &self.index_id {
            Some(index) => table.text(index),
            None => table,
        }
    }

    /// One step, in the given transaction.
    fn step(mut self, tx: &mut WriteTx<'_>) -> Result<(), Error> {
        let finished = match (&self.work, &self.index_id) {
            (Work::Purge, Some(_)) => purge::<IndexRow>(tx, &self.rows_prefix())?,
            (Work::Purge, None) => purge::<ItemRow>(tx, &self.rows_prefix())?,
            (Work::Backfill { after }, Some(index)) => {
                let after = after.as_deref().and_then(Key::from_bytes);
                match self.fill(tx, index, after.as_ref())? {
                    Some(last) => {
                        self.work = Work::Backfill { after: Some(last.as_bytes().to_vec()) };
                        false
                    }
                    None => true,
                }
            }
            (Work::Backfill { .. }, None) => true,
        };
        if finished { Ok(tx.delete::<Self>(&self.row_key())?) } else { Ok(tx.put(&self.row_key(), &self)?) }
    }

    /// Adds some index rows. Answers where to go on, or nothing when the index is complete or no longer wanted.
    fn fill(&self, tx: &mut WriteTx<'_>, index_id: &str, after: Option<&Key>) -> Result<Option<Key>, Error> {
        let table_key = table::row_key(&self.scope, &self.table_name);
        let Some(mut table) = tx.get::<Table>(&table_key)?.filter(|table| table.id == self.table_id) else {
            return Ok(None);
        };
        let Some(index) = table.indexes.iter().find(|index| index.id == index_id).cloned() else {
            return Ok(None);
        };
        let prefix = key::table_prefix(&self.scope, &table);
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = tx.range::<ItemRow>(&prefix, lower, Bound::Unbounded, STEP_ROWS, Order::Ascending)?;
        let (mut bytes, count) = (0, rows.len());
        for (number, (row_key, row)) in rows.into_iter().enumerate() {
            let item = row.item()?;
            let item_key = key::of_item(&table, &item)?;
            rows::backfill_row(tx, (&self.scope, &table), &index, &item_key, &item)?;
            bytes += item_size(&item);
            if bytes > STEP_BYTES || number + 1 == STEP_ROWS {
                return Ok(Some(row_key));
            }
        }
        debug_assert!(count < STEP_ROWS);
        for index in &mut table.indexes {
            if index.id == index_id {
                index.state = IndexState::Active;
            }
        }
        tx.put(&table_key, &table)?;
        Ok(None)
    }
}

/// Removes some rows; are none left?
fn purge<T: Row>(tx: &mut WriteTx<'_>, prefix: &Key) -> Result<bool, Error> {
    let rows = tx.range::<T>(prefix, Bound::Unbounded, Bound::Unbounded, STEP_ROWS, Order::Ascending)?;
    for (row_key, _) in &rows {
        tx.delete::<T>(row_key)?;
    }
    Ok(rows.len() < STEP_ROWS)
}

/// Does one step of the first job.
pub(crate) async fn step(store: &Store) -> Result<Progress, Error> {
    store
        .write(|tx| {
            match tx.scan::<Job>(&Key::global(), None, 1)?.into_iter().next() {
                Some((_, job)) => job.step(tx)?,
                None => return Ok(Progress::Done),
            }
            let left = tx.scan::<Job>(&Key::global(), None, 1)?;
            Ok(if left.is_empty() { Progress::Done } else { Progress::More })
        })
        .await
}
