//! Sealing: AES-256-GCM, bound to table and key.
//!
//! ```text
//! sealed value  =  format 1 │ key id 4 │ row version 2 │ epoch 16 │ nonce 12 │ ciphertext │ tag 16
//! ```
//! The first 23 bytes and the row's full name are associated data: a value moved to another row, given another version,
//! or altered anywhere does not open. Each process seals under its own *epoch* key, derived from the root key and 16
//! random bytes, and takes a new epoch before random nonces could plausibly repeat.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use casemate_names::Entropy;

use crate::{RootKey, StoreError};

/// First byte of a sealed value.
pub(crate) const FORMAT_SEALED: u8 = 1;

const EPOCH_BYTES: usize = 16;
const BOUND_BYTES: usize = 1 + 4 + 2 + EPOCH_BYTES;
const HEADER_BYTES: usize = BOUND_BYTES + NONCE_LEN;
/// Seals under one epoch key. NIST SP 800-38D §8.3 allows 2^32 with random nonces; we stay far below.
const SEALS_PER_EPOCH_MAX: u64 = 1 << 28;
/// Epoch keys kept ready; one is made per process start, and deriving one again costs a microsecond.
const EPOCHS_CACHED_MAX: usize = 256;

type Epoch = [u8; EPOCH_BYTES];

/// A row's encoding and version, in clear.
pub(crate) struct Opened {
    pub(crate) version: u16,
    pub(crate) bytes: Vec<u8>,
}

/// Seals and opens values.
pub(crate) struct Sealer {
    root: RootKey,
    key_id: [u8; 4],
    entropy: Arc<dyn Entropy>,
    current: RwLock<(Epoch, Arc<LessSafeKey>)>,
    seals: AtomicU64,
    cache: RwLock<BTreeMap<Epoch, Arc<LessSafeKey>>>,
}

impl Sealer {
    pub(crate) fn new(root: RootKey, entropy: Arc<dyn Entropy>) -> Result<Self, StoreError> {
        let mut key_id = [0; 4];
        for (to, from) in key_id.iter_mut().zip(root.derive("casemate.store.key-id", b"").expose()) {
            *to = *from;
        }
        let current = RwLock::new(fresh(&root, &*entropy)?);
        Ok(Self { root, key_id, entropy, current, seals: AtomicU64::new(0), cache: RwLock::default() })
    }

    /// Seals `plain` as the value of `name`.
    pub(crate) fn seal(&self, name: &[u8], version: u16, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        if self.seals.fetch_add(1, Ordering::Relaxed) >= SEALS_PER_EPOCH_MAX {
            let next = fresh(&self.root, &*self.entropy)?;
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
            self.seals.store(0, Ordering::Relaxed);
        }
        let (epoch, key) = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill("store.nonce", &mut nonce);
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + key.algorithm().tag_len());
        sealed.push(FORMAT_SEALED);
        sealed.extend_from_slice(&self.key_id);
        sealed.extend_from_slice(&version.to_be_bytes());
        sealed.extend_from_slice(&epoch);
        let aad = Aad::from([sealed.as_slice(), name].concat());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = sealed.get_mut(HEADER_BYTES..).unwrap_or_default();
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, body)
            .map_err(|_| StoreError::Engine("sealing failed".to_owned()))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens the value of `name`. `None`: altered, another row's, or sealed under another root key.
    pub(crate) fn open(&self, name: &[u8], mut sealed: Vec<u8>) -> Option<Opened> {
        let (bound, rest) = sealed.split_at_mut_checked(BOUND_BYTES)?;
        let [FORMAT_SEALED, id0, id1, id2, id3, v0, v1, epoch @ ..] = &*bound else { return None };
        if [*id0, *id1, *id2, *id3] != self.key_id {
            return None;
        }
        let version = u16::from_be_bytes([*v0, *v1]);
        let key = self.epoch_key(epoch.try_into().ok()?)?;
        let aad = Aad::from([&*bound, name].concat());
        let (nonce, body) = rest.split_first_chunk_mut::<NONCE_LEN>()?;
        let length = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, body).ok()?.len();
        sealed.drain(..HEADER_BYTES);
        sealed.truncate(length);
        Some(Opened { version, bytes: sealed })
    }

    fn epoch_key(&self, epoch: Epoch) -> Option<Arc<LessSafeKey>> {
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.0 == epoch {
                return Some(Arc::clone(&current.1));
            }
        }
        if let Some(key) = self.cache.read().unwrap_or_else(PoisonError::into_inner).get(&epoch) {
            return Some(Arc::clone(key));
        }
        let key = Arc::new(derived(&self.root, &epoch).ok()?);
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= EPOCHS_CACHED_MAX {
            cache.clear();
        }
        cache.insert(epoch, Arc::clone(&key));
        Some(key)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

fn fresh(root: &RootKey, entropy: &dyn Entropy) -> Result<(Epoch, Arc<LessSafeKey>), StoreError> {
    let mut epoch = [0; EPOCH_BYTES];
    entropy.fill("store.epoch", &mut epoch);
    Ok((epoch, Arc::new(derived(root, &epoch)?)))
}

fn derived(root: &RootKey, epoch: &Epoch) -> Result<LessSafeKey, StoreError> {
    UnboundKey::new(&AES_256_GCM, root.derive("casemate.store.value", epoch).expose())
        .map(LessSafeKey::new)
        .map_err(|_| StoreError::Engine("no sealing key could be made".to_owned()))
}

#[cfg(test)]
mod tests {
    use casemate_names::SystemEntropy;

    use super::*;

    fn sealer(root: u8) -> Sealer {
        Sealer::new(RootKey::from_bytes([root; 32]), Arc::new(SystemEntropy::default())).unwrap()
    }

    #[test]
    fn a_value_opens_under_its_own_name_only() {
        let sealer = sealer(1);
        let sealed = sealer.seal(b"t\0a", 3, b"hello").unwrap();
        let opened = sealer.open(b"t\0a", sealed.clone()).unwrap();
        assert_eq!((opened.version, opened.bytes.as_slice()), (3, b"hello".as_slice()));
        assert!(sealer.open(b"t\0b", sealed).is_none());
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let sealer = sealer(1);
        let sealed = sealer.seal(b"name", 1, b"value").unwrap();
        for index in 0..sealed.len() {
            for bit in 0..8 {
                let mut altered = sealed.clone();
                altered[index] ^= 1 << bit;
                assert!(sealer.open(b"name", altered).is_none(), "byte {index}, bit {bit}");
            }
            assert!(sealer.open(b"name", sealed[..index].to_vec()).is_none());
        }
    }

    #[test]
    fn another_process_with_the_same_root_opens_it_and_another_root_does_not() {
        let sealed = sealer(1).seal(b"name", 1, b"value").unwrap();
        assert!(sealer(1).open(b"name", sealed.clone()).is_some());
        assert!(sealer(2).open(b"name", sealed).is_none());
    }
}
