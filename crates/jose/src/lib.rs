//! JSON Web Tokens and Keys with a closed set of algorithms: RS256 and ES384 for tokens made here, and the RSA and ECDSA signatures
//! of registered issuers for theirs. A key has its algorithms from its own type and publication, never from a token:
//! `none`, HMAC with a public key, embedded keys and key addresses are not "rejected by configuration", there is no code
//! for them.
//!
//! The crate refuses to know: whose keys these are, what a claim means, and what time it is. It does no I/O.

mod algorithm;
mod curve;
mod issuer;
mod key;
mod source;
mod time;
mod token;

pub use curve::{CurveJwk, CurveKey};
pub use issuer::{claimed_issuer, read_key_set};
pub use key::{InvalidKey, Jwk, KeyGenerationFailed, SigningKey, VerifyingKey, key_id};
pub use source::{KeySource, PoolKeys};
pub use time::{InvalidTime, check_times};
pub use token::{InvalidToken, MAX_TOKEN_BYTES, Verified, verify};
