//! What is stored, and under which keys.

use std::{collections::BTreeMap, sync::Arc};

use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::api::Error;

/// A log group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Names this group's batches; a group made again under the same name has another.
    pub(crate) id: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// After how many days events disappear; `None` is never.
    pub(crate) retention_days: Option<i32>,
    /// `STANDARD` or `INFREQUENT_ACCESS`.
    pub(crate) class: String,
    /// Whether it can be deleted.
    pub(crate) deletion_protected: bool,
    /// Tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// Bytes received, as AWS counts them (26 per event besides the text).
    pub(crate) stored_bytes: i64,
    /// How many streams were ever made in it: the last one's number.
    pub(crate) streams_made: u64,
}

impl Row for Group {
    const TABLE: &'static str = "logs.group";
    const VERSION: u16 = 1;
}

/// A log stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// Its number within the group, never used again.
    pub(crate) number: u64,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// Smallest and largest timestamp of its events, milliseconds.
    pub(crate) first_and_last: Option<(i64, i64)>,
    /// When events last arrived.
    pub(crate) ingested_at: Option<Timestamp>,
    /// How many batches ever arrived: the last one's number.
    pub(crate) batches_made: u64,
    /// Longest time between the first and last event of one batch, milliseconds: how far back a reader must look for
    /// batches that reach into its range.
    pub(crate) span_ms_max: i64,
}

impl Row for Stream {
    const TABLE: &'static str = "logs.stream";
    const VERSION: u16 = 1;
}

/// The events of one `PutLogEvents`, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// When they arrived.
    pub(crate) ingested_at: Timestamp,
    /// Timestamp (milliseconds) and text.
    pub(crate) events: Arc<Vec<(i64, String)>>,
}

impl Row for Batch {
    const TABLE: &'static str = "logs.batch";
    const VERSION: u16 = 1;
}

/// Batches whose group or stream is gone, to be swept: the key holds their prefix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Garbage {}

impl Row for Garbage {
    const TABLE: &'static str = "logs.garbage";
    const VERSION: u16 = 1;
}

impl Group {
    /// Events before this instant have expired, milliseconds.
    pub(crate) fn expired_before(&self, now: Timestamp) -> i64 {
        const DAY_MS: i64 = 86_400_000;
        self.retention_days.map_or(0, |days| (now.millis() - i64::from(days) * DAY_MS).max(0))
    }
}

/// A group's row, and the beginning of all.
pub(crate) fn group_key(scope: &Scope, group: &str) -> Key {
    Key::of(scope).text(group)
}

/// The beginning of a group's stream rows.
pub(crate) fn streams_key(scope: &Scope, group_id: &str) -> Key {
    Key::of(scope).text(group_id)
}

/// A stream's row.
pub(crate) fn stream_key(scope: &Scope, group_id: &str, stream: &str) -> Key {
    streams_key(scope, group_id).text(stream)
}

/// The beginning of a group's batches.
pub(crate) fn group_batches_key(scope: &Scope, group_id: &str) -> Key {
    Key::of(scope).text(group_id)
}

/// The beginning of a stream's batches. The timestamp of the first event and the batch's number follow.
pub(crate) fn batches_key(scope: &Scope, group_id: &str, stream: u64) -> Key {
    group_batches_key(scope, group_id).number(stream)
}

/// The garbage row of everything that begins with `prefix`.
pub(crate) fn garbage_key(prefix: &Key) -> Key {
    Key::global().bytes(prefix.as_bytes())
}

/// A timestamp as a part of a key.
pub(crate) fn millis(timestamp: i64) -> u64 {
    u64::try_from(timestamp).unwrap_or(0)
}

/// Reads a group.
pub(crate) fn group(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<Group, Error> {
    // AWS: text of the service.
    tx.get(&group_key(scope, name))?
        .ok_or_else(|| Error::resource_not_found_exception("The specified log group does not exist."))
}

/// Reads a stream of a group.
pub(crate) fn stream(tx: &ReadTx<'_>, scope: &Scope, group: &Group, name: &str) -> Result<Stream, Error> {
    // AWS: text of the service.
    tx.get(&stream_key(scope, &group.id, name))?
        .ok_or_else(|| Error::resource_not_found_exception("The specified log stream does not exist."))
}
