//! Certificates and keys as rcgen and OpenSSL make them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may stop the test")]

use casemate_x509::{Certificate, InvalidKey, PrivateKey, pem, public_key};
use rcgen::{
    CertificateParams, DnType, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    PKCS_RSA_SHA256, PKCS_RSA_SHA512, PublicKeyData as _, SignatureAlgorithm, date_time_ymd,
};

// Both made by OpenSSL for the same key: `openssl ecparam -name prime256v1 -genkey -noout`, then `openssl pkcs8 -topk8`.
const SEC1: &str = include_str!("p256-sec1.pem");
const ENCRYPTED: &str = include_str!("p256-encrypted.pem");
// `openssl genrsa -traditional 2048` and 1024.
const PKCS1: &str = include_str!("rsa-pkcs1.pem");
const SHORT: &str = include_str!("rsa-1024.pem");

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = date_time_ymd(2020, 2, 29);
    parameters.not_after = date_time_ymd(2051, 1, 1);
    parameters
}

fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

#[test]
fn a_certificate_says_whose_key_it_is_and_from_when_to_when() {
    for algorithm in [&PKCS_RSA_SHA256, &PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
        let (key, other) = (key(algorithm), key(algorithm));
        let made = parameters("a").self_signed(&key).unwrap();
        let certificate = Certificate::parse(made.der()).unwrap();
        assert_eq!(certificate.not_before.iso8601(), "2020-02-29T00:00:00Z");
        assert_eq!(certificate.not_after.iso8601(), "2051-01-01T00:00:00Z");
        assert_eq!(public_key(made.der()), Some(key.subject_public_key_info().as_slice()));
        assert!(PrivateKey::parse(&key.serialize_pem()).unwrap().belongs_to(&certificate));
        assert!(!PrivateKey::parse(&other.serialize_pem()).unwrap().belongs_to(&certificate));
    }
}

#[test]
fn who_signed_a_certificate_is_found_by_name_and_signature() {
    for (of_issuer, of_subject) in [
        (&PKCS_RSA_SHA256, &PKCS_ECDSA_P256_SHA256),
        (&PKCS_RSA_SHA512, &PKCS_RSA_SHA256),
        (&PKCS_ECDSA_P384_SHA384, &PKCS_RSA_SHA256),
        (&PKCS_ED25519, &PKCS_ECDSA_P256_SHA256),
    ] {
        let (above, below, stranger) = (key(of_issuer), key(of_subject), key(of_issuer));
        let issuer = parameters("issuer").self_signed(&above).unwrap();
        let namesake = parameters("issuer").self_signed(&stranger).unwrap();
        let renamed = parameters("other").self_signed(&above).unwrap();
        let by = Issuer::new(parameters("issuer"), above);
        let made = parameters("subject").signed_by(&below, &by).unwrap();
        let [made, issuer, namesake, renamed] =
            [&made, &issuer, &namesake, &renamed].map(|made| Certificate::parse(made.der()).unwrap());
        assert!(made.is_signed_by(&issuer) && issuer.is_signed_by(&issuer));
        assert!(!made.is_signed_by(&namesake), "another key under the same name");
        assert!(!made.is_signed_by(&renamed), "the same key under another name");
        assert!(!issuer.is_signed_by(&made) && !made.is_signed_by(&made));
    }
}

#[test]
fn a_changed_certificate_is_not_what_was_signed() {
    let key = key(&PKCS_ECDSA_P256_SHA256);
    let made = parameters("a").self_signed(&key).unwrap();
    let issuer = Certificate::parse(made.der()).unwrap();
    let (mut refused, mut unreadable) = (0, 0);
    for at in 0..made.der().len() {
        let mut changed = made.der().to_vec();
        changed[at] ^= 1;
        match Certificate::parse(&changed) {
            Some(changed) => {
                assert!(!changed.is_signed_by(&issuer), "byte {at}");
                refused += 1;
            }
            None => unreadable += 1,
        }
        assert!(Certificate::parse(&made.der()[..at]).is_none());
    }
    assert!(refused > 100 && unreadable > 10, "{refused} {unreadable}");
    assert!(Certificate::parse(&[made.der().as_ref(), &[0]].concat()).is_none());
}

#[test]
fn private_keys_are_read_in_every_form_but_encrypted_short_or_several() {
    let ec = key(&PKCS_ECDSA_P256_SHA256);
    for text in [SEC1, PKCS1, &ec.serialize_pem()] {
        assert!(PrivateKey::parse(text).is_ok(), "{text}");
        assert_eq!(PrivateKey::parse(&format!("{text}{text}")).unwrap_err(), InvalidKey::Unreadable);
    }
    assert_eq!(PrivateKey::parse(ENCRYPTED).unwrap_err(), InvalidKey::Encrypted);
    let public = pem::encoded("PRIVATE KEY", &ec.subject_public_key_info());
    let certificate = parameters("a").self_signed(&ec).unwrap().pem();
    for text in [SHORT, "", "key", &public, &certificate, &SEC1.replace("EC PRIVATE", "RSA PRIVATE")] {
        assert_eq!(PrivateKey::parse(text).unwrap_err(), InvalidKey::Unreadable, "{text}");
    }
}

#[test]
fn keys_are_not_printed() {
    let key = PrivateKey::parse(SEC1).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(..)");
}
