//! User pools through the whole path: wire, gate, audit, store.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod admin;
mod golden;
mod groups;
mod lockout;
mod pools;
mod recovery;
mod refresh;
mod refused;
mod scene;
mod self_service;
mod sign_up;
mod srp;
mod tokens;
