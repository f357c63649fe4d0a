//! A table as it is stored: its key, its indexes, its settings. Knows nothing of items.

use std::collections::BTreeMap;

use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::api::Error;
use crate::resource::TableRef;
use crate::value::ValueType;

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: String,
    /// Distinguishes it from other tables of that name, before and after.
    pub(crate) id: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// Types of all key attributes, in the order they were given.
    pub(crate) attributes: Vec<(String, KeyType)>,
    /// Its key.
    pub(crate) key: KeySchema,
    /// Its indexes.
    pub(crate) indexes: Vec<Index>,
    /// How it is paid for.
    pub(crate) billing: Billing,
    /// When it was last switched to paying per request.
    pub(crate) on_demand_since: Option<Timestamp>,
    /// Must not be deleted.
    pub(crate) deletion_protected: bool,
    /// `STANDARD` (default) or `STANDARD_INFREQUENT_ACCESS`.
    pub(crate) class: Option<String>,
    /// Encryption at rest was asked for by name. It is always on; this is only shown again.
    // DIVERGES: the key is the installation's root key, not one of KMS; a key of the customer's is refused.
    #[serde(default)]
    pub(crate) encryption_named: bool,
    /// The attribute that says when an item expires.
    pub(crate) ttl_attribute: Option<String>,
    /// Its tags.
    pub(crate) tags: BTreeMap<String, String>,
}

/// Types a key attribute can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyType {
    B,
    N,
    S,
}

impl KeyType {
    /// As a value's type.
    pub(crate) const fn value_type(self) -> ValueType {
        match self {
            Self::B => ValueType::B,
            Self::N => ValueType::N,
            Self::S => ValueType::S,
        }
    }
}

/// The key attributes of a table or index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySchema {
    /// Partition key.
    pub(crate) partition: String,
    /// Sort key.
    pub(crate) sort: Option<String>,
}

impl KeySchema {
    /// Both attributes' names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.partition.as_str()).chain(self.sort.as_deref())
    }
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Its name.
    pub(crate) name: String,
    /// Distinguishes its rows from those of an index of that name before.
    pub(crate) id: String,
    /// Local or global.
    pub(crate) kind: IndexKind,
    /// Its key.
    pub(crate) key: KeySchema,
    /// Which attributes its rows carry besides both keys.
    pub(crate) projection: IndexProjection,
    /// Can it be read yet?
    pub(crate) state: IndexState,
    /// Read and write units.
    pub(crate) throughput: Option<Throughput>,
}

/// The two kinds of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexKind {
    Global,
    Local,
}

/// The life of an index: written from the first moment, read only when filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexState {
    /// Complete.
    Active,
    /// Being filled with the items that were there before it.
    Backfilling,
}

/// What an index carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexProjection {
    All,
    Include(Vec<String>),
    KeysOnly,
}

/// Read and write units per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Throughput {
    /// Read units.
    pub(crate) read: i64,
    /// Write units.
    pub(crate) write: i64,
}

/// How a table is paid for. Capacity is recorded and shown, never enforced.
// DIVERGES: provisioned throughput does not throttle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Billing {
    PayPerRequest,
    Provisioned(Throughput),
}

impl Row for Table {
    const TABLE: &'static str = "dynamodb.table";
    const VERSION: u16 = 1;
}

impl Table {
    /// The type of a key attribute of the table or one of its indexes.
    // INVARIANT: `attributes` holds every key attribute (checked when the table is made); S stands in for the impossible.
    pub(crate) fn type_of(&self, name: &str) -> KeyType {
        self.attributes.iter().find(|(each, _)| each == name).map_or(KeyType::S, |(_, kind)| *kind)
    }

    /// The index called `name`.
    pub(crate) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// The key of the table, or of the index named.
    pub(crate) fn key_of(&self, index: Option<&str>) -> Option<&KeySchema> {
        match index {
            None => Some(&self.key),
            Some(name) => self.index(name).map(|index| &index.key),
        }
    }
}

impl Index {
    /// Does an index row carry this attribute?
    pub(crate) fn carries(&self, attribute: &str, table_key: &KeySchema) -> bool {
        match &self.projection {
            IndexProjection::All => true,
            IndexProjection::Include(names) if names.iter().any(|name| name == attribute) => true,
            _ => self.key.names().chain(table_key.names()).any(|name| name == attribute),
        }
    }
}

/// Where a table's row is.
pub(crate) fn row_key(scope: &Scope, name: &str) -> Key {
    Key::of(scope).text(name)
}

/// The table, or AWS's complaint about data operations on one that is not there.
pub(crate) fn load(tx: &ReadTx<'_>, at: &TableRef) -> Result<Table, Error> {
    find(tx, at)?.ok_or_else(missing)
}

/// The table, or AWS's complaint about control operations on one that is not there.
pub(crate) fn load_named(tx: &ReadTx<'_>, at: &TableRef) -> Result<Table, Error> {
    find(tx, at)?.ok_or_else(|| missing_named(&at.name))
}

/// The table, if there is one.
pub(crate) fn find(tx: &ReadTx<'_>, at: &TableRef) -> Result<Option<Table>, Error> {
    Ok(tx.get::<Table>(&row_key(&at.scope, &at.name))?)
}

// AWS: data operations do not name the table in this text, control operations do.
pub(crate) fn missing() -> Error {
    Error::resource_not_found_exception("Requested resource not found")
}

pub(crate) fn missing_named(name: &str) -> Error {
    Error::resource_not_found_exception(format!("Requested resource not found: Table: {name} not found"))
}
