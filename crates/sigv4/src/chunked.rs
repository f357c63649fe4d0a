//! `aws-chunked` bodies: bytes come in chunks, each with a signature that builds on the one before, or unsigned with a
//! checksum after the last.
//!
//! ```text
//! Line ──size > 0──▶ Data ──▶ DataEnd ──▶ Line
//!   └──size = 0──▶ Trailer ──empty line──▶ Done          any ──refused──▶ Failed
//! ```
//!
//! Works on pieces of any length and keeps none of the data. Refuses to know where the bytes go: whoever takes them must
//! throw them away unless [`ChunkedBody::finish`] succeeds.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Context, SHA256},
    hmac,
};
use casemate_names::{Secret, hex, sha256};

use crate::{
    Algorithm, AuthError, Checksum, ChecksumAlgorithm, Chunking, Claim, EMPTY_SHA256, Head,
    asymmetric::{DER_BYTES_MAX, VerifyingKey},
    chunk_line::{ChunkLine, LineBuffer, trailer_line},
    claim::Signature,
    encoding::{parse_hex, parse_hex32},
    keys::derive,
};

/// A chunk that is not the last has at least this many bytes. AWS: S3 API reference, "Chunked upload": 8 KB.
const CHUNK_BYTES_MIN: u64 = 8 * 1024;
/// Headers after the last chunk. Ours: SDKs send one, and its signature.
const TRAILERS_MAX: usize = 8;
/// The trailer that signs the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";
/// AWS: asymmetric chunk signatures are filled up so that all chunks of a size are equally long on the wire.
const PADDING: char = '*';

/// Why a chunked body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkError {
    /// Not the grammar of a chunked body, or a line that is too long.
    Malformed,
    /// A chunk, or the trailer, is not the one that was signed.
    SignatureDoesNotMatch,
    /// A chunk below 8,192 bytes that is not the last.
    ChunkTooSmall,
    /// More or fewer bytes than `x-amz-decoded-content-length` says, or the body ends early.
    IncompleteBody,
    /// A trailer that was not announced, one that was and is missing, or too many.
    Trailer,
    /// The bytes do not have the checksum that the trailer says.
    BadDigest,
}

impl std::fmt::Display for ChunkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the chunked body is malformed",
            Self::SignatureDoesNotMatch => "the signature of a chunk does not match",
            Self::ChunkTooSmall => "only the last chunk may have less than 8,192 bytes",
            Self::IncompleteBody => "the body is not as long as x-amz-decoded-content-length says",
            Self::Trailer => "the trailers are not those that x-amz-trailer announces",
            Self::BadDigest => "the checksum in the trailer does not match",
        })
    }
}

impl std::error::Error for ChunkError {}

/// A header that came after the last chunk: lower-case name, value.
pub type Trailer = (String, String);

/// Judges a chunked body as it arrives.
pub struct ChunkedBody {
    state: State,
    line: LineBuffer,
    chain: Option<Chain>,
    announced: Vec<String>,
    checksums: Vec<Checksum>,
    trailers: Vec<Trailer>,
    decoded_bytes_left: u64,
    chunk_was_small: bool,
}

enum State {
    Line,
    Data {
        left: u64,
        hash: Context,
        signature: Option<Claimed>,
    },
    DataEnd,
    Trailer,
    Done,
    /// Something was refused: whatever comes, the body is not whole.
    Failed,
}

/// What a chunk says of itself.
type Claimed = Signature;

impl ChunkedBody {
    pub(crate) fn new(
        head: &Head<'_>,
        claim: &Claim,
        chunking: Chunking,
        secret: &Secret<String>,
    ) -> Result<Self, AuthError> {
        let header = |name: &str| {
            head.headers
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .and_then(|(_, value)| std::str::from_utf8(value.trim_ascii()).ok())
        };
        let length = header("x-amz-decoded-content-length")
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .ok_or(AuthError::BodyMismatch)?;
        let announced: Vec<String> = header("x-amz-trailer")
            .unwrap_or_default()
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
        if announced.len() > TRAILERS_MAX || announced.is_empty() == chunking.has_trailer() {
            return Err(AuthError::BodyMismatch);
        }
        // Nothing else vouches for an unsigned body, and nothing at all for another trailer of one.
        let vouched = announced.iter().all(|name| ChecksumAlgorithm::of_header(name).is_some());
        if chunking == Chunking::UnsignedTrailer && !vouched {
            return Err(AuthError::BodyMismatch);
        }
        let chain = match chunking {
            Chunking::Signed(algorithm) | Chunking::SignedTrailer(algorithm)
                if algorithm == claim.algorithm =>
            {
                Some(Chain::new(claim, secret).ok_or(AuthError::SignatureDoesNotMatch)?)
            }
            Chunking::Signed(_) | Chunking::SignedTrailer(_) => return Err(AuthError::BodyMismatch),
            Chunking::UnsignedTrailer => None,
        };
        Ok(Self {
            state: State::Line,
            line: LineBuffer::default(),
            chain,
            checksums: announced
                .iter()
                .filter_map(|name| ChecksumAlgorithm::of_header(name))
                .map(Checksum::new)
                .collect(),
            announced,
            trailers: Vec::new(),
            decoded_bytes_left: length,
            chunk_was_small: false,
        })
    }

