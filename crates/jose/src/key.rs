//! Keys: RSA keys are made, stored and published, public keys of both types are read. Knows no tokens.

use std::fmt;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use casemate_names::{Entropy, Secret};
use serde::{Deserialize, Serialize};

use crate::algorithm::Algorithm;

/// Smallest modulus, bytes: 2048 bits (RFC 7518 §3.3).
const MIN_MODULUS_BYTES: usize = 256;
/// Largest modulus, bytes: 8192 bits, the limit of the verification algorithm.
const MAX_MODULUS_BYTES: usize = 1024;
/// Largest public exponent, bytes. Larger ones only cost time.
const MAX_EXPONENT_BYTES: usize = 8;

/// A private key with its id, ready to sign. Parsing one is slow, signing is not: keep it.
pub struct SigningKey {
    kid: String,
    pair: RsaKeyPair,
    verifying: VerifyingKey,
}

/// A public key, ready to verify by the algorithms it is good for.
pub struct VerifyingKey(Vec<(Algorithm, ParsedPublicKey)>);

/// A public key as published in a key set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Always `RS256` here.
    pub alg: String,
    /// Exponent, big-endian, base64url without padding.
    pub e: String,
    /// Names the key within its set.
    pub kid: String,
    /// Always `RSA` here.
    pub kty: String,
    /// Modulus, likewise.
    pub n: String,
    /// Always `sig` here.
    #[serde(rename = "use")]
    pub usage: String,
}

/// The key is not an RSA key of 2048 to 8192 bits or a key on one of the three curves, is not for signatures of its own
/// type, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey;

/// The cryptographic library could not make a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyGenerationFailed;

impl SigningKey {
    /// A new 2048-bit key. Takes some 100 ms: belongs on the pool for heavy work.
    ///
    /// DIVERGES: the library draws from its own system generator; it cannot be fed from [`Entropy`], so generated keys
    /// are the one thing that differs between two runs of a seeded test.
    pub fn generate(kid: impl Into<String>) -> Result<Self, KeyGenerationFailed> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyGenerationFailed)?;
        Self::new(kid.into(), pair).map_err(|_| KeyGenerationFailed)
    }

    /// Reads a key exported by [`SigningKey::to_pkcs8`].
    pub fn from_pkcs8(kid: impl Into<String>, pkcs8: &Secret<Vec<u8>>) -> Result<Self, InvalidKey> {
        let pair = RsaKeyPair::from_pkcs8(pkcs8.expose()).map_err(|_| InvalidKey)?;
        Self::new(kid.into(), pair)
    }

    fn new(kid: String, pair: RsaKeyPair) -> Result<Self, InvalidKey> {
        let (modulus, exponent) = components(pair.public_key().as_ref()).ok_or(InvalidKey)?;
        let verifying = VerifyingKey::rsa(modulus, exponent, &[Algorithm::Rs256])?;
        Ok(Self { kid, pair, verifying })
    }

    /// PKCS#8 in DER, for storage.
    pub fn to_pkcs8(&self) -> Result<Secret<Vec<u8>>, InvalidKey> {
        let der = self.pair.as_der().map_err(|_| InvalidKey)?;
        Ok(Secret::new(der.as_ref().to_vec()))
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, for [`verify`](crate::verify).
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The public half, for publication.
    pub fn jwk(&self) -> Jwk {
        // `new` has read the same components, so they are there.
        let (modulus, exponent) = components(self.pair.public_key().as_ref()).unwrap_or_default();
        Jwk {
            alg: "RS256".to_owned(),
            e: URL_SAFE_NO_PAD.encode(exponent),
            kid: self.kid.clone(),
            kty: "RSA".to_owned(),
            n: URL_SAFE_NO_PAD.encode(modulus),
            usage: "sig".to_owned(),
        }
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `message`.
    pub(crate) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, InvalidKey> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| InvalidKey)?;
        Ok(signature)
    }
}

