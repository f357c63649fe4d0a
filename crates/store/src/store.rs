//! The store itself: opening, reading, writing.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use aws_lc_rs::digest;
use casemate_names::Entropy;
use redb::Database;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    Blobs, Key, OpenError, Order, QUEUE_WRITES_MAX, ReadTx, RootKey, Row, StoreError, WriteTx,
    committer::{Committer, Counters, Job, Rehearsal, Task},
    engine::{self, Snapshot, Source},
    seal::Sealer,
};

/// Name of the database file in the data directory.
const DATABASE_FILE: &str = "casemate.redb";
/// Held locked while the directory is open.
const LOCK_FILE: &str = "lock";
/// Says that the directory was set up, and in which format.
const FORMAT_FILE: &str = "format";
/// Directory of the blobs.
const BLOBS_DIRECTORY: &str = "blobs";
/// The directory's format.
const FORMAT: &str = "casemate store 1\n";

/// One store for all services. Cloning is cheap; the last clone's drop finishes queued writes and closes the files.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

struct Handle {
    database: Arc<Database>,
    sealer: Arc<Sealer>,
    counters: Arc<Counters>,
    blobs: Blobs,
    queue: Option<SyncSender<Box<dyn Job>>>,
    committer: Option<JoinHandle<()>>,
    _lock: Option<File>,
}

/// Counters since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Durable commits.
    pub commits: u64,
    /// Transactions answered, refused ones included.
    pub writes: u64,
    /// Transactions refused because too many were waiting.
    pub busy: u64,
    /// Transactions waiting now.
    pub waiting: u64,
}

/// Sealed under the root key when the database is made: opens only under the same one.
#[derive(Serialize, Deserialize)]
struct RootCheck {
    format: u32,
}

impl Row for RootCheck {
    const TABLE: &'static str = "store.root-check";
    const VERSION: u16 = 1;
}

