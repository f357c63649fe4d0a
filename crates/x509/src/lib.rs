//! Keys and certificates as people hand them over: PEM around DER, X.509 as far as it says whose key it is, how long it
//! is good and who signed it. Refuses to know whom to trust: there are no roots, names mean nothing, and no certificate is
//! valid in itself.
//!
//! Everything is synchronous and pure; the time of day is the caller's matter.

mod certificate;
pub mod der;
pub mod pem;
mod private_key;

pub use certificate::{Certificate, public_key};
pub use private_key::{InvalidKey, PrivateKey};
