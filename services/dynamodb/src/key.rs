//! From items and keys to the bytes that order them, and every complaint AWS has about keys.

use casemate_names::Scope;
use casemate_store::Key;

use crate::api::Error;
use crate::table::{Index, KeySchema, KeyType, Table};
use crate::value::{Item, Value};

/// Longest partition key. Source: DynamoDB quotas, "Partition key length".
const PARTITION_BYTES_MAX: usize = 2048;
/// Longest sort key. Source: DynamoDB quotas, "Sort key length".
const SORT_BYTES_MAX: usize = 1024;

/// A key as ordered bytes: numbers in their ordered form, text and binary as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyBytes {
    /// Partition key.
    pub(crate) partition: Vec<u8>,
    /// Sort key, where the schema has one.
    pub(crate) sort: Option<Vec<u8>>,
}

/// The ordered bytes of a value of a key's type; nothing for another type.
pub(crate) fn ordered(value: &Value, kind: KeyType) -> Option<Vec<u8>> {
    match (value, kind) {
        (Value::S(text), KeyType::S) => Some(text.as_bytes().to_vec()),
        (Value::B(bytes), KeyType::B) => Some(bytes.to_vec()),
        (Value::N(number), KeyType::N) => {
            let mut out = Vec::with_capacity(24);
            number.write_ordered(&mut out);
            Some(out)
        }
        _ => None,
    }
}

/// Where in the hash space a partition lies. Scans run in this order and segments are slices of it.
// Collisions cost nothing but evenness: the key's bytes follow the hash.
pub(crate) fn hash(partition: &[u8]) -> u64 {
    let fold = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    let state = partition.iter().fold(0xCBF2_9CE4_8422_2325, fold);
    let mixed = (state ^ (state >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    mixed >> 32
}

/// One more than the largest [`hash`].
pub(crate) const HASH_END: u64 = 1 << 32;

/// The common beginning of a table's row keys.
pub(crate) fn table_prefix(scope: &Scope, table: &Table) -> Key {
    Key::of(scope).text(&table.id)
}

/// The common beginning of an index's row keys.
pub(crate) fn index_prefix(scope: &Scope, table: &Table, index: &Index) -> Key {
    Key::of(scope).text(&table.id).text(&index.id)
}

/// The common beginning of the row keys of one partition, behind a table's or index's prefix.
pub(crate) fn partition_prefix(prefix: Key, partition: &[u8]) -> Key {
    prefix.number(hash(partition)).bytes(partition)
}

/// The row key of an item.
pub(crate) fn item_key(prefix: Key, key: &KeyBytes) -> Key {
    let partition = partition_prefix(prefix, &key.partition);
    match &key.sort {
        Some(sort) => partition.bytes(sort),
        None => partition,
    }
}

/// The row key of an item's row in an index: the index's key, then the table's, which makes it unique.
pub(crate) fn index_row_key(prefix: Key, index: &KeyBytes, table: &KeyBytes) -> Key {
    let key = item_key(prefix, index).bytes(&table.partition);
    match &table.sort {
        Some(sort) => key.bytes(sort),
        None => key,
    }
}

/// The key given to GetItem, UpdateItem, DeleteItem …: exactly the key attributes, with their types.
pub(crate) fn of_key(table: &Table, key: &Item) -> Result<KeyBytes, Error> {
    // AWS: one text for missing, superfluous and ill-typed key attributes.
    let mismatch = || Error::Validation("The provided key element does not match the schema".to_owned());
    if key.len() != table.key.names().count() {
        return Err(mismatch());
    }
    let part = |name: &str| {
        let value = key.get(name).ok_or_else(mismatch)?;
        ordered(value, table.type_of(name)).ok_or_else(mismatch)
    };
    let bytes = KeyBytes {
        partition: part(&table.key.partition)?,
        sort: table.key.sort.as_deref().map(part).transpose()?,
    };
    checked(table, bytes)
}

/// The key of a whole item.
pub(crate) fn of_item(table: &Table, item: &Item) -> Result<KeyBytes, Error> {
    let part = |name: &str| {
        let value = item.get(name).ok_or_else(|| invalid(&format!("Missing the key {name} in the item")))?;
        let kind = table.type_of(name);
        ordered(value, kind).ok_or_else(|| {
            invalid(&format!(
                "Type mismatch for key {name} expected: {} actual: {}",
                kind.value_type(),
                value.kind()
            ))
        })
    };
    let bytes = KeyBytes {
        partition: part(&table.key.partition)?,
        sort: table.key.sort.as_deref().map(part).transpose()?,
    };
    checked(table, bytes)
}

/// Lengths: neither empty nor too long.
fn checked(table: &Table, key: KeyBytes) -> Result<KeyBytes, Error> {
    let parts =
        [(Some(&table.key.partition), Some(&key.partition)), (table.key.sort.as_ref(), key.sort.as_ref())];
    for (name, bytes) in parts {
        if let (Some(name), Some(bytes)) = (name, bytes)
            && bytes.is_empty()
        {
            let kind = if table.type_of(name) == KeyType::B { "binary" } else { "string" };
            return Err(Error::Validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain \
                 an empty {kind} value. Key: {name}"
            )));
        }
    }
    if key.partition.len() > PARTITION_BYTES_MAX {
        return Err(invalid("Size of hashkey has exceeded the maximum size limit of2048 bytes"));
    }
    if key.sort.as_ref().is_some_and(|sort| sort.len() > SORT_BYTES_MAX) {
        return Err(invalid("Aggregated size of all range keys has exceeded the size limit of 1024 bytes"));
    }
    Ok(key)
}

