//! What can go wrong. No variant carries a stored value.

use std::{fmt, io, path::PathBuf};

/// A read or a write that could not be done. Nothing of a failed write remains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The key is longer than [`crate::KEY_BYTES_MAX`].
    KeyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A key made by `partial_text` or `partial_bytes` names a range, not a row.
    IncompleteKey,
    /// The encoded row is larger than [`crate::VALUE_BYTES_MAX`].
    ValueTooLarge {
        /// The row's table.
        table: &'static str,
        /// Its encoded size.
        bytes: usize,
    },
    /// The transaction's keys and values together exceed [`crate::TRANSACTION_BYTES_MAX`].
    TransactionTooLarge {
        /// Their size.
        bytes: usize,
    },
    /// The stored value cannot be unsealed: altered, moved from another key, or sealed under another root key.
    Tampered {
        /// The row's table.
        table: String,
    },
    /// The stored row has a version that this program does not know.
    UnknownVersion {
        /// The row's table.
        table: &'static str,
        /// The version found.
        version: u16,
    },
    /// The row cannot be encoded, or its stored form does not decode.
    Encoding {
        /// The row's table.
        table: &'static str,
        /// What the codec said.
        reason: String,
    },
    /// More than [`crate::QUEUE_WRITES_MAX`] writes are waiting; this one was not accepted.
    Busy,
    /// The transaction's closure panicked.
    Panicked,
    /// The store has been closed, or its committer has ended.
    Closed,
    /// The engine below failed: disk full, I/O error, corruption.
    Engine(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyTooLong { bytes } => write!(f, "the key has {bytes} bytes, too many"),
            Self::IncompleteKey => f.write_str("an unfinished key cannot name a row"),
            Self::ValueTooLarge { table, bytes } => write!(f, "a row of {table} has {bytes} bytes, too many"),
            Self::TransactionTooLarge { bytes } => write!(f, "the transaction has {bytes} bytes, too many"),
            Self::Tampered { table } => write!(f, "a row of {table} cannot be unsealed"),
            Self::UnknownVersion { table, version } => {
                write!(f, "a row of {table} has unknown version {version}")
            }
            Self::Encoding { table, reason } => write!(f, "a row of {table} cannot be converted: {reason}"),
            Self::Busy => f.write_str("too many writes are waiting"),
            Self::Panicked => f.write_str("a transaction panicked and was discarded"),
            Self::Closed => f.write_str("the store is closed"),
            Self::Engine(reason) => write!(f, "the storage engine failed: {reason}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A data directory that could not be opened. Nothing in it has been changed.
#[derive(Debug)]
pub enum OpenError {
    /// A file or directory cannot be read, written or created.
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has this directory open.
    InUse(PathBuf),
    /// The database file is damaged, or is missing although the directory was used before.
    Corrupted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The root key is not the one this database was sealed under.
    WrongRootKey(PathBuf),
    /// The directory was written in a format this program does not know.
    UnknownFormat {
        /// The directory.
        path: PathBuf,
        /// The format found.
        format: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "cannot use {}: {source}", path.display()),
            Self::InUse(path) => write!(f, "{} is in use by another process", path.display()),
            Self::Corrupted { path, reason } => write!(f, "{} is damaged: {reason}", path.display()),
            Self::WrongRootKey(path) => {
                write!(f, "the root key is not the one {} was sealed under", path.display())
            }
            Self::UnknownFormat { path, format } => {
                write!(f, "{} has format {format:?}, which this version cannot read", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::InUse(_) | Self::Corrupted { .. } | Self::WrongRootKey(_) | Self::UnknownFormat { .. } => {
                None
            }
        }
    }
}