impl Store {
    /// Opens the data directory, making it (mode 0700) if there is none.
    pub fn open(dir: &Path, root_key: RootKey, entropy: Arc<dyn Entropy>) -> Result<Self, OpenError> {
        make_directory(dir)?;
        let lock = lock(&dir.join(LOCK_FILE))?;
        let path = dir.join(DATABASE_FILE);
        let set_up = check_format(&dir.join(FORMAT_FILE))?;
        // An emptied or missing file would otherwise be taken for a new database and silently begun afresh.
        if set_up && fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
            let reason = "it is missing or empty, but this directory was in use before".to_owned();
            return Err(OpenError::Corrupted { path, reason });
        }
        let blobs = Blobs::open(&dir.join(BLOBS_DIRECTORY), &root_key, Arc::clone(&entropy))
            .map_err(|error| OpenError::Io { path: dir.join(BLOBS_DIRECTORY), source: error.into() })?;
        let database = engine::open_file(&path)?;
        let damaged =
            |error: StoreError| OpenError::Corrupted { path: path.clone(), reason: error.to_string() };
        if !set_up {
            engine::prepare(&database).map_err(damaged)?;
        }
        let store =
            Self::start(database, root_key, entropy, blobs, Some(lock), Rehearsal::Never).map_err(damaged)?;
        let key = Key::global();
        match store.read(|tx| tx.get::<RootCheck>(&key)) {
            Ok(Some(_)) => {}
            Ok(None) if !set_up => store
                .write_blocking(|tx| tx.put(&Key::global(), &RootCheck { format: 1 }))
                .map_err(damaged)?,
            Ok(None) => return Err(damaged(StoreError::Engine("its root check is gone".to_owned()))),
            Err(StoreError::Tampered { .. }) => return Err(OpenError::WrongRootKey(path)),
            Err(error) => return Err(damaged(error)),
        }
        if !set_up {
            write_format(dir)?;
        }
        Ok(store)
    }

    /// A store that ends with its last clone. Same engine, same sealing, same committer.
    #[expect(
        clippy::expect_used,
        reason = "for tests and trials: memory cannot be unavailable in a way to recover from"
    )]
    pub fn in_memory(entropy: Arc<dyn Entropy>) -> Self {
        Self::memory(entropy, Rehearsal::Never).expect("a store in memory opens")
    }

    /// As [`Self::in_memory`], and runs every write's closure twice, the first time for nothing: a closure that may not
    /// be run again shows itself.
    #[expect(
        clippy::expect_used,
        reason = "for tests: memory cannot be unavailable in a way to recover from"
    )]
    pub fn in_memory_rehearsing(entropy: Arc<dyn Entropy>) -> Self {
        Self::memory(entropy, Rehearsal::Always).expect("a store in memory opens")
    }

    fn memory(entropy: Arc<dyn Entropy>, rehearsal: Rehearsal) -> Result<Self, StoreError> {
        let root_key = RootKey::ephemeral(&*entropy);
        let database = engine::open_memory()?;
        engine::prepare(&database)?;
        let blobs = Blobs::in_memory(&root_key, Arc::clone(&entropy))
            .map_err(|error| StoreError::Engine(error.to_string()))?;
        Self::start(database, root_key, entropy, blobs, None, rehearsal)
    }

    fn start(
        database: Database,
        root_key: RootKey,
        entropy: Arc<dyn Entropy>,
        blobs: Blobs,
        lock: Option<File>,
        rehearsal: Rehearsal,
    ) -> Result<Self, StoreError> {
        let database = Arc::new(database);
        let sealer = Arc::new(Sealer::new(root_key, entropy)?);
        let counters = Arc::new(Counters::default());
        let (queue, jobs) = sync_channel(QUEUE_WRITES_MAX);
        let committer = Committer {
            database: Arc::clone(&database),
            sealer: Arc::clone(&sealer),
            counters: Arc::clone(&counters),
            rehearsal,
        };
        let thread = thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || committer.work(&jobs))
            .map_err(|error| StoreError::Engine(format!("no committer thread: {error}")))?;
        let (queue, committer) = (Some(queue), Some(thread));
        Ok(Self {
            handle: Arc::new(Handle { database, sealer, counters, blobs, queue, committer, _lock: lock }),
        })
    }

    /// Seals something that leaves the store, bound to what it is for and whose it is: only [`Self::open_for`] with the same
    /// two, under the same root key, opens it.
    pub fn seal_for(&self, purpose: &'static str, owner: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.handle.sealer.seal(&outside(purpose, owner), 0, plain)
    }

    /// Opens what [`Self::seal_for`] sealed. `None`: altered, or sealed for another purpose or owner.
    pub fn open_for(&self, purpose: &'static str, owner: &str, sealed: Vec<u8>) -> Option<Vec<u8>> {
        self.handle.sealer.open(&outside(purpose, owner), sealed).map(|opened| opened.bytes)
    }

    /// Runs `closure` at once on a snapshot of everything durable.
    pub fn read<R, E: From<StoreError>>(
        &self,
        closure: impl FnOnce(&ReadTx<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let snapshot = Snapshot::of(&self.handle.database)?;
        closure(&ReadTx::new(&snapshot, &self.handle.sealer))
    }

    /// Runs `closure` on the committer, serialised with all other writes, and resolves when its changes are durable.
    /// If it returns an error or panics, nothing of it remains. It may be run more than once, so it must depend on
    /// nothing but what it captured and what it reads here. Dropping the future does not take the write back.
    pub async fn write<R, E, F>(&self, closure: F) -> Result<R, E>
    where
        F: Fn(&mut WriteTx<'_>) -> Result<R, E> + Send + 'static,
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        self.submit(closure, move |result| {
            let _ = answer.send(result);
        })?;
        outcome.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// [`Self::write`] for start-up and tests: blocks this thread. Not for use in a request.
    pub fn write_blocking<R, E, F>(&self, closure: F) -> Result<R, E>
    where
        F: Fn(&mut WriteTx<'_>) -> Result<R, E> + Send + 'static,
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, outcome) = sync_channel(1);
        self.submit(closure, move |result| {
            let _ = answer.send(result);
        })?;
        outcome.recv().unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    fn submit<R, E, F, A>(&self, closure: F, answer: A) -> Result<(), E>
    where
        F: Fn(&mut WriteTx<'_>) -> Result<R, E> + Send + 'static,
        A: FnOnce(Result<R, E>) + Send + 'static,
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let counters = &self.handle.counters;
        let queue = self.handle.queue.as_ref().ok_or(StoreError::Closed)?;
        counters.waiting.fetch_add(1, Ordering::Relaxed);
        queue.try_send(Box::new(Task { closure, outcome: None, answer })).map_err(|error| {
            counters.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => {
                    counters.refused.fetch_add(1, Ordering::Relaxed);
                    StoreError::Busy.into()
                }
                TrySendError::Disconnected(_) => StoreError::Closed.into(),
            }
        })
    }

    /// The blobs of the same data directory.
    pub fn blobs(&self) -> &Blobs {
        &self.handle.blobs
    }

    /// SHA-256 over all rows in clear, in order: equal exactly when two stores hold the same. For tests.
    pub fn digest(&self) -> Result<[u8; 32], StoreError> {
        let snapshot = Snapshot::of(&self.handle.database)?;
        let mut context = digest::Context::new(&digest::SHA256);
        for pair in snapshot.walk(&[], &[u8::MAX], Order::Ascending)? {
            let (name, sealed) = pair?;
            let table = || {
                String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
            };
            let opened = self
                .handle
                .sealer
                .open(&name, sealed)
                .ok_or_else(|| StoreError::Tampered { table: table() })?;
            for part in [name.as_slice(), &opened.version.to_be_bytes(), &opened.bytes] {
                context.update(&part.len().to_be_bytes());
                context.update(part);
            }
        }
        let mut sum = [0; 32];
        sum.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Ok(sum)
    }

    /// What the committer has done so far.
    pub fn stats(&self) -> Stats {
        let counters = &self.handle.counters;
        Stats {
            commits: counters.commits.load(Ordering::Relaxed),
            writes: counters.writes.load(Ordering::Relaxed),
            busy: counters.refused.load(Ordering::Relaxed),
            waiting: counters.waiting.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(committer) = self.committer.take() {
            // The last clone may have been captured by a closure, and so be dropped by the committer itself.
            if committer.thread().id() != thread::current().id() {
                let _ = committer.join();
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The name that something outside of the database is sealed under. No row has it: no table's name begins with a zero.
fn outside(purpose: &str, owner: &str) -> Vec<u8> {
    [b"\0".as_slice(), purpose.as_bytes(), b"\0", owner.as_bytes()].concat()
}

fn make_directory(dir: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Io { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.parent().unwrap_or(path).to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Whether the directory was set up before. Any format but ours is refused.
fn check_format(path: &Path) -> Result<bool, OpenError> {
    match fs::read_to_string(path) {
        Ok(text) if text == FORMAT => Ok(true),
        Ok(text) => {
            let format = text.lines().next().unwrap_or_default().chars().take(80).collect();
            Err(OpenError::UnknownFormat { path: path.to_owned(), format })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

fn write_format(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(FORMAT_FILE);
    let draft = dir.join("format.new");
    let written = File::create(&draft)
        .and_then(|mut file| file.write_all(FORMAT.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| File::open(dir)?.sync_all());
    written.map_err(|source| OpenError::Io { path, source })
}
