//! The whole server in memory, for tests: fake clock, named entropy, a store that ends with the process, and a client
//! that sends raw signed requests through the one request path. Nothing here is linked into the server.
//!
//! - [`World`]: the kernel over a list of services, with users and roles made at will.
//! - [`Request`], [`Response`]: what goes over the wire, byte for byte, and how it is signed.
//! - [`golden!`]: wire transcripts kept beside the tests that made them.
//! - [`refusals`]: twelve ways to be refused, tried on every registered operation.
//! - [`CertificateAndKey`]: certificates made for one test.
//! - [`processes`]: what the kernel says of processes that a test has had started.
//! - [`access_table`]: what every operation needs, as a text that a person can review.
//!
//! It refuses to know any service: tests hand in the openers.

#![expect(clippy::panic, clippy::expect_used, reason = "a test kit fails a test by panicking")]

mod access;
mod certificates;
mod golden;
mod identities;
pub mod processes;
mod refusals;
mod sample;
mod wire;
mod world;

pub use access::access_table;
pub use certificates::{CertificateAndKey, KeyKind};
pub use golden::compare_with_golden;
pub use identities::{Credentials, Identities};
pub use refusals::{WAYS, refusals};
pub use sample::{Hints, minimal, no_hints, variations};
pub use wire::{Request, Response};
pub use world::{World, WorldBuilder};
