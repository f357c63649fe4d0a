//! Tokens and key sets as strangers send them: an answer or an error, never a panic; and no token made of arbitrary bytes has
//! a good signature, whatever its header says about keys and algorithms.
//!
//! The first byte says what the rest is: the whole text of a token, its parts before they are encoded, or a key set.

#![no_main]

use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_jose::{InvalidToken, SigningKey, VerifyingKey, check_times, claimed_issuer, read_key_set, verify};
use casemate_names::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// A key, and a genuine token of it.
fn ours() -> &'static (VerifyingKey, String) {
    static OURS: OnceLock<(VerifyingKey, String)> = OnceLock::new();
    OURS.get_or_init(|| {
        let key = SigningKey::generate("ours").unwrap();
        let claims = json!({"iss": "https://idp.example.com", "sub": "ann", "exp": 2_000_000_000, "iat": 1_700_000_000});
        let token = key.sign(claims.as_object().unwrap()).unwrap();
        let verifying = VerifyingKey::from_jwk(&key.jwk()).unwrap();
        assert!(verify(&token, |_| Some(&verifying)).is_ok());
        (verifying, token)
    })
}

fn judged(token: &str) {
    let (key, genuine) = ours();
    let _ = claimed_issuer(token);
    if let Ok(verified) = verify(token, |_| Some(key)) {
        assert_eq!(token, genuine, "{verified:?}");
        for seconds in [i64::MIN, -1, 0, 1_700_000_000, i64::MAX] {
            let _ = check_times(&verified.claims, Timestamp::from_seconds(seconds), 60);
        }
    }
    // An unknown key is never a good signature.
    assert!(!matches!(verify::<&VerifyingKey>(token, |_| None), Ok(_) | Err(InvalidToken::BadSignature)));
}

/// `header 0 claims 0 signature`, spelt as a token.
fn spelt(parts: &[u8]) -> String {
    parts.splitn(3, |byte| *byte == 0).map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".")
}

/// The genuine token with these bytes in place of one of its parts.
fn with_a_part_replaced(which: usize, bytes: &[u8]) -> String {
    let mut parts: Vec<&str> = ours().1.split('.').collect();
    let encoded = URL_SAFE_NO_PAD.encode(bytes);
    parts[which] = &encoded;
    parts.join(".")
}

fuzz_target!(|data: &[u8]| {
    let Some((way, rest)) = data.split_first() else { return };
    match way % 6 {
        0 => judged(&String::from_utf8_lossy(rest)),
        1 => judged(&spelt(rest)),
        which @ 2..=4 => judged(&with_a_part_replaced(usize::from(which) - 2, rest)),
        _ => {
            for (_, key) in read_key_set(rest).unwrap_or_default() {
                // The genuine token is not of a stranger's key.
                assert!(verify(&ours().1, |_| Some(key)).is_err());
            }
        }
    }
    if let Ok(claims) = serde_json::from_slice(rest) {
        let _ = check_times(&claims, Timestamp::from_seconds(1_795_478_400), 60);
    }
});
