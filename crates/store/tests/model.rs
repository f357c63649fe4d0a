//! The store against a `BTreeMap`: every operation, in the batch and out of it.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex},
};

use casemate_names::SystemEntropy;
use casemate_store::{Key, Order, ReadTx, Row, Store, StoreError};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

impl Row for Note {
    const TABLE: &'static str = "test.note";
    const VERSION: u16 = 1;
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8, u16),
    Delete(u8, u8),
}

type Model = BTreeMap<(u8, u8), u16>;

fn key(a: u8, b: u8) -> Key {
    Key::global().text(&a.to_string()).number(b.into())
}

fn note(value: u16) -> Note {
    // Every seventh is larger than one pair may be, so chunks are written, replaced and removed too.
    let fill = if value.is_multiple_of(7) { 100_500 } else { 3 };
    Note { text: format!("{value}/{}", "x".repeat(fill)) }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8, 0..6_u8, any::<u16>()).prop_map(|(a, b, v)| Step::Put(a, b, v)),
        1 => (0..3_u8, 0..6_u8).prop_map(|(a, b)| Step::Delete(a, b)),
    ]
}

fn apply(model: &mut Model, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Put(a, b, value) => _ = model.insert((*a, *b), *value),
            Step::Delete(a, b) => _ = model.remove(&(*a, *b)),
        }
    }
}

/// Compares every way of reading with the model.
fn agree(tx: &ReadTx<'_>, model: &Model) -> Result<(), StoreError> {
    for a in 0..3 {
        let expected: Vec<(Key, Note)> =
            model.range((a, 0)..=(a, 255)).map(|(k, v)| (key(k.0, k.1), note(*v))).collect();
        let prefix = Key::global().text(&a.to_string());
        assert_eq!(tx.scan::<Note>(&prefix, None, 100)?, expected);
        let keys: Vec<_> = expected.iter().map(|(k, _)| k.clone()).collect();
        assert_eq!(tx.keys::<Note>(&prefix, None, 100)?, keys);
        let reversed: Vec<_> = expected.iter().rev().cloned().collect();
        assert_eq!(tx.scan_reverse::<Note>(&prefix, None, 100)?, reversed);
        assert!(tx.scan::<Note>(&prefix, None, 2)?.iter().eq(expected.iter().take(2)));
        for b in 0..6 {
            let here = key(a, b);
            assert_eq!(tx.get::<Note>(&here)?, model.get(&(a, b)).map(|v| note(*v)));
            assert_eq!(tx.exists::<Note>(&here)?, model.contains_key(&(a, b)));
            let pick = |keep: &dyn Fn(&Key) -> bool| {
                expected.iter().filter(|(k, _)| keep(k)).cloned().collect::<Vec<_>>()
            };
            assert_eq!(tx.scan::<Note>(&prefix, Some(&here), 100)?, pick(&|k| *k > here));
            let mut before = pick(&|k| *k < here);
            before.reverse();
            assert_eq!(tx.scan_reverse::<Note>(&prefix, Some(&here), 100)?, before);
            let there = key(a, b + 2);
            let within = tx.range::<Note>(
                &prefix,
                Bound::Included(&here),
                Bound::Included(&there),
                100,
                Order::Ascending,
            )?;
            assert_eq!(within, pick(&|k| *k >= here && *k <= there));
            let between = tx.range::<Note>(
                &prefix,
                Bound::Excluded(&here),
                Bound::Excluded(&there),
                100,
                Order::Ascending,
            )?;
            assert_eq!(between, pick(&|k| *k > here && *k < there));
        }
    }
    let all: Vec<_> = model.keys().map(|k| key(k.0, k.1)).collect();
    let found: Vec<_> = tx.scan::<Note>(&Key::global(), None, 1_000)?.into_iter().map(|(k, _)| k).collect();
    assert_eq!(found, all);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn reads_agree_with_a_map_inside_and_after_each_transaction(
        transactions in proptest::collection::vec((proptest::collection::vec(step(), 0..10), any::<bool>()), 1..6),
    ) {
        let store = Store::in_memory_rehearsing(Arc::new(SystemEntropy::default()));
        let mut model = Model::new();
        for (steps, keep) in transactions {
            let mut after = model.clone();
            apply(&mut after, &steps);
            let (expected, problem) = (after.clone(), Arc::new(Mutex::new(None)));
            let seen = Arc::clone(&problem);
            let outcome = store.write_blocking(move |tx| {
                for step in &steps {
                    match step {
                        Step::Put(a, b, value) => tx.put(&key(*a, *b), &note(*value))?,
                        Step::Delete(a, b) => tx.delete::<Note>(&key(*a, *b))?,
                    }
                }
                if let Err(error) = agree(tx, &expected) {
                    *seen.lock().unwrap() = Some(error);
                }
                if keep { Ok(()) } else { Err(StoreError::Closed) }
            });
            prop_assert_eq!(problem.lock().unwrap().clone(), None);
            prop_assert_eq!(outcome.is_ok(), keep);
            if keep {
                model = after;
            }
            store.read(|tx| agree(tx, &model)).unwrap();
        }
    }
}
