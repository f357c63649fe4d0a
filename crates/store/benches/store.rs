//! Durable puts at one and sixteen writers, and gets. `cargo bench -p casemate-store`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints and measures time"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use casemate_names::SystemEntropy;
use casemate_store::{Key, RootKey, Row, Store};
use serde::{Deserialize, Serialize};

const VALUE_BYTES: usize = 1_024;
const WRITES: u64 = 4_000;
const READS: u64 = 200_000;

#[derive(Serialize, Deserialize)]
struct Item {
    body: String,
}

impl Row for Item {
    const TABLE: &'static str = "bench.item";
    const VERSION: u16 = 1;
}

fn main() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = Store::open(
        &dir.path().join("data"),
        RootKey::from_bytes([1; 32]),
        Arc::new(SystemEntropy::default()),
    )
    .unwrap();
    for writers in [1, 16, 64] {
        let start = Instant::now();
        let mut times: Vec<Duration> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..writers)
                .map(|writer| {
                    let store = &store;
                    scope.spawn(move || put_all(store, writer, WRITES / writers))
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        report(&format!("put, {writers} writers"), start.elapsed(), &mut times);
    }
    let start = Instant::now();
    let mut times: Vec<Duration> = (0..READS)
        .map(|number| {
            let at = Instant::now();
            let key = Key::global().number(0).number(number % WRITES);
            assert!(store.read(|tx| tx.get::<Item>(&key)).unwrap().is_some());
            at.elapsed()
        })
        .collect();
    report("get, 1 reader", start.elapsed(), &mut times);
}

fn put_all(store: &Store, writer: u64, count: u64) -> Vec<Duration> {
    let put = |number| {
        let at = Instant::now();
        let key = Key::global().number(writer).number(number);
        store.write_blocking(move |tx| tx.put(&key, &Item { body: "x".repeat(VALUE_BYTES) })).unwrap();
        at.elapsed()
    };
    (0..count).map(put).collect()
}

fn report(what: &str, total: Duration, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1_000).copied().unwrap_or_default();
    let per_second = f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX)) / total.as_secs_f64();
    println!("{what}: {per_second:.0}/s, p50 {:?}, p99 {:?}", at(500), at(990));
}
