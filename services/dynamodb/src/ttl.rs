//! Removing expired items: a sweep over the tables that name an expiry attribute.

use std::ops::Bound;
use std::time::Duration;

use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, Order, Row, Store, WriteTx};
use serde::{Deserialize, Serialize};

use crate::api::Error;
use crate::key::{self, KeyBytes, Source};
use crate::resource::TableRef;
use crate::rows::{self, ItemHolder, ItemRow};
use crate::table::{self, Table};
use crate::value::{Item, Value};

/// Time between two sweeps. Ours: AWS removes "within a few days".
pub(crate) const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// Rows looked at in one step.
const STEP_ROWS: usize = 64;
/// Items whose time is longer past than this are kept, in seconds (five years). Source: developer guide, "Time to Live".
const TOO_LONG_AGO_S: i64 = 5 * 365 * 86_400;

/// A table that names an expiry attribute, so that the sweep need not look at the others.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Swept {
    scope: Scope,
    table_name: String,
}

impl Row for Swept {
    const TABLE: &'static str = "dynamodb.ttl-table";
    const VERSION: u16 = 1;
}

// The tables of all accounts lie together: the sweep is the installation's.
fn swept_key(table: &Table) -> Key {
    Key::global().text(&table.id)
}

/// Notes whether the table is to be swept.
pub(crate) fn note(tx: &mut WriteTx<'_>, scope: &Scope, table: &Table) -> Result<(), Error> {
    match table.ttl_attribute {
        Some(_) => {
            Ok(tx.put(&swept_key(table), &Swept { scope: scope.clone(), table_name: table.name.clone() })?)
        }
        None => forget(tx, table),
    }
}

/// The table is gone.
pub(crate) fn forget(tx: &mut WriteTx<'_>, table: &Table) -> Result<(), Error> {
    Ok(tx.delete::<Swept>(&swept_key(table))?)
}

/// Has the item's time come?
fn is_expired(item: &Item, attribute: &str, now: Timestamp) -> bool {
    let Some(Value::N(number)) = item.get(attribute) else { return false };
    let Some(at) = number.as_u64().and_then(|at| i64::try_from(at).ok()) else { return false };
    at < now.seconds() && at > now.seconds().saturating_sub(TOO_LONG_AGO_S)
}

/// Removes what has expired by `now`.
pub(crate) async fn sweep(store: &Store, now: Timestamp) -> Result<(), Error> {
    let mut after: Option<Key> = None;
    loop {
        let next = store.read(|tx| Ok::<_, Error>(tx.scan::<Swept>(&Key::global(), after.as_ref(), 1)?))?;
        let Some((row_key, swept)) = next.into_iter().next() else { return Ok(()) };
        after = Some(row_key);
        let at = TableRef { scope: swept.scope, name: swept.table_name };
        let Some(table) = store.read(|tx| table::find(tx, &at))? else { continue };
        sweep_table(store, &at, &table, now).await?;
    }
}

async fn sweep_table(store: &Store, at: &TableRef, table: &Table, now: Timestamp) -> Result<(), Error> {
    let Some(attribute) = &table.ttl_attribute else { return Ok(()) };
    let mut after: Option<Key> = None;
    loop {
        let (expired, last) = store.read(|tx| {
            let lower = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let prefix = key::table_prefix(&at.scope, table);
            let rows = tx.range::<ItemRow>(&prefix, lower, Bound::Unbounded, STEP_ROWS, Order::Ascending)?;
            let last = (rows.len() == STEP_ROWS).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
            let mut expired = Vec::new();
            for (_, row) in rows {
                let item = row.item()?;
                if is_expired(&item, attribute, now) {
                    expired.push(key::of_item(table, &item)?);
                }
            }
            Ok::<_, Error>((expired, last))
        })?;
        if !expired.is_empty() {
            let (at, id) = (at.clone(), table.id.clone());
            store.write(move |tx| remove(tx, &at, &id, &expired, now)).await?;
        }
        let Some(last) = last else { return Ok(()) };
        after = Some(last);
        tokio::task::yield_now().await;
    }
}

/// Removes those of the items that still are expired.
fn remove(
    tx: &mut WriteTx<'_>,
    at: &TableRef,
    table_id: &str,
    expired: &[KeyBytes],
    now: Timestamp,
) -> Result<(), Error> {
    let Some(table) = table::find(tx, at)?.filter(|table| table.id == table_id) else { return Ok(()) };
    let Some(attribute) = &table.ttl_attribute else { return Ok(()) };
    for key in expired {
        let item = rows::fetch(tx, &at.scope, &table, key)?;
        if let Some(item) = item.filter(|item| is_expired(item, attribute, now)) {
            rows::replace(tx, (&at.scope, &table), key, Some(&item), None, Source::Put)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;

    #[test]
    fn only_whole_numbers_of_the_past_five_years_expire() {
        let now = Timestamp::from_seconds(1_795_478_400);
        let expired = |value: Value| is_expired(&Item::from([("ttl".to_owned(), value)]), "ttl", now);
        let number = |seconds: i64| Value::N(Number::parse(&seconds.to_string()).unwrap());
        assert!(expired(number(now.seconds() - 1)));
        assert!(!expired(number(now.seconds())));
        assert!(!expired(number(now.seconds() - TOO_LONG_AGO_S)));
        assert!(!expired(number(-1)));
        assert!(!expired(Value::S((now.seconds() - 1).to_string())));
        assert!(!expired(Value::N(Number::parse("0.5").unwrap())));
        assert!(!is_expired(&Item::new(), "ttl", now));
    }
}
