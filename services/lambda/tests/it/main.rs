//! Lambda through the whole request path, with real sandboxes where functions run.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod configuration;
mod credentials;
mod decoys;
mod destinations;
mod downloads;
mod events;
mod extensions;
mod gate;
mod late;
mod layers;
mod letters;
mod logs;
mod mappings;
mod measure;
mod outside;
mod queue;
mod reuse;
mod runs;
mod signing;
mod snapshots;
mod support;
mod urls;
mod versions;
