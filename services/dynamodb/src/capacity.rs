//! Consumed capacity, counted as AWS bills it and reported when asked for. Nothing is throttled by it.

use std::collections::BTreeMap;

use crate::api::{Capacity, ConsumedCapacity, ReturnConsumedCapacity};
use crate::rows;
use crate::table::{Index, IndexKind, Table};
use crate::value::{Item, item_size};
use crate::write::Written;

/// Bytes one strongly consistent read unit covers. Source: developer guide, "Read/write capacity mode".
const READ_UNIT_BYTES: usize = 4096;
/// Bytes one write unit covers. Source: as above.
const WRITE_UNIT_BYTES: usize = 1024;

/// Are units those of a transaction (twice as dear)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Single and batch requests.
    Ordinary,
    /// Transactions.
    Transaction,
}

/// Units by table and index.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Consumed {
    table: f64,
    locals: BTreeMap<String, f64>,
    globals: BTreeMap<String, f64>,
}

#[expect(clippy::cast_precision_loss, reason = "units are small whole numbers")]
fn units(bytes: usize, unit: usize) -> f64 {
    bytes.div_ceil(unit).max(1) as f64
}

impl Consumed {
    /// Units of reading so many bytes of the table or of one of its indexes.
    pub(crate) fn read(bytes: usize, consistent: bool, rate: Rate, index: Option<&Index>) -> Self {
        let factor = match (rate, consistent) {
            (Rate::Transaction, _) => 2.0,
            (Rate::Ordinary, true) => 1.0,
            (Rate::Ordinary, false) => 0.5,
        };
        let amount = units(bytes, READ_UNIT_BYTES) * factor;
        let mut consumed = Self::default();
        match index {
            None => consumed.table = amount,
            Some(index) => consumed.add_index(index, amount),
        }
        consumed
    }

    /// Units of a write: the larger of before and after, for the table and for every index whose row changed. Nothing is
    /// counted when nobody wants to know.
    pub(crate) fn write(written: &Written, rate: Rate, wanted: Option<ReturnConsumedCapacity>) -> Self {
        if matches!(wanted, None | Some(ReturnConsumedCapacity::None)) {
            return Self::default();
        }
        let factor = if rate == Rate::Transaction { 2.0 } else { 1.0 };
        let size = |item: &Option<Item>| item.as_ref().map_or(0, item_size);
        let bytes = size(&written.before).max(size(&written.after));
        let mut consumed = Self { table: units(bytes, WRITE_UNIT_BYTES) * factor, ..Self::default() };
        for index in &written.table.indexes {
            let row = |item: &Option<Item>| {
                let item = item.as_ref().filter(|item| index.key.names().all(|name| item.contains_key(name)));
                item.map(|item| rows::projected(&written.table, index, item))
            };
            let (old, new) = (row(&written.before), row(&written.after));
            if old != new {
                let bytes = size(&old).max(size(&new));
                consumed.add_index(index, units(bytes, WRITE_UNIT_BYTES) * factor);
            }
        }
        consumed
    }

    /// Adds another amount of the same table.
    pub(crate) fn add(&mut self, other: Self) {
        self.table += other.table;
        other.locals.into_iter().for_each(|(name, amount)| *self.locals.entry(name).or_default() += amount);
        other.globals.into_iter().for_each(|(name, amount)| *self.globals.entry(name).or_default() += amount);
    }

    fn add_index(&mut self, index: &Index, amount: f64) {
        let kind = match index.kind {
            IndexKind::Global => &mut self.globals,
            IndexKind::Local => &mut self.locals,
        };
        *kind.entry(index.name.clone()).or_default() += amount;
    }

    /// The report, if one is wanted.
    pub(crate) fn report(
        &self,
        table: &Table,
        wanted: Option<ReturnConsumedCapacity>,
    ) -> Option<ConsumedCapacity> {
        let all = self.locals.values().chain(self.globals.values());
        let total = self.table + all.sum::<f64>();
        let mut report = ConsumedCapacity {
            table_name: Some(table.name.clone()),
            capacity_units: Some(total),
            ..ConsumedCapacity::default()
        };
        match wanted? {
            ReturnConsumedCapacity::None => return None,
            ReturnConsumedCapacity::Total => {}
            ReturnConsumedCapacity::Indexes => {
                report.table = Some(capacity(self.table));
                report.local_secondary_indexes = by_index(&self.locals);
                report.global_secondary_indexes = by_index(&self.globals);
            }
        }
        Some(report)
    }
}

fn capacity(amount: f64) -> Capacity {
    Capacity { capacity_units: Some(amount), ..Capacity::default() }
}

fn by_index(amounts: &BTreeMap<String, f64>) -> Option<BTreeMap<String, Capacity>> {
    let all: BTreeMap<String, Capacity> =
        amounts.iter().map(|(name, amount)| (name.clone(), capacity(*amount))).collect();
    (!all.is_empty()).then_some(all)
}
