//! One transactional store for every service: ordered keys, typed rows, serializable writes, snapshots for reads.
//!
//! - [`Store`] opens a directory (or memory), [`Store::read`] runs on a snapshot, [`Store::write`] runs on the one
//!   committer thread and resolves when its effects are durable. Concurrent writes share one durable commit.
//! - [`Row`] is a stored type with a version; [`Key`] an order-preserving tuple that begins with the owner's scope.
//! - Every value is sealed (AES-256-GCM) under a [`RootKey`] kept outside the database and bound to its own table and
//!   key. **Keys are not sealed**: names of resources can be read from a stolen database file, values cannot.
//!   Putting back an older value of the same key is not detected.
//! - [`Blobs`] holds what is too large for rows, in content-addressed files, sealed likewise.
//!
//! Knows nothing of any service and nothing of time.

mod blobs;
mod committer;
mod engine;
mod error;
mod key;
mod root_key;
mod row;
mod seal;
mod store;
mod transaction;

pub use blobs::{BLOB_BYTES_MAX, BlobError, BlobId, Blobs};
pub use committer::{BATCH_WRITES_MAX, QUEUE_WRITES_MAX};
pub use engine::CHUNK_BYTES_MAX;
pub use error::{OpenError, StoreError};
pub use key::{KEY_BYTES_MAX, Key, Part};
pub use root_key::{RootKey, RootKeyError};
pub use row::{Row, VALUE_BYTES_MAX};
pub use store::{Stats, Store};
pub use transaction::{Order, ReadTx, TRANSACTION_BYTES_MAX, WriteTx};
