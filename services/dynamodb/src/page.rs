//! One page of a query or scan: a range of rows read in order until the limit or one megabyte is reached, then filtered.

use std::ops::Bound;

use casemate_names::Scope;
use casemate_store::{Key, Order, ReadTx};

use crate::api::Error;
use crate::expression::{Condition, KeyCondition, SortCondition};
use crate::key::{self, KeyBytes};
use crate::rows::{self, IndexRow, ItemHolder, ItemRow};
use crate::table::{Index, KeySchema, Table};
use crate::value::{Item, Value, item_size};

/// Bytes read for one page, before filtering. Source: developer guide, "Paginating table query results".
const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Rows fetched at first; later fetches go by the size of those seen.
const FIRST_FETCH: usize = 16;
/// Rows fetched at most at once: with the largest items some 26 MB.
const FETCH_MAX: usize = 64;

/// What is read: a table or one of its indexes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'t> {
    /// Whose.
    pub(crate) scope: &'t Scope,
    /// The table.
    pub(crate) table: &'t Table,
    /// The index, if not the table itself.
    pub(crate) index: Option<&'t Index>,
}

/// Which rows, and in which order.
#[derive(Debug)]
pub(crate) struct Range {
    prefix: Key,
    lower: Bound<Key>,
    upper: Bound<Key>,
    order: Order,
}

/// How much, and which of it counts.
#[derive(Debug, Default)]
pub(crate) struct Selection<'c> {
    /// Rows to look at, at most.
    pub(crate) limit: Option<usize>,
    /// What must hold.
    pub(crate) filter: Option<&'c Condition>,
    /// Read the table's item for each index row (local indexes only).
    pub(crate) whole_items: bool,
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The items that passed.
    pub(crate) items: Vec<Item>,
    /// How many were looked at.
    pub(crate) scanned: usize,
    /// Bytes they count for.
    pub(crate) bytes: usize,
    /// Where to go on, if there may be more.
    pub(crate) last: Option<Item>,
}

