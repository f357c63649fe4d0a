//! Container images: read from an OCI layout, an archive or a registry, verified, unpacked into one root, and kept by digest.
//!
//! Everything an image says of itself is judged before it is believed: each blob against its digest and size, each name
//! against the root it must stay in, each number against a limit. Knows no functions, executes nothing.

mod digest;
mod document;
mod error;
mod layer;
pub mod name;
mod names;
pub mod registry;
mod root;
mod source;
pub mod store;

pub use digest::Digest;
pub use document::{Config, Platform};
pub use error::OciError;
