//! X.509 certificates as far as they carry a key. What a certificate says of names and times means nothing here: it is
//! trusted because it stands in the metadata.

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    VerificationAlgorithm,
};
use casemate_x509::{pem::body, public_key};

/// The hash function under an RSA signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
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
