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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casemate_names::{AccountId, NamedEntropy, Region};

    use super::*;
    use crate::rows::{group_key, stream_key};

    const DAY_MS: i64 = 86_400_000;

    #[tokio::test]
    async fn the_sweep_at_start_removes_garbage_and_what_has_expired_and_nothing_else() {
        let home = Scope {
            partition: "aws".into(),
            account: AccountId::parse("111122223333").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
        };
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        let now = Timestamp::from_millis(100 * DAY_MS);
        let (kept, gone) = (batches_key(&home, "kept", 1), batches_key(&home, "gone", 1));
        let (scope, prefixes) = (home.clone(), (kept.clone(), gone.clone()));
        store
            .write(move |tx| {
                let group = Group {
                    id: "kept".into(),
                    created_at: now,
                    retention_days: Some(1),
                    class: "STANDARD".into(),
                    deletion_protected: false,
                    tags: std::collections::BTreeMap::new(),
                    stored_bytes: 0,
                    streams_made: 1,
                };
                let stream = Stream {
                    number: 1,
                    created_at: now,
                    first_and_last: None,
                    ingested_at: None,
                    batches_made: 3,
                    span_ms_max: 10,
                };
                tx.put(&group_key(&scope, "g"), &group)?;
                tx.put(&stream_key(&scope, "kept", "s"), &stream)?;
                discard(tx, &prefixes.1)?;
                let batch = Batch { ingested_at: now, events: Arc::default() };
                for number in 0..1_200 {
                    tx.put(&prefixes.1.clone().number(0).number(number), &batch)?;
                    tx.put(&prefixes.0.clone().number(0).number(number), &batch)?;
                }
                // The one may still hold an event that has not expired, the other has just expired.
                tx.put(&prefixes.0.clone().number(millis(99 * DAY_MS - 10)).number(2_000), &batch)?;
                tx.put(&prefixes.0.clone().number(millis(99 * DAY_MS - 11)).number(2_001), &batch)
            })
            .await
            .unwrap();
        everything(&store, &home, now).await.unwrap();
        let left = |prefix: &Key| store.read(|tx| tx.keys::<Batch>(prefix, None, 9_999)).unwrap();
        assert!(left(&gone).is_empty());
        let numbers: Vec<_> = left(&kept).iter().filter_map(|key| key.number_at(3)).collect();
        assert_eq!(numbers, [2_000]);
        assert!(store.read(|tx| tx.keys::<Garbage>(&Key::global(), None, 9)).unwrap().is_empty());
    }
}
