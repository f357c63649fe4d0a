//! The only file that knows redb: ordered byte strings, snapshots, one durable commit at a time, chunking of what is
//! larger than a pair may be. Sees sealed values only.

use std::{
    cell::OnceCell, fs::OpenOptions, os::unix::fs::OpenOptionsExt, panic::AssertUnwindSafe, path::Path,
};

use redb::{
    AccessGuard, Builder, Database, DatabaseError, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    ReadableTable, StorageError, Table, TableDefinition, TableError, WriteTransaction,
    backends::{FileBackend, InMemoryBackend},
};

use crate::{OpenError, Order, StoreError, seal::FORMAT_SEALED};

/// Largest value of one pair in the engine; larger ones are cut. FoundationDB's limit, the strictest we may ever sit on.
pub const CHUNK_BYTES_MAX: usize = 100_000;

/// Page cache. Filled by use, so an idle store holds next to nothing.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// First byte of a row whose sealed value lies in `chunks`; the number of chunks follows (u32, big endian).
const FORMAT_CHUNKED: u8 = 2;

const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");
/// A row's name and the chunk's number.
type ChunkName = (&'static [u8], u32);

const CHUNKS: TableDefinition<'static, ChunkName, &[u8]> = TableDefinition::new("chunks");

/// A name and a sealed value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);
/// Pairs in order.
pub(crate) type Walk<'s> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 's>;

/// Something to read from: a snapshot, or the batch being made.
pub(crate) trait Source {
    /// The sealed value of `name`.
    fn value(&self, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// The pairs of `lower..upper`.
    fn walk(&self, lower: &[u8], upper: &[u8], order: Order) -> Result<Walk<'_>, StoreError>;
}

/// Opens or makes the database file.
pub(crate) fn open_file(path: &Path) -> Result<Database, OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    let damaged = |reason: String| OpenError::Corrupted { path: path.to_owned(), reason };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let backend = FileBackend::new(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.to_owned()),
        other => damaged(other.to_string()),
    })?;
    // redb may panic on a damaged file (its own documentation says so); that must not take the process down unexplained.
    let opened = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        builder.create_with_backend(backend)
    }));
    match opened {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch)) => {
            Err(OpenError::InUse(path.to_owned()))
        }
        Ok(Err(DatabaseError::Storage(StorageError::Io(source))))
            if source.kind() != std::io::ErrorKind::InvalidData =>
        {
            Err(failed(source))
        }
        Ok(Err(DatabaseError::UpgradeRequired(version))) => {
            Err(OpenError::UnknownFormat { path: path.to_owned(), format: format!("engine {version}") })
        }
        Ok(Err(other)) => Err(damaged(other.to_string())),
        Err(_) => Err(damaged("the engine could not make sense of it".to_owned())),
    }
}

/// A database that ends with the process.
pub(crate) fn open_memory() -> Result<Database, StoreError> {
    Builder::new().create_with_backend(InMemoryBackend::new()).map_err(engine)
}

/// Makes the tables, so that snapshots of an empty database have them.
pub(crate) fn prepare(database: &Database) -> Result<(), StoreError> {
    let transaction = begin(database)?;
    transaction.open_table(ROWS).map_err(engine)?;
    transaction.open_table(CHUNKS).map_err(engine)?;
    transaction.commit().map_err(engine)
}

/// Begins the one write transaction, in the durable mode that survives a crash and an attacker who can cause one.
pub(crate) fn begin(database: &Database) -> Result<WriteTransaction, StoreError> {
    let mut transaction = database.begin_write().map_err(engine)?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// A consistent view of all that was durable when it was made.
pub(crate) struct Snapshot {
    transaction: ReadTransaction,
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
    chunks: OnceCell<ReadOnlyTable<ChunkName, &'static [u8]>>,
}

impl Snapshot {
    pub(crate) fn of(database: &Database) -> Result<Self, StoreError> {
        let transaction = database.begin_read().map_err(engine)?;
        let rows = transaction.open_table(ROWS).map_err(engine)?;
        Ok(Self { transaction, rows, chunks: OnceCell::new() })
    }

    fn whole(&self, name: &[u8], value: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        if value.first() != Some(&FORMAT_CHUNKED) {
            return Ok(value);
        }
        if let Some(chunks) = self.chunks.get() {
            return gather(chunks, name, &value);
        }
        let chunks = self.transaction.open_table(CHUNKS).map_err(engine)?;
        gather(self.chunks.get_or_init(|| chunks), name, &value)
    }
}

impl Source for Snapshot {
    fn value(&self, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.rows.get(name).map_err(engine)?.map(|guard| guard.value().to_vec());
        found.map(|value| self.whole(name, value)).transpose()
    }

    fn walk(&self, lower: &[u8], upper: &[u8], order: Order) -> Result<Walk<'_>, StoreError> {
        let range = self.rows.range::<&[u8]>(lower..upper).map_err(engine)?;
        Ok(in_order(range, order, |name, value| self.whole(name, value)))
    }
}

