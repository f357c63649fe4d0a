//! Transactions, limits, sealing and opening, as their users meet them.
#![expect(clippy::unwrap_used, reason = "a test's helpers")]

use std::{
    fs,
    path::Path,
    pin::Pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Waker},
};

use casemate_names::{AccountId, Region, Scope, SystemEntropy};
use casemate_store::{
    KEY_BYTES_MAX, Key, OpenError, RootKey, Row, Store, StoreError, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX,
};
use redb::{ReadableDatabase, ReadableTable};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

impl Row for Note {
    const TABLE: &'static str = "test.note";
    const VERSION: u16 = 1;
}

fn memory() -> Store {
    Store::in_memory(Arc::new(SystemEntropy::default()))
}

fn open(dir: &Path) -> Result<Store, OpenError> {
    open_with(dir, 1)
}

fn open_with(dir: &Path, root: u8) -> Result<Store, OpenError> {
    Store::open(dir, RootKey::from_bytes([root; 32]), Arc::new(SystemEntropy::default()))
}

fn key(name: &str) -> Key {
    Key::global().text(name)
}

fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

fn put(store: &Store, name: &'static str, text: &'static str) -> Result<(), StoreError> {
    store.write_blocking(move |tx| tx.put(&key(name), &note(text)))
}

fn text(store: &Store, name: &str) -> Result<Option<String>, StoreError> {
    store.read(|tx| Ok(tx.get::<Note>(&key(name))?.map(|note| note.text)))
}

