//! SHA-256 digests as images spell them, and readers that make one of what they pass on.

use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};

use aws_lc_rs::digest::{self, Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::OciError;

/// `sha256:` and 64 lower-case hexadecimal digits. Other algorithms are not taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finished(digest::digest(&SHA256, bytes).as_ref())
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The digits alone.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    fn finished(bytes: &[u8]) -> Self {
        let mut all = [0; 32];
        for (to, from) in all.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self(all)
    }
}

impl FromStr for Digest {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self, OciError> {
        let refused = || OciError::Malformed(format!("{text:?} is not a SHA-256 digest"));
        let digits = text.strip_prefix("sha256:").ok_or_else(refused)?;
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(refused());
        }
        let bytes = hex::decode(digits).map_err(|_| refused())?;
        bytes.try_into().map(Self).map_err(|_| refused())
    }
}

impl TryFrom<String> for Digest {
    type Error = OciError;

    fn try_from(text: String) -> Result<Self, OciError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Passes on what it reads, digests it, and ends with an error beyond `most` bytes.
pub(crate) struct Digesting<R> {
    inner: R,
    context: Context,
    count: u64,
    most: u64,
}

impl<R: Read> Digesting<R> {
    pub(crate) fn new(inner: R, most: u64) -> Self {
        Self { inner, context: Context::new(&SHA256), count: 0, most }
    }

    /// Reads what is left; then the digest of everything and how many bytes it was.
    pub(crate) fn finish(mut self) -> io::Result<(Digest, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((Digest::finished(self.context.finish().as_ref()), self.count))
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.count += length as u64;
        if self.count > self.most {
            return Err(io::Error::other(TooMuch));
        }
        self.context.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// A reader's limit was reached.
#[derive(Debug)]
pub(crate) struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is more than there may be")
    }
}

impl std::error::Error for TooMuch {}

/// Whether an error is a reader's limit.
pub(crate) fn is_too_much(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooMuch>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sha256_in_lower_case_is_a_digest() {
        let digest = Digest::of(b"");
        assert_eq!(
            digest.to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        let hex = digest.hex();
        for text in [
            hex.clone(),
            format!("sha512:{hex}{hex}"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{hex}00"),
            "sha256:../../etc/passwd".to_owned(),
            String::new(),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_reader_ends_at_its_limit() {
        let mut reader = Digesting::new(&b"abcd"[..], 3);
        assert!(is_too_much(&reader.read_to_end(&mut Vec::new()).unwrap_err()));
        let reader = Digesting::new(&b"abcd"[..], 4);
        assert_eq!(reader.finish().unwrap(), (Digest::of(b"abcd"), 4));
    }
}
