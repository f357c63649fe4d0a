//! The `SECRET_BLOCK` of a password challenge: the server's whole state between the two steps, sealed and given to the
//! client, because many clients send back nothing else (no `Session`). Knows no arithmetic and no users.
//!
//! ```text
//!             InitiateAuth                 answer with proof                 answer again
//!   (nothing) ───────────▶ issued ───────────────────────────────▶ used ───────────────────▶ refused
//!                            │ expires_at passes                     │ expires_at passes
//!                            ▼                                       ▼
//!                          refused                              nonce forgotten, still refused (expired)
//! ```
//! Single use: the nonce of an answered block is stored until the block would have expired anyway.

use casemate_names::{Entropy, Secret, Timestamp};

use crate::{
    seal::Sealer,
    srp::{ClientPublic, ELEMENT_BYTES, EXPONENT_BYTES},
};

/// Bytes of a block's nonce.
pub const NONCE_BYTES: usize = 16;

/// Longest block that is looked at, in bytes; ours are under 1,200.
pub const SEALED_BYTES_MAX: usize = 4096;

/// What the server must remember between the steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretBlock {
    /// Names this block, once.
    pub nonce: [u8; NONCE_BYTES],
    /// From then on it is worthless.
    pub expires_at: Timestamp,
    /// The value both sides hash as the user: username or sub.
    pub user_id: String,
    /// The name the user was looked up by: what a username resolves to, or the unknown name itself.
    pub subject: String,
    /// A
    pub client_public: ClientPublic,
    /// B
    pub server_public: Vec<u8>,
    /// b
    pub exponent: Secret<Vec<u8>>,
}

impl SecretBlock {
    /// Seals the block for one pool and client.
    pub fn seal(&self, sealer: &Sealer, entropy: &dyn Entropy, pool: &str, client: &str) -> Option<Vec<u8>> {
        let mut plain = Vec::with_capacity(1024);
        plain.extend_from_slice(&self.nonce);
        plain.extend_from_slice(&self.expires_at.millis().to_be_bytes());
        for part in [
            self.client_public.to_bytes().as_slice(),
            &self.server_public,
            self.exponent.expose(),
            self.user_id.as_bytes(),
            self.subject.as_bytes(),
        ] {
            plain.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
            plain.extend_from_slice(part);
        }
        sealer.seal(entropy, &["srp", pool, client], &plain)
    }

    /// Opens a block that was sealed for this pool and client and has not expired.
    pub fn open(sealer: &Sealer, pool: &str, client: &str, sealed: &[u8], now: Timestamp) -> Option<Self> {
        if sealed.len() > SEALED_BYTES_MAX {
            return None;
        }
        let plain = sealer.open(&["srp", pool, client], sealed)?;
        let (nonce, rest) = plain.split_first_chunk::<NONCE_BYTES>()?;
        let (expires_at, mut rest) = rest.split_first_chunk::<8>()?;
        let mut part = || -> Option<&[u8]> {
            let (length, tail) = rest.split_first_chunk::<2>()?;
            let (bytes, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = tail;
            Some(bytes)
        };
        let client_public = ClientPublic::from_bytes(part()?).ok()?;
        let server_public = part()?.to_vec();
        let exponent = part()?.to_vec();
        let user_id = String::from_utf8(part()?.to_vec()).ok()?;
        let subject = String::from_utf8(part()?.to_vec()).ok()?;
        let block = Self {
            nonce: *nonce,
            expires_at: Timestamp::from_millis(i64::from_be_bytes(*expires_at)),
            user_id,
            subject,
            client_public,
            server_public,
            exponent: Secret::new(exponent),
        };
        let whole =
            block.server_public.len() == ELEMENT_BYTES && block.exponent.expose().len() == EXPONENT_BYTES;
        (whole && now < block.expires_at).then_some(block)
    }
}

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;

    use super::*;

    fn block() -> SecretBlock {
        SecretBlock {
            nonce: [9; NONCE_BYTES],
            expires_at: Timestamp::from_seconds(1000),
            user_id: "alice".into(),
            subject: "Alice".into(),
            client_public: ClientPublic::parse("0a1b2c").unwrap(),
            server_public: vec![7; ELEMENT_BYTES],
            exponent: Secret::new(vec![3; EXPONENT_BYTES]),
        }
    }

    fn sealer() -> Sealer {
        Sealer::new(&Secret::new(vec![1; 32])).unwrap()
    }

    #[test]
    fn opens_only_for_its_pool_and_client_and_before_it_expires() {
        let sealed = block().seal(&sealer(), &NamedEntropy::seeded(1), "p", "c").unwrap();
        let open =
            |pool, client, s| SecretBlock::open(&sealer(), pool, client, &sealed, Timestamp::from_seconds(s));
        assert_eq!(open("p", "c", 999), Some(block()));
        assert_eq!(open("p", "c", 1000), None, "expired");
        assert_eq!(open("q", "c", 999), None, "another pool");
        assert_eq!(open("p", "d", 999), None, "another client");
    }

    #[test]
    fn made_up_and_oversize_blocks_are_refused() {
        for bytes in [vec![], vec![1; 40], vec![1; SEALED_BYTES_MAX + 1]] {
            assert_eq!(SecretBlock::open(&sealer(), "p", "c", &bytes, Timestamp::from_seconds(0)), None);
        }
    }
}
