//! What must be known of a token before it can be judged, and key sets as issuers publish them.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{InvalidKey, InvalidToken, MAX_TOKEN_BYTES, VerifyingKey, algorithm::Algorithm, key::decoded};

/// Keys of one set. Design decision: issuers publish a handful.
const KEYS_MAX: usize = 32;

/// Who a token says that it is from: only to choose whose keys to verify it with. Nothing of it is to be believed yet.
pub fn claimed_issuer(token: &str) -> Result<String, InvalidToken> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(InvalidToken::TooLarge);
    }
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(InvalidToken::Malformed("not three parts"));
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| InvalidToken::Malformed("claims"))?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims)
        .map_err(|_| InvalidToken::Malformed("the claims are not a JSON object"))?;
    let issuer = claims.get("iss").and_then(Value::as_str);
    issuer.map(str::to_owned).ok_or(InvalidToken::Malformed("no issuer"))
}

/// A key as published: RFC 7517, RFC 7518 §6.
#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Published {
    /// The key for the algorithm it says, or for all of its type.
    fn key(&self) -> Result<VerifyingKey, InvalidKey> {
        if self.usage.as_ref().is_some_and(|usage| usage != "sig") {
            return Err(InvalidKey);
        }
        let said = self.alg.as_deref().map(|name| Algorithm::named(name).ok_or(InvalidKey)).transpose()?;
        let part = |part: &Option<String>| decoded(part.as_deref().ok_or(InvalidKey)?);
        match self.kty.as_str() {
            "RSA" => {
                let algorithms = said.map_or_else(|| Algorithm::RSA.to_vec(), |one| vec![one]);
                VerifyingKey::rsa(&part(&self.n)?, &part(&self.e)?, &algorithms)
            }
            "EC" => {
                let curve = self.crv.as_deref().ok_or(InvalidKey)?;
                VerifyingKey::on_curve(curve, &part(&self.x)?, &part(&self.y)?, said)
            }
            _ => Err(InvalidKey),
        }
    }
}