/// The state of the batch being made: what was durable, and the changes of its earlier transactions.
pub(crate) struct Pending<'t> {
    rows: Table<'t, &'static [u8], &'static [u8]>,
    chunks: Table<'t, ChunkName, &'static [u8]>,
}

impl<'t> Pending<'t> {
    pub(crate) fn of(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        let rows = transaction.open_table(ROWS).map_err(engine)?;
        let chunks = transaction.open_table(CHUNKS).map_err(engine)?;
        Ok(Self { rows, chunks })
    }

    /// Sets the sealed value of `name`.
    pub(crate) fn put(&mut self, name: &[u8], sealed: &[u8]) -> Result<(), StoreError> {
        debug_assert_eq!(sealed.first(), Some(&FORMAT_SEALED));
        if sealed.len() <= CHUNK_BYTES_MAX {
            let before =
                self.rows.insert(name, sealed).map_err(engine)?.map_or(0, |old| chunk_count(old.value()));
            return self.drop_chunks(name, 0, before);
        }
        let mut count = 0_u32;
        for chunk in sealed.chunks(CHUNK_BYTES_MAX) {
            self.chunks.insert((name, count), chunk).map_err(engine)?;
            count += 1;
        }
        let mut directory = vec![FORMAT_CHUNKED];
        directory.extend_from_slice(&count.to_be_bytes());
        let before = self
            .rows
            .insert(name, directory.as_slice())
            .map_err(engine)?
            .map_or(0, |old| chunk_count(old.value()));
        self.drop_chunks(name, count, before)
    }

    /// Removes `name`.
    pub(crate) fn delete(&mut self, name: &[u8]) -> Result<(), StoreError> {
        let before = self.rows.remove(name).map_err(engine)?.map_or(0, |old| chunk_count(old.value()));
        self.drop_chunks(name, 0, before)
    }

    fn drop_chunks(&mut self, name: &[u8], from: u32, to: u32) -> Result<(), StoreError> {
        for number in from..to {
            self.chunks.remove((name, number)).map_err(engine)?;
        }
        Ok(())
    }

    fn whole(&self, name: &[u8], value: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        if value.first() == Some(&FORMAT_CHUNKED) { gather(&self.chunks, name, &value) } else { Ok(value) }
    }
}

impl Source for Pending<'_> {
    fn value(&self, name: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.rows.get(name).map_err(engine)?.map(|guard| guard.value().to_vec());
        found.map(|value| self.whole(name, value)).transpose()
    }

    fn walk(&self, lower: &[u8], upper: &[u8], order: Order) -> Result<Walk<'_>, StoreError> {
        let range = self.rows.range::<&[u8]>(lower..upper).map_err(engine)?;
        Ok(in_order(range, order, |name, value| self.whole(name, value)))
    }
}

fn in_order<'s>(
    range: redb::Range<'s, &'static [u8], &'static [u8]>,
    order: Order,
    whole: impl Fn(&[u8], Vec<u8>) -> Result<Vec<u8>, StoreError> + 's,
) -> Walk<'s> {
    type Guards<'g> = (AccessGuard<'g, &'static [u8]>, AccessGuard<'g, &'static [u8]>);
    let pair = move |entry: Result<Guards<'_>, StorageError>| {
        let (name, value) = entry.map_err(engine)?;
        let (name, value) = (name.value().to_vec(), value.value().to_vec());
        let value = whole(&name, value)?;
        Ok((name, value))
    };
    match order {
        Order::Ascending => Box::new(range.map(pair)),
        Order::Descending => Box::new(range.rev().map(pair)),
    }
}

fn chunk_count(value: &[u8]) -> u32 {
    match value {
        [FORMAT_CHUNKED, a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

fn gather(
    chunks: &impl ReadableTable<ChunkName, &'static [u8]>,
    name: &[u8],
    directory: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let mut value = Vec::new();
    for number in 0..chunk_count(directory) {
        // A missing chunk leaves a value that does not unseal.
        if let Some(chunk) = chunks.get((name, number)).map_err(engine)? {
            value.extend_from_slice(chunk.value());
        }
    }
    Ok(value)
}

/// Any failure of redb.
pub(crate) fn engine(error: impl Into<EngineFailure>) -> StoreError {
    StoreError::Engine(error.into().0)
}

/// The text of a redb error.
pub(crate) struct EngineFailure(String);

macro_rules! failures {
    ($($error:ty),*) => {$(
        impl From<$error> for EngineFailure {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        }
    )*};
}
failures!(DatabaseError, TableError, StorageError, redb::TransactionError, redb::CommitError);
