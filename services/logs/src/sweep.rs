//! Removal of batches that nothing shows any more: those of deleted groups and streams, and expired ones.

use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, Part, ReadTx, Store, StoreError, WriteTx};

use crate::rows::{Batch, Garbage, Group, Stream, batches_key, garbage_key, millis, streams_key};

/// Rows removed in one transaction.
const ROWS_AT_A_TIME: usize = 500;

/// Removes everything under `prefix`, then its garbage row.
pub(crate) async fn batches(store: &Store, prefix: Key) -> Result<(), StoreError> {
    loop {
        let prefix = prefix.clone();
        let swept = store
            .write(move |tx| {
                let keys = tx.keys::<Batch>(&prefix, None, ROWS_AT_A_TIME)?;
                for key in &keys {
                    tx.delete::<Batch>(key)?;
                }
                if keys.len() < ROWS_AT_A_TIME {
                    tx.delete::<Garbage>(&garbage_key(&prefix))?;
                }
                Ok::<_, StoreError>(keys.len())
            })
            .await?;
        if swept < ROWS_AT_A_TIME {
            return Ok(());
        }
    }
}

/// At start: finishes what was left unswept, and removes what has expired meanwhile.
pub(crate) async fn everything(store: &Store, home: &Scope, now: Timestamp) -> Result<(), StoreError> {
    for key in store.read(|tx| tx.keys::<Garbage>(&Key::global(), None, usize::MAX))? {
        if let [Part::Bytes(prefix)] = key.parts().as_slice()
            && let Some(prefix) = Key::from_bytes(prefix)
        {
            batches(store, prefix).await?;
        }
    }
    let groups: Vec<(Key, Group)> = store.read(|tx| tx.scan(&Key::of(home), None, usize::MAX))?;
    for (_, group) in groups {
        let before = group.expired_before(now);
        if before == 0 {
            continue;
        }
        let streams: Vec<(Key, Stream)> =
            store.read(|tx| tx.scan(&streams_key(home, &group.id), None, usize::MAX))?;
        for (_, stream) in streams {
            expired_of(store, batches_key(home, &group.id, stream.number), stream.span_ms_max, before)
                .await?;
        }
    }
    Ok(())
}

async fn expired_of(store: &Store, prefix: Key, reach_ms: i64, before: i64) -> Result<(), StoreError> {
    loop {
        let prefix = prefix.clone();
        let swept = store
            .write(move |tx| {
                let keys = expired(tx, &prefix, reach_ms, before, ROWS_AT_A_TIME)?;
                keys.iter().try_for_each(|key| tx.delete::<Batch>(key))?;
                Ok::<_, StoreError>(keys.len())
            })
            .await?;
        if swept < ROWS_AT_A_TIME {
            return Ok(());
        }
    }
}

/// Up to `limit` batches of a stream all of whose events lie before `before`.
pub(crate) fn expired(
    tx: &ReadTx<'_>,
    prefix: &Key,
    reach_ms: i64,
    before: i64,
    limit: usize,
) -> Result<Vec<Key>, StoreError> {
    let mut keys = tx.keys::<Batch>(prefix, None, limit)?;
    let ends_before =
        |key: &Key| key.number_at(2).is_some_and(|first| first + millis(reach_ms) < millis(before));
    keys.truncate(keys.iter().take_while(|key| ends_before(key)).count());
    Ok(keys)
}

/// Notes that everything under `prefix` is to be swept.
pub(crate) fn discard(tx: &mut WriteTx<'_>, prefix: &Key) -> Result<(), StoreError> {
    tx.put(&garbage_key(prefix), &Garbage {})
}
