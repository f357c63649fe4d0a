//! Keys on the curve P-384 that sign tokens made here. Knows no claims.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_names::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{InvalidKey, KeyGenerationFailed, token::compact};

/// Bytes of a coordinate.
const COORDINATE_BYTES: usize = 48;

/// A private key with its id, ready to sign by ES384.
pub struct CurveKey {
    kid: String,
    pair: EcdsaKeyPair,
    x: String,
    y: String,
}

/// Its public half as published in a key set (RFC 7518 §6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurveJwk {
    /// Always `ES384` here.
    pub alg: String,
    /// Always `P-384` here.
    pub crv: String,
    /// Names the key within its set.
    pub kid: String,
    /// Always `EC` here.
    pub kty: String,
    /// Always `sig` here.
    #[serde(rename = "use")]
    pub usage: String,
    /// Coordinate, big-endian, of full length, base64url without padding.
    pub x: String,
    /// The other one, likewise.
    pub y: String,
}

impl CurveKey {
    /// A new key. DIVERGES: as for [`crate::SigningKey::generate`], the library draws from its own system generator.
    pub fn generate(kid: impl Into<String>) -> Result<Self, KeyGenerationFailed> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(|_| KeyGenerationFailed)?;
        Self::new(kid.into(), pair).map_err(|_| KeyGenerationFailed)
    }

    /// Reads a key exported by [`CurveKey::to_pkcs8`].
    pub fn from_pkcs8(kid: impl Into<String>, pkcs8: &Secret<Vec<u8>>) -> Result<Self, InvalidKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8.expose())
            .map_err(|_| InvalidKey)?;
        Self::new(kid.into(), pair)
    }

    fn new(kid: String, pair: EcdsaKeyPair) -> Result<Self, InvalidKey> {
        let [0x04, point @ ..] = pair.public_key().as_ref() else { return Err(InvalidKey) };
        let (x, y) = point.split_at_checked(COORDINATE_BYTES).ok_or(InvalidKey)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        Ok(Self { kid, pair, x, y })
    }

    /// PKCS#8 in DER, for storage.
    pub fn to_pkcs8(&self) -> Result<Secret<Vec<u8>>, InvalidKey> {
        let der = self.pair.to_pkcs8v1().map_err(|_| InvalidKey)?;
        Ok(Secret::new(der.as_ref().to_vec()))
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, for publication.
    pub fn jwk(&self) -> CurveJwk {
        let text = str::to_owned;
        CurveJwk {
            alg: text("ES384"),
            crv: text("P-384"),
            kid: self.kid.clone(),
            kty: text("EC"),
            usage: text("sig"),
            x: self.x.clone(),
            y: self.y.clone(),
        }
    }

    /// A compact token over `claims`, with a header of `kid` and `alg` only.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, InvalidKey> {
        compact(&self.kid, "ES384", claims, |message| {
            let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| InvalidKey)?;
            Ok(signature.as_ref().to_vec())
        })
    }
}

impl fmt::Debug for CurveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurveKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{InvalidToken, SigningKey, read_key_set, verify};

    #[test]
    fn what_a_curve_key_signs_its_published_half_verifies_and_nothing_else() {
        let key = CurveKey::generate("c").unwrap();
        let stored = CurveKey::from_pkcs8("c", &key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(stored.jwk(), key.jwk());
        let claims = json!({ "sub": "ann" });
        let token = stored.sign(claims.as_object().unwrap()).unwrap();
        let set = json!({ "keys": [key.jwk()] }).to_string();
        let read = read_key_set(set.as_bytes()).unwrap();
        let find = |kid: &str| read.iter().find(|(id, _)| id == kid).map(|(_, key)| key.clone());
        assert_eq!(Value::Object(verify(&token, find).unwrap().claims), claims);
        let other = CurveKey::generate("c").unwrap().sign(claims.as_object().unwrap()).unwrap();
        assert_eq!(verify(&other, find), Err(InvalidToken::BadSignature));
        let rsa = SigningKey::generate("c").unwrap().sign(claims.as_object().unwrap()).unwrap();
        assert_eq!(verify(&rsa, find), Err(InvalidToken::Unacceptable("alg")));
        assert!(!format!("{key:?}").contains(&key.x));
    }

    #[test]
    fn damaged_keys_and_keys_of_another_kind_are_refused() {
        let rsa = SigningKey::generate("r").unwrap().to_pkcs8().unwrap();
        assert!(CurveKey::from_pkcs8("r", &rsa).is_err());
        let mut short = CurveKey::generate("c").unwrap().to_pkcs8().unwrap().expose().clone();
        short.pop();
        assert!(CurveKey::from_pkcs8("c", &Secret::new(short)).is_err());
    }
}
