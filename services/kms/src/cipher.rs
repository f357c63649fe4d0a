//! Ciphertexts: what one looks like, and how it is made and opened. Knows no rows, no policies and no clock.
//!
//! ```text
//! magic and format (4) | account (8) | key (16) | version of the material (4) | salt (16) | nonce (12) | sealed | tag (16)
//! ```
//!
//! Each message has a key of its own, HKDF-SHA-256 of the material and the salt, so that no number of messages wears a
//! nonce out. The tag authenticates everything before it and the encryption context.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
};
use casemate_names::{AccountId, Entropy, Secret};

/// Bytes of a key's material.
// AWS: SYMMETRIC_DEFAULT is a 256-bit AES-GCM key (Developer Guide, "Key spec reference").
pub(crate) const MATERIAL_BYTES: usize = 32;

/// The first bytes of every ciphertext; the last is the format.
const MAGIC: [u8; 4] = *b"CMK\x01";
/// Bytes of a message's salt.
const SALT_BYTES: usize = 16;
/// Separates these keys from any others made of the same material.
const PURPOSE: &[u8] = b"casemate kms message";

/// Which material a ciphertext was made with, as it says itself: nothing is proven before it has been opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The key's account.
    pub(crate) account: AccountId,
    /// The key's id, a UUID.
    pub(crate) key_id: String,
    /// Which of its materials.
    pub(crate) version: u32,
}

impl Header {
    /// Reads what a ciphertext says of itself. `None`: it is none of ours.
    pub(crate) fn read(blob: &[u8]) -> Option<Self> {
        Self::split(blob).map(|(header, _)| header)
    }

    fn split(blob: &[u8]) -> Option<(Self, &[u8])> {
        let rest = blob.strip_prefix(MAGIC.as_slice())?;
        let (account, rest) = rest.split_first_chunk::<8>()?;
        let (key_id, rest) = rest.split_first_chunk::<16>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let account = AccountId::parse(&format!("{:012}", u64::from_be_bytes(*account))).ok()?;
        Some((Self { account, key_id: uuid_text(key_id), version: u32::from_be_bytes(*version) }, rest))
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let account: u64 = self.account.as_str().parse().ok()?;
        let key_id = uuid_bytes(&self.key_id)?;
        Some([&MAGIC, &account.to_be_bytes()[..], &key_id, &self.version.to_be_bytes()].concat())
    }
}

/// Encrypts. `context` is the encryption context in its canonical form. `None` only if the cipher itself fails.
pub(crate) fn seal(
    entropy: &dyn Entropy,
    header: &Header,
    material: &Secret<Vec<u8>>,
    context: &[u8],
    plain: &[u8],
) -> Option<Vec<u8>> {
    let (mut salt, mut nonce) = ([0_u8; SALT_BYTES], [0_u8; NONCE_LEN]);
    entropy.fill("kms.salt", &mut salt);
    entropy.fill("kms.nonce", &mut nonce);
    let mut blob = header.bytes()?;
    blob.extend_from_slice(&salt);
    blob.extend_from_slice(&nonce);
    let aad = Aad::from([blob.as_slice(), context].concat());
    let mut body = plain.to_vec();
    let key = message_key(material, &salt)?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body).ok()?;
    blob.append(&mut body);
    Some(blob)
}

/// Decrypts. `None`: other material, another context, or not a byte as it was made.
pub(crate) fn open(material: &Secret<Vec<u8>>, context: &[u8], blob: &[u8]) -> Option<Vec<u8>> {
    let (_, rest) = Header::split(blob)?;
    let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>()?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
    let head = blob.strip_suffix(body)?;
    let aad = Aad::from([head, context].concat());
    let mut body = body.to_vec();
    let key = message_key(material, salt)?;
    let length = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

fn message_key(material: &Secret<Vec<u8>>, salt: &[u8]) -> Option<LessSafeKey> {
    let extracted = Salt::new(HKDF_SHA256, salt).extract(material.expose());
    let expanded = extracted.expand(&[PURPOSE], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(expanded)))
}

/// The sixteen bytes of a UUID in its text form, which must be the canonical one.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
    Some(number.to_be_bytes()).filter(|bytes| uuid_text(bytes) == text)
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let digit = |(index, byte): (usize, &u8)| {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        format!("{dash}{byte:02x}")
    };
    bytes.iter().enumerate().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;

    use super::*;

    fn header() -> Header {
        Header {
            account: AccountId::parse("000000000012").unwrap(),
            key_id: "01234567-89ab-cdef-0123-456789abcdef".to_owned(),
            version: 3,
        }
    }

    fn material(byte: u8) -> Secret<Vec<u8>> {
        Secret::new(vec![byte; MATERIAL_BYTES])
    }

    #[test]
    fn what_was_sealed_is_opened_with_the_same_material_and_context_only() {
        let entropy = NamedEntropy::seeded(1);
        let blob = seal(&entropy, &header(), &material(7), b"context", b"plain").unwrap();
        assert_eq!(Header::read(&blob), Some(header()));
        assert_eq!(open(&material(7), b"context", &blob).as_deref(), Some(b"plain".as_slice()));
        assert_eq!(open(&material(8), b"context", &blob), None);
        assert_eq!(open(&material(7), b"contexts", &blob), None);
        assert_eq!(open(&material(7), b"", &blob), None);
    }

    #[test]
    fn no_byte_can_be_changed_left_out_or_added() {
        let entropy = NamedEntropy::seeded(1);
        let blob = seal(&entropy, &header(), &material(7), b"c", b"plain").unwrap();
        for index in 0..blob.len() {
            let mut changed = blob.clone();
            changed[index] ^= 1;
            assert_eq!(open(&material(7), b"c", &changed), None, "byte {index}");
            assert_eq!(open(&material(7), b"c", &blob[..index]), None, "first {index} bytes");
        }
        assert_eq!(open(&material(7), b"c", &[blob.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn bytes_cannot_move_between_nonce_and_context() {
        // The lengths of the parts before the context are fixed, so head and context cannot be cut differently.
        let entropy = NamedEntropy::seeded(1);
        let blob = seal(&entropy, &header(), &material(7), b"xyz", b"").unwrap();
        assert_eq!(open(&material(7), b"yz", &blob), None);
    }

    #[test]
    fn the_same_text_is_never_sealed_to_the_same_bytes() {
        let entropy = NamedEntropy::seeded(1);
        let one = seal(&entropy, &header(), &material(7), b"", b"plain");
        assert_ne!(one, seal(&entropy, &header(), &material(7), b"", b"plain"));
    }

    #[test]
    fn foreign_bytes_have_no_header() {
        let entropy = NamedEntropy::seeded(1);
        let blob = seal(&entropy, &header(), &material(7), b"", b"").unwrap();
        let mut account = blob.clone();
        account[4] = 0xff;
        for bad in [&[] as &[u8], b"CMK", &blob[..31], b"\x01\x02\x02\x00", &account] {
            assert_eq!(Header::read(bad), None);
        }
    }

    #[test]
    fn only_canonical_ids_become_bytes() {
        assert!(uuid_bytes("01234567-89ab-cdef-0123-456789abcdef").is_some());
        for bad in
            ["", "0123", "01234567-89AB-cdef-0123-456789abcdef", "0123456789abcdef0123456789abcdef", "+1"]
        {
            assert_eq!(uuid_bytes(bad), None, "{bad}");
        }
    }
}
