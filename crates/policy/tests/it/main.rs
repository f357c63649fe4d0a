//! The engine against a slow, literal reading of AWS's documentation, and against lists of what must never happen.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "helpers of tests may stop the test"
)]

mod compare;
mod compare_random;
mod documents;
mod explain;
mod grammar;
mod layers;
mod operators;
mod properties;
mod reference;
mod reference_layers;
mod round_trip;
mod strangers;
mod support;
mod vectors;
mod wrong_allow;
