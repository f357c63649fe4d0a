//! Encrypted assertions: XML Encryption in the one shape that SAML uses, with AES under a key that RSA-OAEP wraps. Refuses
//! to know what is inside, and to say why it could not be opened: that would tell an attacker about the key.
//!
//! Not understood, and so refused: RSA with PKCS #1 v1.5 padding, Triple DES, keys that lie elsewhere.

use std::fmt;

use aws_lc_rs::{
    aead::{self, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{self, AES_CBC_IV_LEN, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    encoding::{AsDer, Pkcs8V1Der},
    iv::FixedLength,
    rsa::{
        KeyPair, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
        OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey,
    },
};
use casemate_names::Secret;
use casemate_x509::pem::body;

use crate::{
    signature::{DS, decoded},
    xml::{Id, Tree},
};

const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
const ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";

/// Wrapped keys tried, each with every private key, for whoever asks. Design decision: a provider encrypts for one of our
/// keys, or for both while they are exchanged.
const WRAPPED_KEYS_MAX: usize = 2;

/// A private key with which a provider's assertions are decrypted.
pub struct DecryptionKey(OaepPrivateDecryptingKey);

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecryptionKey(..)")
    }
}

impl DecryptionKey {
    /// Reads an RSA key of 2048 bits or more in PEM, PKCS #8 or PKCS #1, without a passphrase.
    pub fn parse(pem: &str) -> Option<Self> {
        let private = match (body(pem, "PRIVATE KEY"), body(pem, "RSA PRIVATE KEY")) {
            (Some(pkcs8), None) => PrivateDecryptingKey::from_pkcs8(pkcs8.expose()).ok()?,
            (None, Some(pkcs1)) => {
                let pair = KeyPair::from_der(pkcs1.expose()).ok()?;
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).ok()?
            }
            _ => return None,
        };
        OaepPrivateDecryptingKey::new(private).ok().map(Self)
    }

    fn unwrap_key(&self, algorithm: &'static OaepAlgorithm, wrapped: &[u8]) -> Option<Secret<Vec<u8>>> {
        let mut plain = vec![0; self.0.min_output_size()];
        let length = self.0.decrypt(algorithm, wrapped, &mut plain, None).ok()?.len();
        plain.truncate(length);
        Some(Secret::new(plain))
    }
}

/// How the content is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    /// Whoever changes a byte is found out.
    Gcm(&'static aead::Algorithm),
    /// Whoever changes a byte is not: only to be opened where a signature covers it.
    Cbc(&'static cipher::Algorithm),
}

/// An encrypted element that has the shape that is understood.
#[derive(Debug)]
pub(crate) struct Encrypted {
    pub(crate) cipher: Cipher,
    content: Vec<u8>,
    keys: Vec<(&'static OaepAlgorithm, Vec<u8>)>,
}

impl Encrypted {
    /// Reads an `EncryptedAssertion`.
    pub(crate) fn read(tree: &Tree, element: Id) -> Result<Self, &'static str> {
        let data = tree.only(element, XENC, "EncryptedData").ok_or("not exactly one encrypted element")?;
        if tree.get(data).attribute("Type").is_some_and(|kind| kind != ELEMENT) {
            return Err("something encrypted that is no element");
        }
        let method = tree.only(data, XENC, "EncryptionMethod").ok_or("no encryption method")?;
        let cipher = content_cipher(tree.get(method).attribute("Algorithm"));
        // SAML core §6.2: the keys lie inside of the data or beside it.
        let info = tree.only(data, DS, "KeyInfo");
        let inside = info.into_iter().flat_map(|info| tree.named(info, XENC, "EncryptedKey"));
        let wrapped: Vec<Id> = inside.chain(tree.named(element, XENC, "EncryptedKey")).collect();
        if wrapped.is_empty() || wrapped.len() > WRAPPED_KEYS_MAX {
            return Err("no encrypted key, or too many");
        }
        let keys = wrapped.into_iter().map(|key| Ok((key_wrapping(tree, key)?, value(tree, key)?)));
        Ok(Self {
            cipher: cipher.ok_or("a content encryption other than AES with GCM or CBC")?,
            content: value(tree, data)?,
            keys: keys.collect::<Result<_, &'static str>>()?,
        })
    }

    /// What is inside, if one of these keys opens it.
    pub(crate) fn open(&self, with: &[Secret<String>]) -> Option<String> {
        let keys = with.iter().filter_map(|pem| DecryptionKey::parse(pem.expose()));
        let unwrapped = |key: DecryptionKey| {
            self.keys.iter().filter_map(move |(algorithm, wrapped)| key.unwrap_key(algorithm, wrapped))
        };
        keys.flat_map(unwrapped)
            .find_map(|key| self.cipher.decrypt(key.expose(), &self.content))
            .and_then(|plain| String::from_utf8(plain).ok())
    }
}

impl Cipher {
    fn decrypt(self, key: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Gcm(algorithm) => {
                let (nonce, sealed) = content.split_at_checked(aead::NONCE_LEN)?;
                let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
                let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
                let mut sealed = sealed.to_vec();
                let length = key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?.len();
                sealed.truncate(length);
                Some(sealed)
            }
            Self::Cbc(algorithm) => {
                let (iv, sealed) = content.split_first_chunk::<AES_CBC_IV_LEN>()?;
                let key = UnboundCipherKey::new(algorithm, key).ok()?;
                let key = PaddedBlockDecryptingKey::cbc_iso10126(key).ok()?;
                let context = DecryptionContext::Iv128(FixedLength::from(iv));
                let mut sealed = sealed.to_vec();
                let length = key.decrypt(&mut sealed, context).ok()?.len();
                sealed.truncate(length);
                Some(sealed)
            }
        }
    }
}