impl VerifyingKey {
    /// Reads a published key. `use` and `alg`, if they were given, must say what RS256 needs.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, InvalidKey> {
        if jwk.kty != "RSA" || jwk.alg != "RS256" || jwk.usage != "sig" {
            return Err(InvalidKey);
        }
        Self::rsa(&decoded(&jwk.n)?, &decoded(&jwk.e)?, &[Algorithm::Rs256])
    }

    /// An RSA key for some of the RSA algorithms.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8], algorithms: &[Algorithm]) -> Result<Self, InvalidKey> {
        let modulus_fits = (MIN_MODULUS_BYTES..=MAX_MODULUS_BYTES).contains(&modulus.len());
        let exponent_fits = (1..=MAX_EXPONENT_BYTES).contains(&exponent.len());
        if !modulus_fits || !exponent_fits || modulus.first() == Some(&0) {
            return Err(InvalidKey);
        }
        let components = RsaPublicKeyComponents { n: modulus, e: exponent };
        let keys = algorithms.iter().map(|algorithm| {
            let parameters = algorithm.of_rsa().ok_or(InvalidKey)?;
            let key = components.to_parsed_public_key(parameters).map_err(|_| InvalidKey)?;
            Ok((*algorithm, key))
        });
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// A point on a curve, for that curve's algorithm; `algorithm` is what its publication says it is for.
    pub(crate) fn on_curve(
        curve: &str,
        x: &[u8],
        y: &[u8],
        algorithm: Option<Algorithm>,
    ) -> Result<Self, InvalidKey> {
        let (own, verifying, bytes) = Algorithm::of_curve(curve).ok_or(InvalidKey)?;
        // RFC 7518 §6.2.1.2: coordinates have the curve's full length.
        let fits = x.len() == bytes && y.len() == bytes && algorithm.is_none_or(|said| said == own);
        if !fits {
            return Err(InvalidKey);
        }
        let point = [&[0x04], x, y].concat();
        let key = ParsedPublicKey::new(verifying, point).map_err(|_| InvalidKey)?;
        Ok(Self(vec![(own, key)]))
    }

    /// Does the signature fit? `None`: this key is not for that algorithm.
    pub(crate) fn accepts(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Option<bool> {
        let (_, key) = self.0.iter().find(|(own, _)| *own == algorithm)?;
        Some(key.verify_sig(message, signature).is_ok())
    }
}

pub(crate) fn decoded(text: &str) -> Result<Vec<u8>, InvalidKey> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidKey)
}

/// Modulus and exponent of `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017 A.1.1) in
/// DER, without leading zeros. The library keeps the public half in this form only.
fn components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, []) = element(der, 0x30)? else { return None };
    let (modulus, rest) = element(body, 0x02)?;
    let (exponent, []) = element(rest, 0x02)? else { return None };
    Some((positive(modulus), positive(exponent)))
}

/// DER puts a zero in front of a number whose top bit is set.
fn positive(number: &[u8]) -> &[u8] {
    if let [0, rest @ ..] = number { rest } else { number }
}

/// Splits one DER element of the kind `tag` off: its content, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der {
        [t, length @ 0..=0x7f, rest @ ..] if *t == tag => (usize::from(*length), rest),
        [t, 0x81, length, rest @ ..] if *t == tag => (usize::from(*length), rest),
        [t, 0x82, high, low, rest @ ..] if *t == tag => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A fresh key id. AWS: base64 of 32 bytes, with its padding sign.
pub fn key_id(entropy: &dyn Entropy, purpose: &'static str) -> String {
    let mut bytes = [0_u8; 32];
    entropy.fill(purpose, &mut bytes);
    STANDARD.encode(bytes)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(..)")
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a usable public key")
    }
}

impl std::error::Error for InvalidKey {}

impl fmt::Display for KeyGenerationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cryptographic library could not make a key")
    }
}

impl std::error::Error for KeyGenerationFailed {}
