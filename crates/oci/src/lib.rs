//! Container images on disk: read from an OCI layout or an archive, verified, unpacked into one root, and kept by digest.
//!
//! Everything an image says of itself is judged before it is believed: each blob against its digest and size, each name
//! against the root it must stay in, each number against a limit. Knows no registries and no functions, executes nothing.

mod digest;
mod document;
mod error;
mod layer;
pub mod name;
mod names;
mod root;
mod source;
pub mod store;

pub use digest::Digest;
pub use document::{Config, Platform};
pub use error::OciError;
