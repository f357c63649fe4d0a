//! Keys whose time has come are gone at once for everybody; here their material leaves the store.

use std::{sync::Weak, time::Duration};

use casemate_names::Timestamp;
use casemate_store::{Key, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{Kms, rows::Place};

/// Keys erased in one transaction.
const BATCH: usize = 20;
/// Seconds between two looks at the calendar.
const PERIOD_S: u64 = 60;

/// A line of the calendar of deletions: the key says when, the row which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Due {
    account: casemate_names::AccountId,
    key_id: String,
}

impl casemate_store::Row for Due {
    const TABLE: &'static str = "kms.due";
    const VERSION: u16 = 1;
}

/// Notes that a key is to be erased.
pub(crate) fn at(tx: &mut WriteTx<'_>, end: Timestamp, place: &Place) -> Result<(), StoreError> {
    let millis = u64::try_from(end.millis()).unwrap_or(0);
    let due = Due { account: place.scope.account.clone(), key_id: place.id.clone() };
    tx.put(&Key::global().number(millis).text(&place.id), &due)
}

/// Erases keys whose time has come. Says whether there may be more.
fn sweep(tx: &mut WriteTx<'_>, kms: &Kms, now: Timestamp) -> Result<bool, StoreError> {
    let lines: Vec<(Key, Due)> = tx.scan(&Key::global(), None, BATCH)?;
    let full = lines.len() == BATCH;
    for (line, due) in lines {
        let end = line.number_at(0).and_then(|millis| i64::try_from(millis).ok()).unwrap_or(0);
        if end > now.millis() {
            return Ok(false);
        }
        tx.delete::<Due>(&line)?;
        let place = Place { scope: kms.env.scope_of(&due.account), id: due.key_id };
        // Deletion may have been called off since, or put off.
        if place.find(tx)?.is_some_and(|row| row.state.is_over(now)) {
            place.erase(tx)?;
        }
    }
    Ok(full)
}

/// Sweeps from time to time, until the service is gone.
pub(crate) async fn run(service: Weak<Kms>) {
    loop {
        let Some(kms) = service.upgrade() else { return };
        let (store, now) = (kms.env.store.clone(), kms.env.clock.now());
        // A failed sweep is tried again a minute later; such keys are unusable already.
        while let Ok(true) = {
            let kms = std::sync::Arc::clone(&kms);
            store.write(move |tx| sweep(tx, &kms, now)).await
        } {}
        drop(kms);
        tokio::time::sleep(Duration::from_secs(PERIOD_S)).await;
    }
}