#[test]
fn a_refused_transaction_leaves_nothing_and_its_neighbours_succeed() {
    let store = memory();
    // The first job holds the committer until the others are queued, so that all of them share a batch.
    let (release, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcomes = runtime.block_on(async {
        let held = store.write(move |tx| {
            let _ = gate.lock().unwrap().recv();
            tx.put(&key("first"), &note("1"))
        });
        let good = store.write(|tx| {
            assert_eq!(tx.get::<Note>(&key("first"))?, Some(note("1")));
            tx.put(&key("good"), &note("2"))
        });
        let bad = store.write(|tx| {
            tx.put(&key("bad"), &note("3"))?;
            tx.delete::<Note>(&key("first"))?;
            Err::<(), _>(StoreError::Closed)
        });
        let mad = store.write(|tx| -> Result<(), StoreError> {
            tx.put(&key("mad"), &note("4"))?;
            panic!("on purpose")
        });
        let last = store.write(|tx| {
            assert!(!tx.exists::<Note>(&key("bad"))? && !tx.exists::<Note>(&key("mad"))?);
            tx.put(&key("last"), &note("5"))
        });
        let release = async move { release.send(()).map_err(|_| StoreError::Closed) };
        tokio::join!(held, good, bad, mad, last, release)
    });
    assert_eq!((&outcomes.0, &outcomes.1, &outcomes.4), (&Ok(()), &Ok(()), &Ok(())));
    assert_eq!((outcomes.2, outcomes.3), (Err(StoreError::Closed), Err(StoreError::Panicked)));
    for (name, there) in [("first", true), ("good", true), ("bad", false), ("mad", false), ("last", true)] {
        assert_eq!(text(&store, name).unwrap().is_some(), there, "{name}");
    }
    assert!(store.stats().commits <= 2 && store.stats().writes == 5 && store.stats().waiting == 0);
}

#[test]
fn a_transaction_that_changes_nothing_makes_no_commit() {
    let store = memory();
    put(&store, "a", "1").unwrap();
    let before = store.stats().commits;
    assert_eq!(store.write_blocking(|tx| tx.get::<Note>(&key("a"))).unwrap(), Some(note("1")));
    assert_eq!(store.stats().commits, before);
}

#[test]
fn a_full_queue_refuses_instead_of_growing() {
    type Write<'s> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + 's>>;
    let store = memory();
    let (release, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let mut writes: Vec<Write<'_>> = Vec::new();
    writes.push(Box::pin(store.write(move |_| {
        let _ = gate.lock().unwrap().recv();
        Ok(())
    })));
    for _ in 0..casemate_store::QUEUE_WRITES_MAX + 1_000 {
        writes.push(Box::pin(store.write(|_| Ok(()))));
    }
    let count = writes.len();
    writes.retain_mut(|write| match write.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome != Err(StoreError::Busy),
        Poll::Pending => true,
    });
    assert!(writes.len() < count);
    assert_eq!(store.stats().busy, u64::try_from(count - writes.len()).unwrap());
    release.send(()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for write in writes {
        assert_eq!(runtime.block_on(write), Ok(()));
    }
    put(&store, "after", "1").unwrap();
}

#[test]
fn a_snapshot_does_not_see_later_writes() {
    let store = memory();
    put(&store, "a", "1").unwrap();
    store
        .read(|tx| {
            put(&store, "a", "2")?;
            assert_eq!(tx.get::<Note>(&key("a"))?, Some(note("1")));
            Ok::<_, StoreError>(())
        })
        .unwrap();
    assert_eq!(text(&store, "a").unwrap().as_deref(), Some("2"));
}

#[test]
fn accounts_and_regions_do_not_see_each_other() {
    let scope = |account: &str, region: &str| Scope {
        partition: "aws".into(),
        account: AccountId::parse(account).unwrap(),
        region: Region::parse(region).unwrap(),
    };
    let (here, there, elsewhere) = (
        scope("111111111111", "us-east-1"),
        scope("222222222222", "us-east-1"),
        scope("111111111111", "eu-west-1"),
    );
    let store = memory();
    let key = Key::of(&here).text("a");
    store.write_blocking(move |tx| tx.put(&key, &note("mine"))).unwrap();
    let count = |prefix: Key| store.read(|tx| tx.scan::<Note>(&prefix, None, 9)).unwrap().len();
    assert_eq!(
        [
            count(Key::of(&here)),
            count(Key::of(&there)),
            count(Key::of(&elsewhere)),
            count(Key::of_account(&here)),
            count(Key::global())
        ],
        [1, 0, 0, 0, 0]
    );
    let found = store.read(|tx| tx.scan::<Note>(&Key::of(&here), None, 9)).unwrap();
    assert_eq!(found[0].0.text_at(0).as_deref(), Some("a"));
}

#[test]
fn oversized_keys_values_and_transactions_are_refused() {
    let store = memory();
    let long = Key::global().text(&"k".repeat(KEY_BYTES_MAX));
    let refused = store.write_blocking(move |tx| tx.put(&long, &note("")));
    assert!(matches!(refused, Err(StoreError::KeyTooLong { .. })));
    let refused = store.write_blocking(|tx| tx.put(&key("a"), &note(&"v".repeat(VALUE_BYTES_MAX))));
    assert!(matches!(refused, Err(StoreError::ValueTooLarge { .. })));
    let refused = store.write_blocking(|tx| {
        for number in 0..3 {
            tx.put(&Key::global().number(number), &note(&"v".repeat(TRANSACTION_BYTES_MAX / 2)))?;
        }
        Ok(())
    });
    assert!(matches!(refused, Err(StoreError::TransactionTooLarge { .. })));
    // Writing the same row again and again is not a large transaction.
    store
        .write_blocking(|tx| {
            (0..5).try_for_each(|_| tx.put(&key("b"), &note(&"v".repeat(TRANSACTION_BYTES_MAX / 2))))
        })
        .unwrap();
    assert_eq!(text(&store, "b").unwrap().unwrap().len(), TRANSACTION_BYTES_MAX / 2);
}

#[test]
fn an_unfinished_key_cannot_be_written_or_read() {
    let store = memory();
    let refused = store.write_blocking(|tx| tx.put(&Key::global().partial_text("a"), &note("")));
    assert_eq!(refused, Err(StoreError::IncompleteKey));
    let refused = store.read(|tx| tx.get::<Note>(&Key::global().partial_text("a")));
    assert_eq!(refused, Err(StoreError::IncompleteKey));
}

#[test]
fn old_versions_upgrade_and_unknown_ones_are_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newer {
        text: String,
        stars: u32,
    }
    impl Row for Newer {
        const TABLE: &'static str = Note::TABLE;
        const VERSION: u16 = 2;
        fn upgrade(from: u16, encoded: &[u8]) -> Result<Self, StoreError> {
            let unreadable = |_| StoreError::Encoding { table: Self::TABLE, reason: "version 1".into() };
            match from {
                1 => rmp_serde::from_slice(encoded)
                    .map(|old: Note| Self { text: old.text, stars: 0 })
                    .map_err(unreadable),
                version => Err(StoreError::UnknownVersion { table: Self::TABLE, version }),
            }
        }
    }
    let store = memory();
    put(&store, "old", "x").unwrap();
    let read = store.read(|tx| tx.get::<Newer>(&key("old"))).unwrap();
    assert_eq!(read, Some(Newer { text: "x".into(), stars: 0 }));
    store.write_blocking(|tx| tx.put(&key("new"), &Newer { text: "y".into(), stars: 5 })).unwrap();
    let refused = store.read(|tx| tx.get::<Note>(&key("new")));
    assert_eq!(refused, Err(StoreError::UnknownVersion { table: Note::TABLE, version: 2 }));
}

#[test]
fn the_digest_tells_contents_apart_and_ignores_how_they_are_sealed() {
    let (one, two) = (memory(), memory());
    assert_eq!(one.digest().unwrap(), two.digest().unwrap());
    put(&one, "a", "1").unwrap();
    assert_ne!(one.digest().unwrap(), two.digest().unwrap());
    put(&two, "a", "1").unwrap();
    assert_eq!(one.digest().unwrap(), two.digest().unwrap());
}

#[test]
fn contents_survive_and_lie_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let large = "needle-in-a-large-row ".repeat(20_000);
    let expected = large.clone();
    let store = open(dir.path()).unwrap();
    put(&store, "small", "needle-in-a-small-row").unwrap();
    store.write_blocking(move |tx| tx.put(&key("large"), &note(&large))).unwrap();
    drop(store);
    let raw = fs::read(dir.path().join("casemate.redb")).unwrap();
    assert!(!raw.windows(6).any(|window| window == b"needle"));
    let store = open(dir.path()).unwrap();
    assert_eq!(text(&store, "small").unwrap().as_deref(), Some("needle-in-a-small-row"));
    assert_eq!(text(&store, "large").unwrap(), Some(expected));
}

