//! Typed rows: the only form in which anything is stored.

use serde::{Serialize, de::DeserializeOwned};

use crate::StoreError;

/// Largest encoded row. Our own figure: one row must fit one transaction.
pub const VALUE_BYTES_MAX: usize = 10_000_000;

/// A type that is stored. Encoded as MessagePack with field names, so a new field with `#[serde(default)]` needs no new
/// version; anything else does.
pub trait Row: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The table's name, `service.noun`, without zero bytes. One type per table.
    const TABLE: &'static str;
    /// The version this program writes.
    const VERSION: u16;

    /// Reads a row of another version (`encoded` is its MessagePack). Unless a type says how, that is refused.
    fn upgrade(from: u16, encoded: &[u8]) -> Result<Self, StoreError> {
        let _ = encoded;
        Err(StoreError::UnknownVersion { table: Self::TABLE, version: from })
    }
}

pub(crate) fn encode<T: Row>(row: &T) -> Result<Vec<u8>, StoreError> {
    let bytes = rmp_serde::to_vec_named(row)
        .map_err(|error| StoreError::Encoding { table: T::TABLE, reason: error.to_string() })?;
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(StoreError::ValueTooLarge { table: T::TABLE, bytes: bytes.len() });
    }
    Ok(bytes)
}

pub(crate) fn decode<T: Row>(version: u16, bytes: &[u8]) -> Result<T, StoreError> {
    if version != T::VERSION {
        return T::upgrade(version, bytes);
    }
    // The codec's message may quote the value it stumbled over, so only its kind is kept.
    rmp_serde::from_slice(bytes).map_err(|_| StoreError::Encoding {
        table: T::TABLE,
        reason: format!("the stored form of version {version} does not decode"),
    })
}
