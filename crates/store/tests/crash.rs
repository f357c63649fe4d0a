//! kill −9 in mid-load: every acknowledged write is there afterwards. The test runs itself as the process to be killed.
#![expect(clippy::unwrap_used, reason = "a test's helpers")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use casemate_names::SystemEntropy;
use casemate_store::{Key, RootKey, Row, Store};
use serde::{Deserialize, Serialize};

const CYCLES: u64 = 5;
const WRITERS: u64 = 16;
const DIRECTORY: &str = "CASEMATE_STORE_CRASH_DIRECTORY";
const CYCLE: &str = "CASEMATE_STORE_CRASH_CYCLE";

#[derive(Serialize, Deserialize)]
struct Entry {
    number: u64,
    fill: Vec<u8>,
}

impl Row for Entry {
    const TABLE: &'static str = "test.entry";
    const VERSION: u16 = 1;
}

fn open(dir: &Path) -> Store {
    Store::open(dir, RootKey::from_bytes([1; 32]), Arc::new(SystemEntropy::default())).unwrap()
}

fn key(cycle: u64, writer: u64, number: u64) -> Key {
    Key::global().number(cycle).number(writer).number(number)
}

/// Not a test of its own: the process that is killed. Does nothing when the suite runs it.
#[test]
#[expect(clippy::disallowed_methods, reason = "how the parent tells the child that it is one")]
fn victim() {
    let (Ok(dir), Ok(cycle)) = (std::env::var(DIRECTORY), std::env::var(CYCLE)) else { return };
    let (store, cycle) = (open(Path::new(&dir)), cycle.parse().unwrap());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = store.clone();
            scope.spawn(move || {
                for number in 0.. {
                    // Now and then a row in several chunks.
                    let fill = if number % 40 == 7 { 150_000 } else { 100 };
                    let entry = move || Entry { number, fill: vec![1; fill] };
                    store.write_blocking(move |tx| tx.put(&key(cycle, writer, number), &entry())).unwrap();
                    // Straight to the pipe: the test harness would capture `println`.
                    let line = format!("{writer} {number}\n");
                    let _ = std::io::stderr().lock().write_all(line.as_bytes());
                }
            });
        }
    });
}

#[test]
fn every_acknowledged_write_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for cycle in 0..CYCLES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, dir.path())
            .env(CYCLE, cycle.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (mut line, mut count) = (String::new(), 0);
        // Kill after a different number of acknowledgements each time, then read what was still in the pipe.
        while lines.read_line(&mut line).unwrap() > 0 {
            let mut words = line.split_whitespace().map(str::parse::<u64>);
            if let (true, Some(Ok(writer)), Some(Ok(number))) =
                (line.ends_with('\n'), words.next(), words.next())
            {
                acknowledged.push((cycle, writer, number));
                count += 1;
                if count == 100 + cycle * 73 {
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        child.wait().unwrap();
        assert!(count >= 100, "the victim ended by itself after {count} writes");
        let store = open(dir.path());
        store
            .read(|tx| {
                for (cycle, writer, number) in &acknowledged {
                    let entry = tx.get::<Entry>(&key(*cycle, *writer, *number))?;
                    assert_eq!(
                        entry.map(|entry| entry.number),
                        Some(*number),
                        "lost {cycle}/{writer}/{number}"
                    );
                }
                Ok::<_, casemate_store::StoreError>(())
            })
            .unwrap();
        store.digest().unwrap();
    }
}