    /// Takes the next piece of the body and appends the data in it to `out`.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), ChunkError> {
        while !input.is_empty() {
            match std::mem::replace(&mut self.state, State::Failed) {
                State::Line => match self.line.take(&mut input)? {
                    None => self.state = State::Line,
                    Some(line) => self.state = self.begin_chunk(&line)?,
                },
                State::Data { left, hash, signature } => {
                    self.state = self.data(&mut input, out, (left, hash, signature))?;
                }
                State::DataEnd => match self.line.take(&mut input)?.as_deref() {
                    None => self.state = State::DataEnd,
                    Some("") => self.state = State::Line,
                    Some(_) => return Err(ChunkError::Malformed),
                },
                State::Trailer => match self.line.take(&mut input)?.as_deref() {
                    None => self.state = State::Trailer,
                    Some("") => {
                        self.end()?;
                        self.state = State::Done;
                    }
                    Some(line) => {
                        self.state = State::Trailer;
                        self.trailer(line)?;
                    }
                },
                State::Done | State::Failed => return Err(ChunkError::Malformed),
            }
        }
        Ok(())
    }

    /// The body has ended: was it whole? The trailers, whose checksums have been verified.
    pub fn finish(self) -> Result<Vec<Trailer>, ChunkError> {
        match self.state {
            State::Done if self.line.is_empty() => Ok(self.trailers),
            _ => Err(ChunkError::IncompleteBody),
        }
    }

    fn begin_chunk(&mut self, line: &str) -> Result<State, ChunkError> {
        let line = ChunkLine::read(line)?;
        if line.signature.is_some() != self.chain.is_some() {
            return Err(ChunkError::SignatureDoesNotMatch);
        }
        let signature = self.chain.as_ref().zip(line.signature).map(|(chain, text)| chain.read(text));
        if line.size == 0 {
            if self.decoded_bytes_left != 0 {
                return Err(ChunkError::IncompleteBody);
            }
            self.check_chunk(signature, EMPTY_SHA256)?;
            return Ok(State::Trailer);
        }
        if self.chunk_was_small {
            return Err(ChunkError::ChunkTooSmall);
        }
        self.chunk_was_small = line.size < CHUNK_BYTES_MIN;
        self.decoded_bytes_left =
            self.decoded_bytes_left.checked_sub(line.size).ok_or(ChunkError::IncompleteBody)?;
        Ok(State::Data { left: line.size, hash: Context::new(&SHA256), signature })
    }

    fn data(
        &mut self,
        input: &mut &[u8],
        out: &mut Vec<u8>,
        (left, mut hash, signature): (u64, Context, Option<Claimed>),
    ) -> Result<State, ChunkError> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (bytes, rest) = input.split_at(count);
        *input = rest;
        out.extend_from_slice(bytes);
        self.checksums.iter_mut().for_each(|checksum| checksum.update(bytes));
        if signature.is_some() {
            hash.update(bytes);
        }
        let left = left - u64::try_from(count).unwrap_or_default();
        if left > 0 {
            return Ok(State::Data { left, hash, signature });
        }
        let mut sum = [0; 32];
        sum.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
        self.check_chunk(signature, sum)?;
        Ok(State::DataEnd)
    }

    fn check_chunk(&mut self, signature: Option<Claimed>, sum: [u8; 32]) -> Result<(), ChunkError> {
        match (self.chain.as_mut(), signature) {
            (None, None) => Ok(()),
            (Some(chain), Some(signature)) => {
                let about = format!("{}\n{}", hex(&EMPTY_SHA256), hex(&sum));
                chain.check("PAYLOAD", &about, &signature)
            }
            (None, Some(_)) | (Some(_), None) => Err(ChunkError::SignatureDoesNotMatch),
        }
    }

    fn trailer(&mut self, line: &str) -> Result<(), ChunkError> {
        let (name, value) = trailer_line(line)?;
        let known = self.announced.contains(&name) || name == TRAILER_SIGNATURE && self.chain.is_some();
        if !known || self.trailers.iter().any(|(n, _)| *n == name) {
            return Err(ChunkError::Trailer);
        }
        self.trailers.push((name, value));
        Ok(())
    }

    /// The empty line after the trailers: all that was announced is there, signed, and true.
    fn end(&mut self) -> Result<(), ChunkError> {
        let signature = match self.trailers.iter().position(|(name, _)| name == TRAILER_SIGNATURE) {
            Some(at) if at + 1 == self.trailers.len() => self.trailers.pop(),
            Some(_) => return Err(ChunkError::Trailer),
            None => None,
        };
        if self.trailers.len() != self.announced.len() {
            return Err(ChunkError::Trailer);
        }
        match (self.chain.as_mut(), signature) {
            (Some(chain), Some((_, text))) if !self.trailers.is_empty() => {
                let mut canonical = String::new();
                for part in self.trailers.iter().flat_map(|(name, value)| [name, ":", value, "\n"]) {
                    canonical.push_str(part);
                }
                let signature = chain.read(&text);
                chain.check("TRAILER", &hex(&sha256(canonical.as_bytes())), &signature)?;
            }
            (Some(_), None) if self.trailers.is_empty() => {}
            (None, None) => {}
            (Some(_) | None, _) => return Err(ChunkError::SignatureDoesNotMatch),
        }
        for checksum in std::mem::take(&mut self.checksums) {
            let name = checksum.algorithm().header();
            let claimed = self.trailers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
            if claimed != Some(checksum.value().as_str()) {
                return Err(ChunkError::BadDigest);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for ChunkedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkedBody")
            .field("signed", &self.chain.is_some())
            .field("announced", &self.announced)
            .field("decoded_bytes_left", &self.decoded_bytes_left)
            .finish_non_exhaustive()
    }
}

/// Each signature builds on the one before; the first on that of the head.
struct Chain {
    key: Key,
    algorithm: Algorithm,
    date: String,
    scope: String,
    previous: String,
}

enum Key {
    Mac(Box<hmac::Key>),
    Public(VerifyingKey),
}

impl Chain {
    fn new(claim: &Claim, secret: &Secret<String>) -> Option<Self> {
        let scope = &claim.scope;
        let (key, previous) = match &claim.signature {
            Signature::Mac(Some(mac)) => {
                let key = derive(secret, &scope.date, &scope.region, &scope.service);
                (Key::Mac(Box::new(key)), hex(mac))
            }
            Signature::Der(Some(der)) => {
                (Key::Public(VerifyingKey::derive(&claim.access_key_id, secret)?), hex(der))
            }
            Signature::Mac(None) | Signature::Der(None) => return None,
        };
        let mut text = String::new();
        scope.push_to(&mut text);
        Some(Self { key, algorithm: claim.algorithm, date: claim.date_text.clone(), scope: text, previous })
    }

    fn read(&self, text: &str) -> Claimed {
        match self.algorithm {
            Algorithm::Hmac => Signature::Mac(parse_hex32(text.as_bytes())),
            Algorithm::Ecdsa => {
                Signature::Der(parse_hex(text.trim_end_matches(PADDING).as_bytes(), DER_BYTES_MAX))
            }
        }
    }

    fn check(&mut self, what: &str, about: &str, claimed: &Claimed) -> Result<(), ChunkError> {
        let to_sign = format!(
            "{}-{what}\n{}\n{}\n{}\n{about}",
            self.algorithm.name(),
            self.date,
            self.scope,
            self.previous
        );
        self.previous = match (&self.key, claimed) {
            (Key::Mac(key), Signature::Mac(Some(mac))) => {
                let tag = hmac::sign(key, to_sign.as_bytes());
                verify_slices_are_equal(tag.as_ref(), mac).map_err(|_| ChunkError::SignatureDoesNotMatch)?;
                hex(mac)
            }
            (Key::Public(key), Signature::Der(Some(der))) if key.verifies(to_sign.as_bytes(), der) => {
                hex(der)
            }
            (Key::Mac(_) | Key::Public(_), _) => return Err(ChunkError::SignatureDoesNotMatch),
        };
        Ok(())
    }
}
