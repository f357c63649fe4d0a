//! How much the recorder keeps. All of it is ours; beyond a limit things are generalised or counted as lost, never
//! dropped in silence.

/// Users and roles with a record.
pub const PRINCIPALS_MAX: usize = 2_000;
/// Different requests kept in full, per user or role.
pub const EXACT_PER_PRINCIPAL_MAX: usize = 1_024;
/// Different requests kept in full, per user or role and action; further ones are generalised.
pub const EXACT_PER_ACTION_MAX: usize = 64;
/// Bytes of one request kept in full; a larger one is generalised at once.
pub const EXACT_BYTES_MAX: usize = 4_096;
/// Actions per user or role.
pub const ACTIONS_MAX: usize = 512;
/// Resources, or patterns of resources, of a generalised action.
pub const RESOURCES_MAX: usize = 64;
/// Condition keys of a generalised action.
pub const KEYS_MAX: usize = 32;
/// Values, or patterns of values, of one key of a generalised action.
pub const VALUES_MAX: usize = 32;
/// Bytes of one resource or value of a generalised action; of a longer one the beginning is kept, as a prefix.
pub const TEXT_BYTES_MAX: usize = 512;
/// Different refusals per user or role.
pub const DENIED_MAX: usize = 256;
/// All records together, bytes (texts only).
pub const BYTES_MAX: usize = 64 << 20;
/// What was not used for so long is forgotten, days.
// AWS: IAM's last accessed information looks back 400 days.
pub const KEPT_DAYS: i64 = 400;
/// Seconds between two writes to the store; what was first seen after the last one is lost by `kill -9`.
pub const FLUSH_S: u64 = 60;
/// Remembered hashes per shard; beyond it the shard starts again, which costs time only.
pub(super) const SEEN_PER_SHARD_MAX: usize = 4_096;
/// Shards of the hashes.
pub(super) const SHARDS: usize = 16;
/// Rows of one write transaction.
pub(super) const ROWS_PER_WRITE: usize = 500;
