//! What a request says of its body before the body is there.

use crate::{claim::Algorithm, encoding::parse_hex32};

/// The value of `x-amz-content-sha256` (header, or query parameter of a presigned request).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadHash {
    /// Not given: the hash of the received body is part of what is signed (S3 presigned: unsigned).
    Absent,
    /// This hash.
    Sha256([u8; 32]),
    /// `UNSIGNED-PAYLOAD`; legal for S3 only.
    Unsigned,
    /// The body comes in chunks; legal for S3 only.
    Chunked(Chunking),
    /// Anything else.
    Invalid,
}

/// How a chunked body is proved.
// AWS: S3 API reference, "Authenticating requests: using the Authorization header", table of x-amz-content-sha256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunking {
    /// Each chunk is signed; nothing follows the last.
    Signed(Algorithm),
    /// Each chunk is signed, and so are the headers that follow the last.
    SignedTrailer(Algorithm),
    /// Chunks are not signed; the headers that follow the last hold a checksum.
    UnsignedTrailer,
}

impl Chunking {
    const ALL: [Self; 5] = [
        Self::Signed(Algorithm::Hmac),
        Self::SignedTrailer(Algorithm::Hmac),
        Self::Signed(Algorithm::Ecdsa),
        Self::SignedTrailer(Algorithm::Ecdsa),
        Self::UnsignedTrailer,
    ];

    /// As written in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signed(Algorithm::Hmac) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedTrailer(Algorithm::Hmac) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::Signed(Algorithm::Ecdsa) => "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            Self::SignedTrailer(Algorithm::Ecdsa) => "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }

    /// Do headers follow the last chunk?
    pub const fn has_trailer(self) -> bool {
        match self {
            Self::Signed(_) => false,
            Self::SignedTrailer(_) | Self::UnsignedTrailer => true,
        }
    }
}

impl PayloadHash {
    pub(crate) fn read(value: Option<&[u8]>) -> Self {
        match value {
            None => Self::Absent,
            Some(b"UNSIGNED-PAYLOAD") => Self::Unsigned,
            Some(other) => match parse_hex32(other) {
                Some(hash) => Self::Sha256(hash),
                None => Chunking::ALL
                    .into_iter()
                    .find(|chunking| chunking.name().as_bytes() == other)
                    .map_or(Self::Invalid, Self::Chunked),
            },
        }
    }
}