/// Who wants to know an item's index key: complaints differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The whole item was sent.
    Put,
    /// An update made it.
    Update,
}

/// The item's key in an index; nothing when the item lacks one of its attributes (the index is sparse).
pub(crate) fn of_index(
    table: &Table,
    index: &Index,
    item: &Item,
    source: Source,
) -> Result<Option<KeyBytes>, Error> {
    let part = |name: &str, limit: usize| {
        let Some(value) = item.get(name) else { return Ok(None) };
        let kind = table.type_of(name);
        let bytes = ordered(value, kind).ok_or_else(|| mistyped(index, name, kind, value, source))?;
        if bytes.is_empty() {
            return Err(empty_index_key(index, name, kind, source));
        }
        if bytes.len() > limit {
            return Err(invalid(&format!(
                "Size of {} has exceeded the maximum size limit of {limit} bytes",
                if limit == PARTITION_BYTES_MAX { "hashkey" } else { "rangekey" }
            )));
        }
        Ok(Some(bytes))
    };
    let partition = part(&index.key.partition, PARTITION_BYTES_MAX)?;
    let sort = match &index.key.sort {
        Some(name) => Some(part(name, SORT_BYTES_MAX)?),
        None => None,
    };
    Ok(match (partition, sort) {
        (Some(partition), None) => Some(KeyBytes { partition, sort: None }),
        (Some(partition), Some(Some(sort))) => Some(KeyBytes { partition, sort: Some(sort) }),
        _ => None,
    })
}

// AWS: texts as the service words them for puts and for updates.
fn mistyped(index: &Index, name: &str, kind: KeyType, value: &Value, source: Source) -> Error {
    match source {
        Source::Put => invalid(&format!(
            "Type mismatch for Index Key {name} Expected: {} Actual: {} IndexName: {}",
            kind.value_type(),
            value.kind(),
            index.name
        )),
        Source::Update => Error::Validation(
            "The update expression attempted to update the secondary index key to unsupported type"
                .to_owned(),
        ),
    }
}

fn empty_index_key(index: &Index, name: &str, kind: KeyType, source: Source) -> Error {
    let kind = if kind == KeyType::B { "binary" } else { "string" };
    Error::Validation(match source {
        Source::Put => format!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
             The AttributeValue for a key attribute cannot contain an empty {kind} value. \
             IndexName: {}, IndexKey: {name}",
            index.name
        ),
        Source::Update => format!(
            "One or more parameter values are not valid. The update expression attempted to update a secondary index \
             key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty \
             {kind} value."
        ),
    })
}

/// The attributes of an item that make up a key.
pub(crate) fn attributes(item: &Item, schemas: &[&KeySchema]) -> Item {
    let names = schemas.iter().flat_map(|schema| schema.names());
    names.filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect()
}

/// `One or more parameter values were invalid: …`
pub(crate) fn invalid(what: &str) -> Error {
    Error::Validation(format!("One or more parameter values were invalid: {what}"))
}
