//! Authenticated encryption of what is handed to a client to hold for us: AES-256-GCM under a key that never leaves the
//! store. Knows nothing of what it seals.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use casemate_names::{Entropy, Secret};

/// Bytes of a sealing key.
pub const KEY_BYTES: usize = 32;

/// First byte of everything sealed; a change of format changes it.
const VERSION: u8 = 1;

/// A key to seal with. `context` separates uses: what was sealed for one cannot be opened for another.
#[derive(Debug)]
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// Takes a key of [`KEY_BYTES`] bytes; `None` if it has another length.
    pub fn new(key: &Secret<Vec<u8>>) -> Option<Self> {
        Some(Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose()).ok()?)))
    }

    /// Seals `plain` for `context`. `None` only if the cipher itself fails.
    pub fn seal(&self, entropy: &dyn Entropy, context: &[&str], plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        entropy.fill("cognito.seal_nonce", &mut nonce);
        let mut body = plain.to_vec();
        let aad = Aad::from(associated(context));
        self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body).ok()?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Some(sealed)
    }

    /// Opens what [`Self::seal`] made for the same `context`; `None` for anything else.
    pub fn open(&self, context: &[&str], sealed: &[u8]) -> Option<Vec<u8>> {
        let (version, rest) = sealed.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(associated(context)), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }
}

/// Length-prefixed, so that no two contexts give the same bytes.
fn associated(context: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in context {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;

    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&Secret::new(vec![byte; KEY_BYTES])).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_key_and_context_only() {
        let entropy = NamedEntropy::seeded(1);
        let sealed = sealer(1).seal(&entropy, &["pool", "client"], b"state").unwrap();
        assert_eq!(sealer(1).open(&["pool", "client"], &sealed).unwrap(), b"state");
        assert_eq!(sealer(2).open(&["pool", "client"], &sealed), None);
        assert_eq!(sealer(1).open(&["poolc", "lient"], &sealed), None);
        assert_eq!(sealer(1).open(&["pool"], &sealed), None);
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let sealed = sealer(1).seal(&NamedEntropy::seeded(1), &["x"], b"state").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealer(1).open(&["x"], &changed), None, "byte {at}");
            assert_eq!(sealer(1).open(&["x"], &sealed[..at]), None, "cut at {at}");
        }
    }
}
