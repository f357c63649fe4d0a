//! What must be known of a token before it can be judged, and key sets as issuers publish them.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{InvalidToken, Jwk, MAX_TOKEN_BYTES, VerifyingKey};

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

/// The keys of a published set (RFC 7517) that can verify RS256, by key id. Keys for anything else are passed over, as the
/// standard asks; `None` if it is no key set at all, or too large.
pub fn read_key_set(json: &[u8]) -> Option<Vec<(String, Arc<VerifyingKey>)>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Published {
        kty: String,
        kid: String,
        n: String,
        e: String,
        alg: Option<String>,
        #[serde(rename = "use")]
        usage: Option<String>,
    }
    let set: Set = serde_json::from_slice(json).ok()?;
    if set.keys.len() > KEYS_MAX {
        return None;
    }
    let mut keys: Vec<(String, Arc<VerifyingKey>)> = Vec::new();
    for key in set.keys {
        let Ok(published) = serde_json::from_value::<Published>(key) else { continue };
        let jwk = Jwk {
            alg: published.alg.unwrap_or_else(|| "RS256".to_owned()),
            e: published.e,
            kid: published.kid,
            kty: published.kty,
            n: published.n,
            usage: published.usage.unwrap_or_else(|| "sig".to_owned()),
        };
        let known = keys.iter().any(|(kid, _)| *kid == jwk.kid);
        if let (false, Ok(key)) = (known, VerifyingKey::from_jwk(&jwk)) {
            keys.push((jwk.kid, Arc::new(key)));
        }
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{SigningKey, verify};

    #[test]
    fn only_keys_for_rs256_signatures_are_taken_from_a_set() {
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
}