fn content_cipher(algorithm: Option<&str>) -> Option<Cipher> {
    Some(match algorithm? {
        "http://www.w3.org/2009/xmlenc11#aes128-gcm" => Cipher::Gcm(&aead::AES_128_GCM),
        "http://www.w3.org/2009/xmlenc11#aes192-gcm" => Cipher::Gcm(&aead::AES_192_GCM),
        "http://www.w3.org/2009/xmlenc11#aes256-gcm" => Cipher::Gcm(&aead::AES_256_GCM),
        "http://www.w3.org/2001/04/xmlenc#aes128-cbc" => Cipher::Cbc(&cipher::AES_128),
        "http://www.w3.org/2001/04/xmlenc#aes192-cbc" => Cipher::Cbc(&cipher::AES_192),
        "http://www.w3.org/2001/04/xmlenc#aes256-cbc" => Cipher::Cbc(&cipher::AES_256),
        _ => return None,
    })
}

/// How a content key is wrapped: OAEP with one hash function throughout.
fn key_wrapping(tree: &Tree, key: Id) -> Result<&'static OaepAlgorithm, &'static str> {
    let refused = "a key encryption other than RSA-OAEP";
    let method = tree.only(key, XENC, "EncryptionMethod").ok_or(refused)?;
    let (mut digest, mut mask) = ("sha1", "mgf1sha1");
    for part in tree.children(method) {
        let algorithm = tree.get(part).attribute("Algorithm").ok_or(refused)?;
        if tree.is(part, DS, "DigestMethod") {
            digest = algorithm.rsplit('#').next().unwrap_or_default();
        } else if tree.is(part, XENC11, "MGF") {
            mask = algorithm.rsplit('#').next().unwrap_or_default();
        } else {
            return Err(refused);
        }
    }
    let named = tree.get(method).attribute("Algorithm");
    // The older name fixes the mask's hash function and lets the other be chosen; the newer lets both.
    match (named, digest, mask) {
        (
            Some(
                "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
                | "http://www.w3.org/2009/xmlenc11#rsa-oaep",
            ),
            "sha1",
            "mgf1sha1",
        ) => Ok(&OAEP_SHA1_MGF1SHA1),
        (Some("http://www.w3.org/2009/xmlenc11#rsa-oaep"), "sha256", "mgf1sha256") => {
            Ok(&OAEP_SHA256_MGF1SHA256)
        }
        (Some("http://www.w3.org/2009/xmlenc11#rsa-oaep"), "sha384", "mgf1sha384") => {
            Ok(&OAEP_SHA384_MGF1SHA384)
        }
        (Some("http://www.w3.org/2009/xmlenc11#rsa-oaep"), "sha512", "mgf1sha512") => {
            Ok(&OAEP_SHA512_MGF1SHA512)
        }
        _ => Err(refused),
    }
}

fn value(tree: &Tree, of: Id) -> Result<Vec<u8>, &'static str> {
    let data = tree.only(of, XENC, "CipherData");
    let value = data.and_then(|data| tree.only(data, XENC, "CipherValue"));
    value.and_then(|value| decoded(tree, value)).ok_or("no encrypted value in the document")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_unprotected_rsa_key_is_no_key() {
        let pem =
            |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        for text in [
            String::new(),
            "key".to_owned(),
            pem("PRIVATE KEY", ""),
            pem("PRIVATE KEY", "AAAA"),
            pem("RSA PRIVATE KEY", "AAAA"),
            pem("EC PRIVATE KEY", "AAAA"),
            pem("ENCRYPTED PRIVATE KEY", "AAAA"),
            pem("CERTIFICATE", "AAAA"),
        ] {
            assert!(DecryptionKey::parse(&text).is_none(), "{text}");
        }
    }
}