/// The keys of a published set (RFC 7517) that can verify signatures, by key id. Keys for anything else are passed over, as
/// the standard asks; `None` if it is no key set at all, or too large.
pub fn read_key_set(json: &[u8]) -> Option<Vec<(String, Arc<VerifyingKey>)>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(json).ok()?;
    if set.keys.len() > KEYS_MAX {
        return None;
    }
    let mut keys: Vec<(String, Arc<VerifyingKey>)> = Vec::new();
    for key in set.keys {
        let Ok(published) = serde_json::from_value::<Published>(key) else { continue };
        let known = keys.iter().any(|(kid, _)| *kid == published.kid);
        if let (false, Ok(key)) = (known, published.key()) {
            keys.push((published.kid, Arc::new(key)));
        }
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
            ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
            RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
        },
    };
    use serde_json::json;

    use super::*;
    use crate::{SigningKey, verify};

    #[test]
    fn only_usable_keys_for_signatures_are_taken_from_a_set() {
        let signing = SigningKey::generate("one").unwrap();
        let jwk = signing.jwk();
        let bare = json!({ "kty": "RSA", "kid": "bare", "n": jwk.n, "e": jwk.e });
        let others = json!({ "keys": [
            jwk, bare,
            { "kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA" },
            { "kty": "oct", "kid": "secret", "k": "AAAA" },
            { "kty": "RSA", "kid": "enc", "use": "enc", "n": jwk.n, "e": jwk.e },
            { "kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB" },
            { "kty": "RSA", "kid": "one", "n": jwk.n, "e": "AQAC" },
        ]});
        let keys = read_key_set(others.to_string().as_bytes()).unwrap();
        assert_eq!(keys.iter().map(|(kid, _)| kid.as_str()).collect::<Vec<_>>(), ["one", "bare"]);
        let token = signing.sign(json!({ "iss": "x" }).as_object().unwrap()).unwrap();
        let found = |kid: &str| keys.iter().find(|(id, _)| id == kid).map(|(_, key)| Arc::clone(key));
        assert!(verify(&token, |kid| found(kid)).is_ok());
        assert_eq!(claimed_issuer(&token).unwrap(), "x");
    }

    #[test]
    fn what_is_no_key_set_or_no_token_is_refused() {
        assert!(read_key_set(b"[]").is_none());
        assert!(read_key_set(b"{\"keys\":{}}").is_none());
        for token in ["", "a.b", "a.b.c.d", "a.!.c", "a.e30.c", "a.eyJpc3MiOjF9.c"] {
            assert!(claimed_issuer(token).is_err(), "{token}");
        }
        assert_eq!(claimed_issuer(&"a".repeat(MAX_TOKEN_BYTES + 1)), Err(InvalidToken::TooLarge));
    }

    /// A key pair of an issuer that signs by whichever algorithm is wanted.
    enum Pair {
        Rsa(RsaKeyPair, &'static dyn RsaEncoding),
        Ec(EcdsaKeyPair),
    }

    impl Pair {
        fn token(&self, kid: &str, alg: &str) -> String {
            let header = URL_SAFE_NO_PAD.encode(json!({ "kid": kid, "alg": alg }).to_string());
            let claims = URL_SAFE_NO_PAD.encode(json!({ "iss": "x" }).to_string());
            let signed = format!("{header}.{claims}");
            let signature = match self {
                Self::Rsa(pair, encoding) => {
                    let mut signature = vec![0; pair.public_modulus_len()];
                    pair.sign(*encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
                    signature
                }
                Self::Ec(pair) => {
                    pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
                }
            };
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        fn rsa(encoding: &'static dyn RsaEncoding) -> (Self, Value) {
            let signing = SigningKey::generate("k").unwrap();
            let jwk = signing.jwk();
            let pair = RsaKeyPair::from_pkcs8(signing.to_pkcs8().unwrap().expose()).unwrap();
            (Self::Rsa(pair, encoding), json!({ "kty": "RSA", "kid": "k", "n": jwk.n, "e": jwk.e }))
        }

        fn ec(algorithm: &'static EcdsaSigningAlgorithm, curve: &str) -> (Self, Value) {
            let pair = EcdsaKeyPair::generate(algorithm).unwrap();
            let point = pair.public_key().as_ref()[1..].to_vec();
            let (x, y) = point.split_at(point.len() / 2);
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            (Self::Ec(pair), json!({ "kty": "EC", "kid": "k", "crv": curve, "x": x, "y": y }))
        }
    }

    fn keys_of(jwk: &Value) -> Vec<(String, Arc<VerifyingKey>)> {
        read_key_set(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap()
    }

    fn judged(jwk: &Value, token: &str) -> Option<InvalidToken> {
        let keys = keys_of(jwk);
        verify(token, |kid| keys.iter().find(|(id, _)| id == kid).map(|(_, key)| Arc::clone(key))).err()
    }

    fn all() -> Vec<(&'static str, Pair, Value)> {
        let named = |name, (pair, jwk)| (name, pair, jwk);
        vec![
            named("RS256", Pair::rsa(&RSA_PKCS1_SHA256)),
            named("RS384", Pair::rsa(&RSA_PKCS1_SHA384)),
            named("RS512", Pair::rsa(&RSA_PKCS1_SHA512)),
            named("ES256", Pair::ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")),
            named("ES384", Pair::ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")),
            named("ES512", Pair::ec(&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521")),
        ]
    }

    #[test]
    fn a_key_answers_to_the_algorithms_of_its_own_type_and_publication_only() {
        let all = all();
        for (name, pair, jwk) in &all {
            assert_eq!(judged(jwk, &pair.token("k", name)), None, "{name}");
            let family = name.get(..2).unwrap();
            for (other, _, other_jwk) in &all {
                let mut restricted = jwk.clone();
                restricted["alg"] = (*other).into();
                if other == name {
                    assert_eq!(judged(&restricted, &pair.token("k", name)), None, "{name}");
                    continue;
                }
                // The token claims another algorithm than it was made by.
                let confused = judged(jwk, &pair.token("k", other)).unwrap();
                let same_type = family == "RS" && other.starts_with(family);
                let why =
                    if same_type { InvalidToken::BadSignature } else { InvalidToken::Unacceptable("alg") };
                assert_eq!(confused, why, "{name} as {other}");
                // The key is published for another algorithm: of its type it is not for this token, else it is no key.
                let why =
                    if same_type { InvalidToken::Unacceptable("alg") } else { InvalidToken::UnknownKey };
                assert_eq!(judged(&restricted, &pair.token("k", name)).unwrap(), why, "{name} for {other}");
                // Another issuer's key.
                assert!(judged(other_jwk, &pair.token("k", name)).is_some());
            }
        }
    }

    #[test]
    fn no_key_answers_to_none_or_to_a_shared_secret() {
        let (pair, jwk) = Pair::ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256");
        for name in ["none", "None", "HS256", "es256", "ES256K", "PS256", "EdDSA", ""] {
            assert_eq!(
                judged(&jwk, &pair.token("k", name)),
                Some(InvalidToken::Unacceptable("alg")),
                "{name}"
            );
        }
        let token = pair.token("k", "ES256");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut zeroed = URL_SAFE_NO_PAD.decode(signature).unwrap();
        zeroed.fill(0);
        for wrong in [zeroed, Vec::new(), vec![1; 63], vec![1; 65]] {
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(wrong));
            assert_eq!(judged(&jwk, &token), Some(InvalidToken::BadSignature));
        }
    }

    #[test]
    fn a_point_must_be_on_the_curve_it_names_and_have_its_length() {
        let (_, jwk) = Pair::ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256");
        assert_eq!(keys_of(&jwk).len(), 1);
        for (member, value) in [
            ("crv", json!("P-384")),
            ("crv", json!("secp256k1")),
            ("kty", json!("RSA")),
            ("use", json!("enc")),
            ("alg", json!("HS256")),
            ("x", jwk["y"].clone()),
            ("x", json!("AAAA")),
            ("y", Value::Null),
        ] {
            let mut wrong = jwk.clone();
            wrong[member] = value;
            assert!(keys_of(&wrong).is_empty(), "{wrong}");
        }
    }
}