/// Changes raw pairs behind the store's back.
fn tamper(dir: &Path, change: impl Fn(&mut redb::Table<'_, &'static [u8], &'static [u8]>)) {
    let database = redb::Database::open(dir.join("casemate.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let rows: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("rows");
    change(&mut transaction.open_table(rows).unwrap());
    transaction.commit().unwrap();
    drop(database.begin_read());
}

fn raw(name: &str) -> Vec<u8> {
    [b"test.note\0", key(name).as_bytes()].concat()
}

#[test]
fn exchanged_altered_and_retyped_values_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for (name, text) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")] {
        put(&store, name, text).unwrap();
    }
    drop(store);
    tamper(dir.path(), |rows| {
        let a = rows.get(raw("a").as_slice()).unwrap().unwrap().value().to_vec();
        let mut c = rows.get(raw("c").as_slice()).unwrap().unwrap().value().to_vec();
        *c.last_mut().unwrap() ^= 1;
        let retyped = [b"test.other\0", key("a").as_bytes()].concat();
        rows.insert(raw("b").as_slice(), a.as_slice()).unwrap();
        rows.insert(raw("c").as_slice(), c.as_slice()).unwrap();
        rows.insert(retyped.as_slice(), a.as_slice()).unwrap();
    });
    let store = open(dir.path()).unwrap();
    let tampered = StoreError::Tampered { table: "test.note".into() };
    assert_eq!(text(&store, "a").unwrap().as_deref(), Some("1"));
    assert_eq!(text(&store, "b"), Err(tampered.clone()));
    assert_eq!(text(&store, "c"), Err(tampered.clone()));
    assert_eq!(text(&store, "d").unwrap().as_deref(), Some("4"));
    assert_eq!(store.digest(), Err(tampered));
}

#[test]
fn a_directory_opens_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::InUse(_))));
    drop(store);
    open(dir.path()).unwrap();
}

#[test]
fn the_wrong_root_key_is_refused_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    put(&open(dir.path()).unwrap(), "a", "1").unwrap();
    assert!(matches!(open_with(dir.path(), 2), Err(OpenError::WrongRootKey(_))));
    assert_eq!(text(&open(dir.path()).unwrap(), "a").unwrap().as_deref(), Some("1"));
}

#[test]
fn a_damaged_emptied_or_missing_database_is_refused_and_not_begun_afresh() {
    for damage in [
        Some(b"not a database at all, though long enough to be read as one".repeat(200)),
        Some(Vec::new()),
        None,
    ] {
        let dir = tempfile::tempdir().unwrap();
        put(&open(dir.path()).unwrap(), "a", "1").unwrap();
        let file = dir.path().join("casemate.redb");
        let whole = fs::read(&file).unwrap();
        match &damage {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let outcome = open(dir.path());
        assert!(matches!(outcome, Err(OpenError::Corrupted { .. })), "{outcome:?}");
        fs::write(&file, whole).unwrap();
        assert_eq!(text(&open(dir.path()).unwrap(), "a").unwrap().as_deref(), Some("1"));
    }
}

#[test]
fn a_foreign_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    fs::write(dir.path().join("format"), "casemate store 9\n").unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::UnknownFormat { .. })));
}

#[test]
fn a_place_that_cannot_be_written_is_refused_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for place in [file.clone(), file.join("below"), Path::new("/proc/casemate").to_owned()] {
        let error = open(&place).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Io { .. }), "{error}");
        assert!(error.to_string().contains(&place.display().to_string()), "{error}");
    }
}

#[test]
fn a_setup_interrupted_before_its_end_is_finished_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    fs::remove_file(dir.path().join("format")).unwrap();
    drop(open(dir.path()).unwrap());
    fs::remove_file(dir.path().join("format")).unwrap();
    fs::write(dir.path().join("casemate.redb"), "").unwrap();
    drop(open(dir.path()).unwrap());
}

#[test]
fn the_last_clone_may_be_dropped_by_a_transaction() {
    let store = memory();
    let inner = store.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async move {
        let write = store.write(move |tx| {
            let _keep = &inner;
            tx.put(&key("a"), &note("1"))
        });
        write.await.unwrap();
    });
}
