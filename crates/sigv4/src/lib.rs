//! AWS Signature Version 4: reading a claim of identity from a request head, and proving or refusing it.
//!
//! The order of work, which is also AWS's order of errors:
//!
//! ```text
//! parse(head) ── None ─▶ anonymous
//!    │ Claim
//!    ▼
//! check(claim, expected, now)      time window, then the scope: its parts, then = what routing dispatched to
//!    │
//!    ▼        (the caller looks the access key up: unknown key is its refusal)
//! verify(head, claim, expected, secret, keys, arrival)      check again, signed headers, body hash, signature
//! ```
//!
//! Four forms are understood: the `Authorization` header, the presigned query string, a body in chunks that prove
//! themselves ([`verify_chunked`]), and the browser form ([`PostForm`]); each by shared secret (SigV4) or, but for the form,
//! by a key derived from it (SigV4A). The last two and unsigned bodies are legal for one service only, the one whose paths
//! are [`PathStyle::Raw`]. The crate refuses to know: who owns an access key, whether it is active, what a session token
//! means, and what the request asks for. It does no I/O and reads no clock.

mod asymmetric;
mod canonical;
mod checksum;
mod chunk_line;
mod chunked;
mod claim;
mod encoding;
mod error;
mod keys;
mod payload;
mod post_form;
mod post_policy;
mod scope;
pub mod sign;
#[cfg(test)]
mod vectors;
mod verify;

use casemate_names::Timestamp;

pub use checksum::{Checksum, ChecksumAlgorithm};
pub use chunked::{ChunkError, ChunkedBody, Trailer};
pub use claim::{Algorithm, Claim, Placement, parse};
pub use encoding::is_normal_path;
pub use error::{AuthError, Dialect};
pub use keys::SigningKeyCache;
pub use payload::{Chunking, PayloadHash};
pub use post_form::{Field, FormError, PostForm};
pub use scope::CredentialScope;
pub use verify::{check, verify, verify_chunked};

/// SHA-256 of the empty body.
pub const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The window either side of the server's clock, in seconds.
/// AWS: 15 minutes in the texts of most services and in S3's documentation (some services enforce 5).
pub const SKEW_S: i64 = 900;

/// The head of a request as it came over the wire.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// As sent; case matters.
    pub method: &'a str,
    /// The raw request target, `path[?query]`, not decoded and not normalised.
    pub target: &'a str,
    /// Names in any case, in wire order. Must include `host`: for HTTP/2 the caller adds `:authority` under that name.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// What routing dispatched to. The service comes from here, never from the client's scope.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The region this server speaks for.
    pub region: &'a str,
    /// The signing name of the routed service.
    pub service: &'a str,
    /// How that service canonicalises paths.
    pub path_style: PathStyle,
    /// Tolerated difference between the signature's time and ours, seconds, both ways; usually [`SKEW_S`].
    pub skew_s: i64,
}

/// How the canonical path is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathStyle {
    /// Every service but S3: dot segments and doubled slashes removed, then percent-encoded once more.
    Normalise,
    /// S3: segments kept as they are, each octet encoded once.
    Raw,
}

/// The facts of a request's arrival which a signature is held against.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// When it arrived.
    pub at: Timestamp,
    /// SHA-256 of the body as received.
    pub body_sha256: &'a [u8; 32],
}
