//! X.509 certificates as far as they carry a key. What a certificate says of names and times means nothing here: it is
//! trusted because it stands in the metadata.

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    VerificationAlgorithm,
};

use crate::pem::body;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`: the version of a certificate.
const VERSION: u8 = 0xa0;

/// The hash function under an RSA signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// The `SubjectPublicKeyInfo` of a certificate in DER; `None` if it has none.
// RFC 5280 §4.1: Certificate ::= SEQUENCE { tbsCertificate SEQUENCE { [0] version, serialNumber, signature, issuer,
// validity, subject, subjectPublicKeyInfo, … }, … }
pub(crate) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (whole, _, []) = element(certificate, SEQUENCE)? else { return None };
    let (body, ..) = element(whole, SEQUENCE)?;
    let mut rest = element(body, VERSION).map_or(body, |(_, _, rest)| rest);
    rest = element(rest, INTEGER)?.2;
    for _ in ["signature", "issuer", "validity", "subject"] {
        rest = element(rest, SEQUENCE)?.2;
    }
    element(rest, SEQUENCE).map(|(_, whole, _)| whole)
}

/// Is this text one certificate with an RSA key of 2048 bits or more in PEM?
pub fn is_certificate(pem: &str) -> bool {
    body(pem, "CERTIFICATE").is_some_and(|der| is_usable(der.expose()))
}

/// Can the key of this certificate verify an RSA signature at all?
pub(crate) fn is_usable(certificate: &[u8]) -> bool {
    public_key(certificate).is_some_and(|key| parsed(key, Hash::Sha256).is_some())
}

/// Did the key of this certificate sign `message`?
pub(crate) fn has_signed(certificate: &[u8], hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let key = public_key(certificate).and_then(|key| parsed(key, hash));
    key.is_some_and(|key| key.verify_sig(message, signature).is_ok())
}

fn parsed(key: &[u8], hash: Hash) -> Option<ParsedPublicKey> {
    // PKCS #1 v1.5 with keys of at least 2048 bits.
    let algorithm: &'static dyn VerificationAlgorithm = match hash {
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    };
    ParsedPublicKey::new(algorithm, key).ok()
}

/// Splits one DER element of the kind `tag` off: its content, the whole of it, and what follows.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, head) = match der {
        [t, length @ 0..=0x7f, ..] if *t == tag => (usize::from(*length), 2),
        [t, 0x81, length, ..] if *t == tag => (usize::from(*length), 3),
        [t, 0x82, high, low, ..] if *t == tag => (usize::from(*high) << 8 | usize::from(*low), 4),
        _ => return None,
    };
    let (whole, rest) = der.split_at_checked(length.checked_add(head)?)?;
    Some((whole.get(head..)?, whole, rest))
}
