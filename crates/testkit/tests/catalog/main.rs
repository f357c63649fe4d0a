//! Every operation of every service, through the whole path.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod accounts;
mod api;
mod arbitrary;
mod assumed_roles;
mod changed_bytes;
mod condition_keys;
mod hints;
mod iam_rights;
mod items;
mod judged_by_keys;
mod messages;
mod organizations;
mod pass_role;
mod recorded;
mod recreated;
mod refused;
mod root_access;
mod simulated;
mod sts;
mod unrecorded;
mod words;
mod worlds;
