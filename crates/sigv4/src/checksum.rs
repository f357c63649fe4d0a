//! The checksums that may accompany an object's bytes. They are no proof of who sent them: the signature is.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc, Digest, Table};

static CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static CRC64NVME: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);

/// The algorithms.
// AWS: S3 User Guide, "Checking object integrity".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumAlgorithm {
    /// `x-amz-checksum-crc32`
    Crc32,
    /// `x-amz-checksum-crc32c`
    Crc32C,
    /// `x-amz-checksum-crc64nvme`
    Crc64Nvme,
    /// `x-amz-checksum-sha1`
    Sha1,
    /// `x-amz-checksum-sha256`
    Sha256,
}

impl ChecksumAlgorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32C, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The header or trailer that carries it, in lower case.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32C => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm whose header this is; case does not matter.
    pub fn of_header(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(name))
    }
}

/// A checksum being computed.
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    state: State,
}

enum State {
    Crc32(Digest<'static, u32, Table<16>>),
    Crc64(Digest<'static, u64, Table<16>>),
    Hash(Context),
}

impl Checksum {
    /// Of nothing yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let state = match algorithm {
            ChecksumAlgorithm::Crc32 => State::Crc32(CRC32.digest()),
            ChecksumAlgorithm::Crc32C => State::Crc32(CRC32C.digest()),
            ChecksumAlgorithm::Crc64Nvme => State::Crc64(CRC64NVME.digest()),
            ChecksumAlgorithm::Sha1 => State::Hash(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            ChecksumAlgorithm::Sha256 => State::Hash(Context::new(&SHA256)),
        };
        Self { algorithm, state }
    }

    /// Which one.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Goes on with more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc32(digest) => digest.update(bytes),
            State::Crc64(digest) => digest.update(bytes),
            State::Hash(context) => context.update(bytes),
        }
    }

    /// The value as headers carry it: base64 of the big-endian bytes.
    pub fn value(self) -> String {
        match self.state {
            State::Crc32(digest) => STANDARD.encode(digest.finalize().to_be_bytes()),
            State::Crc64(digest) => STANDARD.encode(digest.finalize().to_be_bytes()),
            State::Hash(context) => STANDARD.encode(context.finish()),
        }
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checksum({:?})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The check value of each catalogue entry is that of "123456789" (Rocksoft model; FIPS 180 for the hashes).
    #[test]
    fn each_algorithm_gives_its_published_check_value() {
        for (name, expected) in [
            ("x-amz-checksum-crc32", STANDARD.encode(0xcbf4_3926_u32.to_be_bytes())),
            ("X-Amz-Checksum-Crc32c", STANDARD.encode(0xe306_9283_u32.to_be_bytes())),
            ("x-amz-checksum-crc64nvme", STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes())),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=".to_owned()),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=".to_owned()),
        ] {
            let mut checksum = Checksum::new(ChecksumAlgorithm::of_header(name).unwrap());
            checksum.update(b"1234");
            checksum.update(b"56789");
            assert_eq!(checksum.value(), expected, "{name}");
        }
        assert_eq!(ChecksumAlgorithm::of_header("x-amz-checksum-md5"), None);
    }
}
