//! Compact tokens: `header.claims.signature`. Judges form and signature; what the claims mean is the caller's.

use std::{borrow::Borrow, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use crate::{InvalidKey, SigningKey, VerifyingKey, algorithm::Algorithm};

/// The algorithm of tokens signed with RSA keys.
const ALGORITHM: &str = "RS256";

/// Longest token read, bytes. AWS: a request's headers together may have 10,240 bytes at API Gateway; a body may carry
/// more, hence some room.
pub const MAX_TOKEN_BYTES: usize = 16_384;

/// What was read from a token whose signature is good. Its times are still to be judged: [`check_times`](crate::check_times).
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Which key signed it.
    pub kid: String,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// Why a token is not believed. The kinds differ because callers answer them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidToken {
    /// Longer than [`MAX_TOKEN_BYTES`].
    TooLarge,
    /// Not three parts of strict base64url, or not JSON objects inside; says which.
    Malformed(&'static str),
    /// Its header wants another algorithm, a critical extension, or a key of its own choosing.
    Unacceptable(&'static str),
    /// Its key id names no key of ours, or is missing.
    UnknownKey,
    /// The signature does not fit.
    BadSignature,
}

/// A struct, not a map: a parameter given twice is an error, so two readers cannot see two headers.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
    jku: Option<IgnoredAny>,
    jwk: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
    x5c: Option<IgnoredAny>,
}

impl SigningKey {
    /// A compact token over `claims`, with a header of `kid` and `alg` only.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, InvalidKey> {
        compact(self.kid(), ALGORITHM, claims, |message| self.signature(message))
    }
}

/// A compact token over `claims`, with a header of `kid` and `alg` only, signed by `signature`.
pub(crate) fn compact(
    kid: &str,
    algorithm: &str,
    claims: &Map<String, Value>,
    signature: impl FnOnce(&[u8]) -> Result<Vec<u8>, InvalidKey>,
) -> Result<String, InvalidKey> {
    let header = json!({ "kid": kid, "alg": algorithm });
    let claims = serde_json::to_vec(claims).map_err(|_| InvalidKey)?;
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(claims));
    let signature = signature(token.as_bytes())?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(token)
}

/// Reads a token and checks its signature with the key that `key_named` finds for its key id.
pub fn verify<K: Borrow<VerifyingKey>>(
    token: &str,
    key_named: impl FnOnce(&str) -> Option<K>,
) -> Result<Verified, InvalidToken> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(InvalidToken::TooLarge);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(InvalidToken::Malformed("not three parts"))?;
    let (header, claims) = signed.split_once('.').ok_or(InvalidToken::Malformed("not three parts"))?;
    if claims.contains('.') {
        return Err(InvalidToken::Malformed("not three parts"));
    }
    let header: Header = serde_json::from_slice(&decoded(header, "header")?)
        .map_err(|_| InvalidToken::Malformed("the header is not a JSON object with alg"))?;
    let claims = decoded(claims, "claims")?;
    let signature = decoded(signature, "signature")?;
    let algorithm = header.check()?;
    let kid = header.kid.ok_or(InvalidToken::UnknownKey)?;
    let key = key_named(&kid).ok_or(InvalidToken::UnknownKey)?;
    match key.borrow().accepts(algorithm, signed.as_bytes(), &signature) {
        Some(true) => {}
        Some(false) => return Err(InvalidToken::BadSignature),
        None => return Err(InvalidToken::Unacceptable("alg")),
    }
    let claims = serde_json::from_slice(&claims)
        .map_err(|_| InvalidToken::Malformed("the claims are not a JSON object"))?;
    Ok(Verified { kid, claims })
}

fn decoded(part: &str, name: &'static str) -> Result<Vec<u8>, InvalidToken> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::Malformed(name))
}

impl Header {
    fn check(&self) -> Result<Algorithm, InvalidToken> {
        let algorithm = Algorithm::named(&self.alg).ok_or(InvalidToken::Unacceptable("alg"))?;
        let unacceptable = [
            ("crit", self.crit.is_some()),
            ("jku", self.jku.is_some()),
            ("jwk", self.jwk.is_some()),
            ("x5u", self.x5u.is_some()),
            ("x5c", self.x5c.is_some()),
        ];
        match unacceptable.iter().find(|(_, present)| *present) {
            Some((name, _)) => Err(InvalidToken::Unacceptable(name)),
            None => Ok(algorithm),
        }
    }
}

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("token too large"),
            Self::Malformed(what) => write!(f, "malformed token: {what}"),
            Self::Unacceptable(what) => write!(f, "unacceptable token header: {what}"),
            Self::UnknownKey => f.write_str("unknown key id"),
            Self::BadSignature => f.write_str("signature does not fit"),
        }
    }
}

impl std::error::Error for InvalidToken {}