impl Place<'_> {
    fn prefix(&self) -> Key {
        match self.index {
            None => key::table_prefix(self.scope, self.table),
            Some(index) => key::index_prefix(self.scope, self.table, index),
        }
    }

    /// The key attributes rows are ordered by.
    pub(crate) fn key(&self) -> &KeySchema {
        self.index.map_or(&self.table.key, |index| &index.key)
    }

    /// All schemas whose attributes make up a starting key.
    fn schemas(&self) -> Vec<&KeySchema> {
        let index = self.index.map(|index| &index.key);
        index.into_iter().chain([&self.table.key]).collect()
    }

    /// The row key that a starting key names.
    pub(crate) fn start(&self, start: &Item) -> Result<Key, Error> {
        // AWS: text as the service words it.
        let wrong = || {
            Error::Validation(
                "The provided starting key is invalid: The provided key element does not match the schema"
                    .to_owned(),
            )
        };
        let expected = key::attributes(start, &self.schemas());
        if expected.len() != start.len() {
            return Err(wrong());
        }
        let bytes = |schema: &KeySchema| {
            let part = |name: &str| key::ordered(start.get(name)?, self.table.type_of(name));
            let sort = match &schema.sort {
                Some(name) => Some(part(name)?),
                None => None,
            };
            Some(KeyBytes { partition: part(&schema.partition)?, sort })
        };
        let table = bytes(&self.table.key).ok_or_else(wrong)?;
        match self.index {
            None => Ok(key::item_key(self.prefix(), &table)),
            Some(index) => {
                let index = bytes(&index.key).ok_or_else(wrong)?;
                Ok(key::index_row_key(self.prefix(), &index, &table))
            }
        }
    }

    /// The rows of one partition that satisfy a key condition.
    pub(crate) fn partition(&self, condition: &KeyCondition, order: Order) -> Result<Range, Error> {
        let schema = self.key();
        // The condition's values were checked against the key's types when it was taken apart.
        let bytes = |name: &str, value: &Value| {
            key::ordered(value, self.table.type_of(name))
                .ok_or_else(|| key::invalid("Condition parameter type does not match schema type"))
        };
        let partition = bytes(&schema.partition, &condition.partition)?;
        if partition.is_empty() {
            return Err(empty_key_value(&schema.partition));
        }
        let mut prefix = key::partition_prefix(self.prefix(), &partition);
        let (mut lower, mut upper) = (Bound::Unbounded, Bound::Unbounded);
        if let (Some(sort), Some(name)) = (&condition.sort, &schema.sort) {
            let at = |value: &Value| Ok::<_, Error>(prefix.clone().bytes(&bytes(name, value)?));
            match sort {
                SortCondition::Equal(value) => prefix = at(value)?,
                SortCondition::Less(value) => upper = Bound::Excluded(at(value)?),
                SortCondition::LessOrEqual(value) => upper = Bound::Included(at(value)?),
                SortCondition::Greater(value) => lower = Bound::Excluded(at(value)?),
                SortCondition::GreaterOrEqual(value) => lower = Bound::Included(at(value)?),
                SortCondition::Between(low, high) => {
                    lower = Bound::Included(at(low)?);
                    upper = Bound::Included(at(high)?);
                }
                SortCondition::BeginsWith(value) => {
                    let start = bytes(name, value)?;
                    prefix = prefix.partial_bytes(&start);
                }
            }
        }
        Ok(Range { prefix, lower, upper, order })
    }

    /// The rows of one segment of a scan: an equal share of the hash space.
    pub(crate) fn segment(&self, segment: u64, total: u64) -> Range {
        let share = |number: u64| (key::HASH_END.saturating_mul(number)).div_ceil(total.max(1));
        let prefix = self.prefix();
        Range {
            lower: Bound::Included(prefix.clone().number(share(segment))),
            upper: Bound::Excluded(prefix.clone().number(share(segment + 1))),
            prefix,
            order: Order::Ascending,
        }
    }

    /// Reads a page.
    pub(crate) fn read(
        &self,
        tx: &ReadTx<'_>,
        range: Range,
        start: Option<Key>,
        selection: &Selection<'_>,
    ) -> Result<Page, Error> {
        match self.index {
            None => self.read_rows::<ItemRow>(tx, range, start, selection),
            Some(_) => self.read_rows::<IndexRow>(tx, range, start, selection),
        }
    }

    fn read_rows<T: ItemHolder>(
        &self,
        tx: &ReadTx<'_>,
        mut range: Range,
        start: Option<Key>,
        selection: &Selection<'_>,
    ) -> Result<Page, Error> {
        if let Some(start) = start {
            range.go_on_after(start)?;
        }
        let mut page = Page::default();
        let limit = selection.limit.unwrap_or(usize::MAX);
        let mut fetch = FIRST_FETCH;
        loop {
            let wanted = fetch.min(limit - page.scanned);
            let rows = tx.range::<T>(
                &range.prefix,
                range.lower.as_ref(),
                range.upper.as_ref(),
                wanted,
                range.order,
            )?;
            let ended = rows.len() < wanted;
            for (row_key, row) in rows {
                let item = row.item()?;
                page.bytes += item_size(&item);
                page.scanned += 1;
                let full = page.scanned >= limit || page.bytes >= PAGE_BYTES_MAX;
                let last = full.then(|| key::attributes(&item, &self.schemas()));
                self.keep(tx, item, selection, &mut page)?;
                if full {
                    page.last = last;
                    return Ok(page);
                }
                range.advance(row_key);
            }
            if ended {
                return Ok(page);
            }
            let average = page.bytes / page.scanned.max(1) + 1;
            fetch = ((PAGE_BYTES_MAX - page.bytes) / average + 1).clamp(1, FETCH_MAX);
        }
    }

    /// Adds the item to the page if the filter lets it through.
    fn keep(
        &self,
        tx: &ReadTx<'_>,
        row: Item,
        selection: &Selection<'_>,
        page: &mut Page,
    ) -> Result<(), Error> {
        let item = if selection.whole_items {
            let key = key::of_item(self.table, &row)?;
            rows::fetch(tx, self.scope, self.table, &key)?.unwrap_or(row)
        } else {
            row
        };
        if selection.filter.is_none_or(|filter| filter.holds(&item)) {
            page.items.push(item);
        }
        Ok(())
    }
}

impl Range {
    /// Begins behind a key that an earlier page ended with.
    fn go_on_after(&mut self, start: Key) -> Result<(), Error> {
        let below = |bound: &Bound<Key>| match bound {
            Bound::Included(key) | Bound::Excluded(key) => start < *key,
            Bound::Unbounded => false,
        };
        let above = |bound: &Bound<Key>| match bound {
            Bound::Included(key) => start > *key && !start.starts_with(key),
            Bound::Excluded(key) => start >= *key,
            Bound::Unbounded => false,
        };
        // AWS: text as the service words it.
        if !start.starts_with(&self.prefix) || below(&self.lower) || above(&self.upper) {
            return Err(Error::Validation(
                "The provided starting key is outside query boundaries based on provided conditions"
                    .to_owned(),
            ));
        }
        self.advance(start);
        Ok(())
    }

    fn advance(&mut self, after: Key) {
        match self.order {
            Order::Ascending => self.lower = Bound::Excluded(after),
            Order::Descending => self.upper = Bound::Excluded(after),
        }
    }
}

fn empty_key_value(name: &str) -> Error {
    Error::Validation(format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
         string value. Key: {name}"
    ))
}
