//! Items and index rows in the store. One function changes an item, and it changes all that hangs on it: index rows and
//! counts are written in the same transaction, so an index can never disagree with its table.

use std::collections::BTreeMap;

use casemate_kernel::Fault;
use casemate_names::Scope;
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};

use crate::api::Error;
use crate::encoding;
use crate::key::{self, KeyBytes, Source};
use crate::table::{Index, IndexProjection, IndexState, Table};
use crate::value::{Item, item_size};

/// An item.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ItemRow {
    #[serde(with = "serde_bytes")]
    item: Vec<u8>,
}

impl Row for ItemRow {
    const TABLE: &'static str = "dynamodb.item";
    const VERSION: u16 = 1;
}

/// An item's row in an index.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IndexRow {
    #[serde(with = "serde_bytes")]
    item: Vec<u8>,
}

impl Row for IndexRow {
    const TABLE: &'static str = "dynamodb.index-row";
    const VERSION: u16 = 1;
}

/// A stored row that holds an item.
pub(crate) trait ItemHolder: Row {
    /// Its bytes.
    fn encoded(&self) -> &[u8];

    /// Reads the item.
    fn item(&self) -> Result<Item, Error> {
        encoding::decode(self.encoded()).map_err(|corrupt| Error::Internal(Fault::internal(corrupt)))
    }
}

impl ItemHolder for ItemRow {
    fn encoded(&self) -> &[u8] {
        &self.item
    }
}

impl ItemHolder for IndexRow {
    fn encoded(&self) -> &[u8] {
        &self.item
    }
}

/// How many items a table and its indexes hold, and how large they count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Of the table.
    pub(crate) table: Count,
    /// Of each index, by its id.
    pub(crate) indexes: BTreeMap<String, Count>,
}

/// Items and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Items.
    pub(crate) items: i64,
    /// Bytes they count for.
    pub(crate) bytes: i64,
}

impl Row for Counts {
    const TABLE: &'static str = "dynamodb.counts";
    const VERSION: u16 = 1;
}

impl Count {
    fn change(&mut self, before: Option<&Item>, after: Option<&Item>) {
        let size = |item: &Item| i64::try_from(item_size(item)).unwrap_or(i64::MAX);
        if let Some(item) = before {
            self.items = self.items.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(size(item));
        }
        if let Some(item) = after {
            self.items = self.items.saturating_add(1);
            self.bytes = self.bytes.saturating_add(size(item));
        }
    }
}

/// The item under a key.
pub(crate) fn fetch(
    tx: &ReadTx<'_>,
    scope: &Scope,
    table: &Table,
    key: &KeyBytes,
) -> Result<Option<Item>, Error> {
    let key = key::item_key(key::table_prefix(scope, table), key);
    tx.get::<ItemRow>(&key)?.map(|row| row.item()).transpose()
}

/// The counts of a table.
pub(crate) fn counts(tx: &ReadTx<'_>, scope: &Scope, table: &Table) -> Result<Counts, Error> {
    Ok(tx.get::<Counts>(&key::table_prefix(scope, table))?.unwrap_or_default())
}

/// What an index row of this item carries.
pub(crate) fn projected(table: &Table, index: &Index, item: &Item) -> Item {
    match index.projection {
        IndexProjection::All => item.clone(),
        IndexProjection::Include(_) | IndexProjection::KeysOnly => item
            .iter()
            .filter(|(name, _)| index.carries(name, &table.key))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}

/// Replaces the item under `key` (`before`, as read in this transaction) by `after`, with its index rows and counts.
pub(crate) fn replace(
    tx: &mut WriteTx<'_>,
    home: (&Scope, &Table),
    key: &KeyBytes,
    before: Option<&Item>,
    after: Option<&Item>,
    source: Source,
) -> Result<(), Error> {
    let (scope, table) = home;
    let prefix = key::table_prefix(scope, table);
    let mut counts = counts(tx, scope, table)?;
    for index in &table.indexes {
        let old = before.map_or(Ok(None), |item| stored_index_row(tx, home, index, key, item))?;
        let new = after.map(|item| index_row(home, index, key, item, source)).transpose()?.flatten();
        counts
            .indexes
            .entry(index.id.clone())
            .or_default()
            .change(old.as_ref().map(|(_, item)| item), new.as_ref().map(|(_, item)| item));
        match (old, new) {
            (Some(old), Some(new)) if old == new => {}
            (old, new) => {
                if let Some((row_key, _)) = &old
                    && new.as_ref().is_none_or(|(new_key, _)| new_key != row_key)
                {
                    tx.delete::<IndexRow>(row_key)?;
                }
                if let Some((row_key, item)) = new {
                    tx.put(&row_key, &IndexRow { item: encoding::encode(&item) })?;
                }
            }
        }
    }
    let row_key = key::item_key(prefix.clone(), key);
    match after {
        Some(item) => tx.put(&row_key, &ItemRow { item: encoding::encode(item) })?,
        None => tx.delete::<ItemRow>(&row_key)?,
    }
    counts.table.change(before, after);
    Ok(tx.put(&prefix, &counts)?)
}

/// Key and content of the item's row in an index, if it has one.
fn index_row(
    home: (&Scope, &Table),
    index: &Index,
    key: &KeyBytes,
    item: &Item,
    source: Source,
) -> Result<Option<(Key, Item)>, Error> {
    let (scope, table) = home;
    let Some(index_key) = key::of_index(table, index, item, source)? else { return Ok(None) };
    let row_key = key::index_row_key(key::index_prefix(scope, table, index), &index_key, key);
    Ok(Some((row_key, projected(table, index, item))))
}

/// The row that the index holds for an item as it was. An item older than the index may have none: because its attributes
/// do not fit, or because it has not been reached yet.
fn stored_index_row(
    tx: &ReadTx<'_>,
    home: (&Scope, &Table),
    index: &Index,
    key: &KeyBytes,
    item: &Item,
) -> Result<Option<(Key, Item)>, Error> {
    let row = index_row(home, index, key, item, Source::Put).ok().flatten();
    match (row, index.state) {
        (Some((row_key, _)), IndexState::Backfilling) if tx.get::<IndexRow>(&row_key)?.is_none() => Ok(None),
        (row, _) => Ok(row),
    }
}

/// Adds the row that a new index lacks for an item that was there before it. Items whose attributes do not fit the index's
/// key are left out, as AWS does while backfilling.
pub(crate) fn backfill_row(
    tx: &mut WriteTx<'_>,
    home: (&Scope, &Table),
    index: &Index,
    key: &KeyBytes,
    item: &Item,
) -> Result<bool, Error> {
    let Ok(Some((row_key, content))) = index_row(home, index, key, item, Source::Put) else {
        return Ok(false);
    };
    if tx.get::<IndexRow>(&row_key)?.is_some() {
        return Ok(false);
    }
    tx.put(&row_key, &IndexRow { item: encoding::encode(&content) })?;
    let (scope, table) = home;
    let mut counts = counts(tx, scope, table)?;
    counts.indexes.entry(index.id.clone()).or_default().change(None, Some(&content));
    tx.put(&key::table_prefix(scope, table), &counts)?;
    Ok(true)
}
