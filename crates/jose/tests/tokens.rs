//! Tokens made and judged, and every trick played on token verifiers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::sync::OnceLock;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_jose::{
    InvalidKey, InvalidToken, Jwk, MAX_TOKEN_BYTES, SigningKey, VerifyingKey, key_id, verify,
};
use casemate_names::{NamedEntropy, Secret};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("first").unwrap())
}

fn claims() -> Map<String, Value> {
    json!({ "sub": "u", "exp": 100 }).as_object().unwrap().clone()
}

fn judge(token: &str) -> Result<Map<String, Value>, InvalidToken> {
    verify(token, |kid| (kid == "first").then(|| key().verifying())).map(|verified| verified.claims)
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with a header of one's own and a genuine signature over it.
fn with_header(header: &str) -> String {
    let good = key().sign(&claims()).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(header), parts[1], parts[2])
}

#[test]
fn a_signed_token_verifies_and_has_kid_and_alg_only() {
    let token = key().sign(&claims()).unwrap();
    assert_eq!(judge(&token), Ok(claims()));
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&header).unwrap(), json!({ "kid": "first", "alg": "RS256" }));
}

#[test]
fn keys_survive_export_and_publication() {
    let copy = SigningKey::from_pkcs8("first", &key().to_pkcs8().unwrap()).unwrap();
    assert_eq!(copy.sign(&claims()), key().sign(&claims()));
    let published = serde_json::to_value(key().jwk()).unwrap();
    assert_eq!(published["e"], "AQAB");
    let names: Vec<&String> = published.as_object().unwrap().keys().collect();
    assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
    let read: Jwk = serde_json::from_value(published).unwrap();
    let public = VerifyingKey::from_jwk(&read).unwrap();
    let token = key().sign(&claims()).unwrap();
    assert!(verify(&token, |_| Some(&public)).is_ok());
}

#[test]
fn alg_none_is_refused_with_and_without_a_signature() {
    for alg in ["none", "None", "NONE", ""] {
        let header = encode(&json!({ "alg": alg, "kid": "first" }));
        let body = encode(&Value::Object(claims()));
        assert_eq!(judge(&format!("{header}.{body}.")), Err(InvalidToken::Unacceptable("alg")));
        let token = with_header(&json!({ "alg": alg, "kid": "first" }).to_string());
        assert_eq!(judge(&token), Err(InvalidToken::Unacceptable("alg")));
    }
}

#[test]
fn hmac_with_the_public_key_is_refused() {
    let jwk = key().jwk();
    for secret in [jwk.n.clone().into_bytes(), URL_SAFE_NO_PAD.decode(&jwk.n).unwrap()] {
        for alg in ["HS256", "RS256"] {
            let header = encode(&json!({ "alg": alg, "kid": "first" }));
            let signed = format!("{header}.{}", encode(&Value::Object(claims())));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
            assert!(judge(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))).is_err());
        }
    }
}

#[test]
fn other_algorithms_of_the_same_family_are_refused() {
    for alg in ["RS384", "RS512", "PS256", "ES256", "rs256", "RS256 "] {
        let token = with_header(&json!({ "alg": alg, "kid": "first" }).to_string());
        assert_eq!(judge(&token), Err(InvalidToken::Unacceptable("alg")), "{alg}");
    }
}

#[test]
fn critical_extensions_and_keys_brought_along_are_refused() {
    let jwk = serde_json::to_value(key().jwk()).unwrap();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("jku", json!("https://evil.example/jwks.json")),
        ("jwk", jwk),
        ("x5u", json!("https://evil.example/c.pem")),
        ("x5c", json!(["MII"])),
    ] {
        let mut header = json!({ "alg": "RS256", "kid": "first" });
        header[name] = value;
        assert_eq!(judge(&with_header(&header.to_string())), Err(InvalidToken::Unacceptable(name)));
    }
}

