//! Private keys in PEM: whether one can be read at all, and which certificate it belongs to. Refuses to show, sign or
//! decrypt anything.

use std::fmt;

use aws_lc_rs::{
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        KeyPair as _,
    },
};

use crate::{certificate::Certificate, pem::body};

/// Curves that keys may be on.
const CURVES: [&EcdsaSigningAlgorithm; 2] =
    [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING];

/// Why a text is no private key that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidKey {
    /// It is protected by a passphrase.
    Encrypted,
    /// It is none, or of a kind or length that is not used.
    Unreadable,
}

/// A private key that could be read: RSA of 2048 bits or more, or on the curve P-256 or P-384.
pub struct PrivateKey {
    /// The bits of the public key that belongs to it.
    public: Vec<u8>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl PrivateKey {
    /// Reads a key in PEM: PKCS #8, PKCS #1 or SEC 1, without a passphrase.
    ///
    /// # Errors
    ///
    /// If it is none of that.
    pub fn parse(pem: &str) -> Result<Self, InvalidKey> {
        // RFC 7468 §11; RFC 1421 §4.6.1.1 as OpenSSL uses it.
        if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || pem.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(InvalidKey::Encrypted);
        }
        let public = if let Some(der) = body(pem, "PRIVATE KEY") {
            pkcs8(der.expose())
        } else if let Some(der) = body(pem, "RSA PRIVATE KEY") {
            rsa::KeyPair::from_der(der.expose()).ok().map(|pair| pair.public_key().as_ref().to_vec())
        } else if let Some(der) = body(pem, "EC PRIVATE KEY") {
            elliptic(der.expose())
        } else {
            None
        };
        public.map(|public| Self { public }).ok_or(InvalidKey::Unreadable)
    }

    /// Is this the key of that certificate?
    pub fn belongs_to(&self, certificate: &Certificate<'_>) -> bool {
        certificate.key_bits() == Some(&self.public)
    }
}

fn pkcs8(der: &[u8]) -> Option<Vec<u8>> {
    match rsa::KeyPair::from_pkcs8(der) {
        Ok(pair) => Some(pair.public_key().as_ref().to_vec()),
        Err(_) => elliptic(der),
    }
}

fn elliptic(der: &[u8]) -> Option<Vec<u8>> {
    CURVES
        .iter()
        .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok())
        .map(|pair| pair.public_key().as_ref().to_vec())
}
