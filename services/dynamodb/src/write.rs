//! One write of one item, the same for single, batch and transactional requests: check the condition, make the new item,
//! check it, replace. Runs inside a store transaction; parsing is done before.

use casemate_store::WriteTx;

use crate::api::Error;
use crate::expression::{Condition, Path, Projection, Update};
use crate::key::{self, KeyBytes, Source};
use crate::resource::TableRef;
use crate::rows;
use crate::table::{self, Table};
use crate::value::{ITEM_BYTES_MAX, Item, NESTING_MAX, Value, item_size};

// AWS: text as the service words it.
const PUT_TOO_LARGE: &str = "Item size has exceeded the maximum allowed size";

/// What to do.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Nothing: only the condition counts.
    Check(Item),
    /// Remove the item with this key.
    Delete(Item),
    /// Put this item.
    Put(Item),
    /// Update the item with this key; without an update the item is only made to exist.
    Update(Item, Option<Update>),
}

/// A write, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// Where.
    pub(crate) table: TableRef,
    /// What.
    pub(crate) change: Change,
    /// When.
    pub(crate) condition: Option<Condition>,
}

/// What a write found and left.
#[derive(Debug)]
pub(crate) struct Written {
    /// The item as it was.
    pub(crate) before: Option<Item>,
    /// The item as it is.
    pub(crate) after: Option<Item>,
    /// The table it lies in.
    pub(crate) table: Table,
    /// Bytes the store transaction grows by, at most.
    pub(crate) weight: usize,
}

/// Bytes of items and their index rows that one store transaction takes, with room for keys.
// DIVERGES: a transaction whose items and index rows together exceed this is refused; AWS counts the items only.
pub(crate) const STORE_ROOM: usize = 9 * 1024 * 1024;

/// Refuses what one store transaction cannot take.
pub(crate) fn has_room(weight: usize) -> Result<(), Error> {
    if weight <= STORE_ROOM {
        return Ok(());
    }
    Err(Error::Validation(
        "The items of this request and their copies in secondary indexes are too large for one transaction"
            .to_owned(),
    ))
}

/// Why a write was not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The condition does not hold; with the item as it is.
    Condition(Option<Item>),
    /// The request is wrong for this table or item, or something failed.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Write {
    /// Which item is meant.
    pub(crate) fn key(&self, table: &Table) -> Result<KeyBytes, Error> {
        match &self.change {
            Change::Put(item) => key::of_item(table, item),
            Change::Check(key) | Change::Delete(key) | Change::Update(key, _) => key::of_key(table, key),
        }
    }

    /// Bytes the write may add to a store transaction.
    pub(crate) fn weight(&self, table: &Table) -> usize {
        match &self.change {
            Change::Put(item) => item_size(item) * (1 + table.indexes.len()),
            Change::Check(_) | Change::Delete(_) | Change::Update(..) => 0,
        }
    }

    /// Refuses an item to be put that is too large, before anything is written.
    pub(crate) fn check_size(&self) -> Result<(), Error> {
        match &self.change {
            Change::Put(item) => fits(item, PUT_TOO_LARGE),
            Change::Check(_) | Change::Delete(_) | Change::Update(..) => Ok(()),
        }
    }

    /// Does the write.
    pub(crate) fn perform(&self, tx: &mut WriteTx<'_>) -> Result<Written, Refusal> {
        let table = table::load(tx, &self.table)?;
        let key = self.key(&table)?;
        let before = rows::fetch(tx, &self.table.scope, &table, &key)?;
        if let Change::Update(_, Some(update)) = &self.change {
            keeps_key(&table, update)?;
        }
        let nothing = Item::new();
        if let Some(condition) = &self.condition
            && !condition.holds(before.as_ref().unwrap_or(&nothing))
        {
            return Err(Refusal::Condition(before));
        }
        let (after, source) = match &self.change {
            Change::Check(_) => return Ok(Written { after: before.clone(), before, table, weight: 0 }),
            Change::Delete(_) => (None, Source::Put),
            Change::Put(item) => {
                fits(item, PUT_TOO_LARGE)?;
                (Some(item.clone()), Source::Put)
            }
            Change::Update(key, update) => {
                let old = before.as_ref().unwrap_or(key);
                let new = match update {
                    Some(update) => {
                        update.apply(old).map_err(|error| Error::Validation(error.to_string()))?
                    }
                    None => old.clone(),
                };
                fits(&new, "Item size to update has exceeded the maximum allowed size")?;
                (Some(new), Source::Update)
            }
        };
        let weight = after.as_ref().map_or(0, item_size) * (1 + table.indexes.len());
        has_room(weight)?;
        if before.is_some() || after.is_some() {
            let home = (&self.table.scope, &table);
            rows::replace(tx, home, &key, before.as_ref(), after.as_ref(), source)?;
        }
        Ok(Written { before, after, table, weight })
    }
}

/// An update must not touch the key.
fn keeps_key(table: &Table, update: &Update) -> Result<(), Error> {
    let touched = update.actions.iter().map(|action| action.path().root.as_str());
    match touched.into_iter().find(|root| table.key.names().any(|name| name == *root)) {
        Some(name) => {
            Err(key::invalid(&format!("Cannot update attribute {name}. This attribute is part of the key")))
        }
        None => Ok(()),
    }
}

/// Size and depth of an item about to be stored.
fn fits(item: &Item, too_large: &str) -> Result<(), Error> {
    if item_size(item) > ITEM_BYTES_MAX {
        return Err(Error::Validation(too_large.to_owned()));
    }
    if item.values().map(Value::depth).max().unwrap_or(0) > NESTING_MAX {
        return Err(crate::convert::ValueError::TooDeep.into());
    }
    Ok(())
}

impl Written {
    /// The part of the item that an update touched, as it was or as it is.
    pub(crate) fn touched(item: Option<&Item>, update: Option<&Update>) -> Option<Item> {
        let paths: Vec<Path> = update?.actions.iter().map(|action| action.path().clone()).collect();
        let shown = Projection::onto(paths).of(item?);
        (!shown.is_empty()).then_some(shown)
    }
}