#[test]
fn an_unknown_or_missing_key_id_is_told_apart_from_a_bad_signature() {
    let other = SigningKey::generate("second").unwrap();
    assert_eq!(judge(&other.sign(&claims()).unwrap()), Err(InvalidToken::UnknownKey));
    assert_eq!(judge(&with_header(r#"{"alg":"RS256"}"#)), Err(InvalidToken::UnknownKey));
    let impostor = SigningKey::from_pkcs8("first", &other.to_pkcs8().unwrap()).unwrap();
    assert_eq!(judge(&impostor.sign(&claims()).unwrap()), Err(InvalidToken::BadSignature));
}

#[test]
fn a_header_that_says_two_things_is_malformed() {
    let token = with_header(r#"{"alg":"RS256","alg":"none","kid":"first"}"#);
    assert!(matches!(judge(&token), Err(InvalidToken::Malformed(_))));
}

#[test]
fn forms_other_than_three_parts_of_unpadded_base64url_are_malformed() {
    let good = key().sign(&claims()).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let [h, c, s] = [parts[0], parts[1], parts[2]];
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        h.to_owned(),
        format!("{h}.{c}"),
        format!("{good}.x"),
        format!("{h}.{c}.{s}.{s}.{s}"),
        format!("{h}.{c}.{s}="),
        format!("{h}=.{c}.{s}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{h}.{c}.{}", s.replace(['-', '_'], "+")) + "/",
    ] {
        assert!(matches!(judge(&token), Err(InvalidToken::Malformed(_))), "{token}");
    }
}

#[test]
fn claims_that_are_no_object_are_refused_even_when_signed() {
    // Signed by hand: the signer itself takes objects only. A token of the right form over an array.
    let token = with_header(r#"{"alg":"RS256","kid":"first"}"#);
    let parts: Vec<&str> = token.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("[]"), parts[2]);
    assert_eq!(judge(&forged), Err(InvalidToken::BadSignature));
}

#[test]
fn a_huge_token_is_refused_before_anything_is_decoded() {
    assert_eq!(judge(&"a".repeat(MAX_TOKEN_BYTES + 1)), Err(InvalidToken::TooLarge));
    let mut claims = claims();
    claims.insert("x".to_owned(), Value::String("y".repeat(MAX_TOKEN_BYTES)));
    assert_eq!(judge(&key().sign(&claims).unwrap()), Err(InvalidToken::TooLarge));
}

#[test]
fn keys_that_are_small_damaged_or_for_something_else_are_refused() {
    let good = key().jwk();
    let small = URL_SAFE_NO_PAD.encode([0xff; 128]);
    for bad in [
        Jwk { n: small, ..good.clone() },
        Jwk { n: String::new(), ..good.clone() },
        Jwk { e: String::new(), ..good.clone() },
        Jwk { e: URL_SAFE_NO_PAD.encode([0xff; 9]), ..good.clone() },
        Jwk { n: URL_SAFE_NO_PAD.encode([0xff; 1025]), ..good.clone() },
        Jwk { kty: "oct".into(), ..good.clone() },
        Jwk { alg: "HS256".into(), ..good.clone() },
        Jwk { usage: "enc".into(), ..good },
    ] {
        assert!(matches!(VerifyingKey::from_jwk(&bad), Err(InvalidKey)), "{bad:?}");
    }
    let nonsense = Secret::new(vec![1, 2, 3]);
    assert!(SigningKey::from_pkcs8("x", &nonsense).is_err());
}

#[test]
fn debug_shows_no_key_material() {
    assert_eq!(format!("{:?}", key()), r#"SigningKey { kid: "first", .. }"#);
}

#[test]
fn key_ids_have_the_form_aws_gives_them() {
    let id = key_id(&NamedEntropy::seeded(1), "jose.test");
    assert!(id.len() == 44 && id.ends_with('='));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_character_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let token = key().sign(&claims()).unwrap();
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != token);
        prop_assert!(judge(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn no_input_makes_the_verifier_panic(token in "[A-Za-z0-9_.=-]{0,80}|\\PC*") {
        prop_assert!(judge(&token).is_err());
    }
}
