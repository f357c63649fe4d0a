//! Derived signing keys, and a bounded memory of them. Knows secrets only for as long as it holds them.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hmac::{self, HMAC_SHA256},
};
use casemate_names::Secret;

use crate::CredentialScope;

/// How many derived keys are remembered: one per access key and service, of the latest day. About 1 KB each.
const SLOTS: usize = 4096;

/// Remembers derived signing keys. Bounded: a direct-mapped table in which a newcomer replaces whoever sat in its place.
/// Nothing is ever trusted from it without comparing the secret it was derived from, so a rotated or recreated key
/// cannot be verified with an old derivation. Key material is wiped when an entry goes.
pub struct SigningKeyCache {
    slots: Vec<RwLock<Option<Arc<Entry>>>>,
    placement: RandomState,
}

struct Entry {
    secret: Secret<String>,
    date: String,
    region: String,
    service: String,
    /// AWS-LC wipes the keyed state when it is dropped.
    key: hmac::Key,
}

impl SigningKeyCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::with_slots(SLOTS)
    }

    fn with_slots(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| RwLock::default()).collect(), placement: RandomState::new() }
    }

    /// Signs `message` with the key derived from `secret` for `scope`.
    pub(crate) fn sign(
        &self,
        access_key_id: &str,
        secret: &Secret<String>,
        scope: &CredentialScope,
        message: &[u8],
    ) -> hmac::Tag {
        // Day and region decide whether an entry fits, not where it lies: yesterday's gives way to today's.
        let hash = self.placement.hash_one((access_key_id, &scope.service));
        let index = usize::try_from(hash).unwrap_or_default() % self.slots.len().max(1);
        let Some(slot) = self.slots.get(index) else {
            return hmac::sign(&derive(secret, &scope.date, &scope.region, &scope.service), message);
        };
        let held = slot.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(entry) = held.filter(|entry| entry.is_for(secret, scope)) {
            return hmac::sign(&entry.key, message);
        }
        let key = derive(secret, &scope.date, &scope.region, &scope.service);
        let tag = hmac::sign(&key, message);
        let entry = Entry {
            secret: secret.clone(),
            date: scope.date.clone(),
            region: scope.region.clone(),
            service: scope.service.clone(),
            key,
        };
        *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(entry));
        tag
    }
}

impl Entry {
    fn is_for(&self, secret: &Secret<String>, scope: &CredentialScope) -> bool {
        let (held, given) = (self.secret.expose().as_bytes(), secret.expose().as_bytes());
        verify_slices_are_equal(held, given).is_ok()
            && self.date == scope.date
            && self.region == scope.region
            && self.service == scope.service
    }
}

impl Default for SigningKeyCache {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SigningKeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeyCache({} slots)", self.slots.len())
    }
}

/// The key chain: `AWS4` + secret → date → region → service → `aws4_request`.
pub(crate) fn derive(secret: &Secret<String>, date: &str, region: &str, service: &str) -> hmac::Key {
    let root = Secret::new(format!("AWS4{}", secret.expose()));
    let mut key = hmac::Key::new(HMAC_SHA256, root.expose().as_bytes());
    for part in [date, region, service, "aws4_request"] {
        key = hmac::Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(service: &str) -> CredentialScope {
        CredentialScope { date: "20261124".into(), region: "us-east-1".into(), service: service.into() }
    }

    #[test]
    fn a_remembered_key_signs_like_a_derived_one() {
        let cache = SigningKeyCache::new();
        let secret = Secret::new("s".to_owned());
        let direct = hmac::sign(&derive(&secret, "20261124", "us-east-1", "sts"), b"m");
        for _ in 0..2 {
            assert_eq!(cache.sign("AKIA", &secret, &scope("sts"), b"m").as_ref(), direct.as_ref());
        }
    }

    #[test]
    fn a_changed_secret_is_never_answered_from_memory() {
        let cache = SigningKeyCache::with_slots(1);
        let (old, new) = (Secret::new("old".to_owned()), Secret::new("new".to_owned()));
        let before = cache.sign("AKIA", &old, &scope("sts"), b"m");
        let after = cache.sign("AKIA", &new, &scope("sts"), b"m");
        assert_ne!(before.as_ref(), after.as_ref());
        assert_ne!(cache.sign("AKIA", &new, &scope("iam"), b"m").as_ref(), after.as_ref());
    }
}
