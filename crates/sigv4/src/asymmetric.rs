//! SigV4A: signatures with a P-256 key that both sides derive from the secret. The verifier needs the public half only.
//!
//! Nothing is remembered here: a verification costs a derivation, a point multiplication and the check itself.

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    hmac::{self, HMAC_SHA256},
    signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey},
};
use casemate_names::Secret;

use crate::claim::Algorithm;

/// The order of P-256, less two: the largest candidate that becomes a key. FIPS 186-5, B.4.1; SEC 2, secp256r1.
const ORDER_LESS_TWO: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
];
/// AWS: the counter is one octet and 255 is not used. One try in 2³² fails.
const TRIES_MAX: u8 = 254;
/// Longest DER form of a P-256 signature, bytes.
pub(crate) const DER_BYTES_MAX: usize = 72;

/// The public key of an access key, or nothing where none can be derived.
pub(crate) struct VerifyingKey(UnparsedPublicKey<Vec<u8>>);

impl VerifyingKey {
    /// Derives it.
    pub(crate) fn derive(access_key_id: &str, secret: &Secret<String>) -> Option<Self> {
        let private = private_key(access_key_id, secret)?;
        let private = PrivateKey::from_private_key(&ECDH_P256, private.expose()).ok()?;
        let public = private.compute_public_key().ok()?;
        Some(Self(UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public.as_ref().to_vec())))
    }

    /// Is `signature` (DER) one of `message`?
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }
}

/// NIST SP 800-108 in counter mode, tried until the result is a valid scalar less one.
fn private_key(access_key_id: &str, secret: &Secret<String>) -> Option<Secret<Vec<u8>>> {
    let root = Secret::new(format!("AWS4A{}", secret.expose()));
    let key = hmac::Key::new(HMAC_SHA256, root.expose().as_bytes());
    (1..=TRIES_MAX).find_map(|counter| {
        let mut input = Vec::with_capacity(64 + access_key_id.len());
        input.extend_from_slice(&1_u32.to_be_bytes());
        input.extend_from_slice(Algorithm::Ecdsa.name().as_bytes());
        input.push(0);
        input.extend_from_slice(access_key_id.as_bytes());
        input.push(counter);
        input.extend_from_slice(&256_u32.to_be_bytes());
        let candidate = Secret::new(hmac::sign(&key, &input).as_ref().to_vec());
        (candidate.expose().as_slice() <= ORDER_LESS_TWO.as_slice()).then(|| plus_one(&candidate))
    })
}

fn plus_one(number: &Secret<Vec<u8>>) -> Secret<Vec<u8>> {
    let mut bytes = number.expose().clone();
    for byte in bytes.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            break;
        }
    }
    Secret::new(bytes)
}

/// Does a region set (`us-east-1,eu-*`, or `*`) include `region`?
pub(crate) fn includes(region_set: &str, region: &str) -> bool {
    region_set.split(',').map(str::trim).any(|pattern| match pattern.split_once('*') {
        None => pattern == region,
        // AWS: a wildcard stands for a whole region or for its end.
        Some((start, "")) => region.starts_with(start),
        Some(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // AWS: `public-key.json` of the signing test suite, the same in each of its SigV4A cases.
    #[test]
    fn the_published_public_key_is_derived() {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        let key = VerifyingKey::derive("AKIDEXAMPLE", &secret).unwrap();
        let (x, y) = (
            "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1",
            "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518",
        );
        assert_eq!(casemate_names::hex(key.0.as_ref()), format!("04{x}{y}"));
    }

    #[test]
    fn another_access_key_or_secret_has_another_public_key() {
        let secret = Secret::new("a".to_owned());
        let key =
            |id: &str, secret: &Secret<String>| VerifyingKey::derive(id, secret).unwrap().0.as_ref().to_vec();
        assert_ne!(key("AKIA1", &secret), key("AKIA2", &secret));
        assert_ne!(key("AKIA1", &secret), key("AKIA1", &Secret::new("b".to_owned())));
    }

    #[test]
    fn a_carry_goes_all_the_way() {
        assert_eq!(plus_one(&Secret::new(vec![0, 0xff, 0xff])).expose(), &[1, 0, 0]);
        assert_eq!(plus_one(&Secret::new(vec![7, 8])).expose(), &[7, 9]);
    }

    #[test]
    fn a_region_set_is_a_list_of_names_and_beginnings() {
        for (set, included) in [
            ("eu-west-1", true),
            ("us-east-1,eu-west-1", true),
            ("us-east-1, eu-west-1", true),
            ("*", true),
            ("eu-*", true),
            ("us-*", false),
            ("eu-west", false),
            ("", false),
            ("*-west-1", false),
            ("e*-west-1", false),
        ] {
            assert_eq!(includes(set, "eu-west-1"), included, "{set}");
        }
    }
}
