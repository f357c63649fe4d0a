//! What authorizers said, kept for a while. Keys are hashes (no token lies in memory), the number of entries is bounded,
//! concurrent misses of one key wait for one call, and failures are not kept.
//!
//! Refuses to know what a grant allows: the policy in it is evaluated for every request.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest::{Context, SHA256};
use casemate_names::Timestamp;
use tokio::sync::OnceCell;

use super::lambda::Grant;

/// Kept grants.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: Mutex<HashMap<CacheKey, Entry>>,
}

/// A hash over everything a grant depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey([u8; 32]);

#[derive(Debug)]
struct Entry {
    /// API and stage, for flushing.
    owner: (String, String),
    cell: Arc<OnceCell<Kept>>,
}

#[derive(Debug)]
struct Kept {
    grant: Arc<Grant>,
    expires_at: Timestamp,
}

impl CacheKey {
    /// Hashes the parts, each with its length.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(key)
    }
}

impl Cache {
    /// The grant under `key`, asked for by `ask` if there is none that is still good at `now`.
    pub(crate) async fn get<E, F>(
        &self,
        key: CacheKey,
        owner: (&str, &str),
        (now, ttl_s): (Timestamp, i64),
        ask: impl FnOnce() -> F,
    ) -> Result<Arc<Grant>, E>
    where
        F: Future<Output = Result<Grant, E>>,
    {
        let cell = self.cell(key, owner, now);
        let kept = cell
            .get_or_try_init(|| async {
                let grant = Arc::new(ask().await?);
                Ok(Kept { grant, expires_at: now.plus_seconds(ttl_s) })
            })
            .await?;
        Ok(Arc::clone(&kept.grant))
    }

    /// Forgets everything said for a stage.
    pub(crate) fn flush(&self, api_id: &str, stage: &str) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| (entry.owner.0.as_str(), entry.owner.1.as_str()) != (api_id, stage));
    }

    fn cell(&self, key: CacheKey, owner: (&str, &str), now: Timestamp) -> Arc<OnceCell<Kept>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = |entry: &Entry| entry.cell.get().is_some_and(|kept| kept.expires_at <= now);
        if let Some(entry) = entries.get(&key).filter(|entry| !stale(entry)) {
            return Arc::clone(&entry.cell);
        }
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, entry| !stale(entry));
        }
        if entries.len() >= ENTRIES_MAX
            && let Some(any) = entries.keys().next().copied()
        {
            entries.remove(&any);
        }
        let cell = Arc::new(OnceCell::new());
        let owner = (owner.0.to_owned(), owner.1.to_owned());
        entries.insert(key, Entry { owner, cell: Arc::clone(&cell) });
        cell
    }
}

/// Ours: grants kept at a time.
const ENTRIES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const OWNER: (&str, &str) = ("api", "prod");

    fn grant() -> Grant {
        let text = br#"{"principalId":"me","policyDocument":{"Version":"2012-10-17","Statement":
            {"Effect":"Allow","Action":"*","Resource":"*"}}}"#;
        super::super::lambda::answer(text, false, "a").unwrap()
    }

    async fn asked(cache: &Cache, key: CacheKey, now_s: i64, calls: &AtomicUsize) {
        let at = (Timestamp::from_seconds(now_s), 300);
        let answer = cache.get(key, OWNER, at, || async {
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, ()>(grant())
        });
        assert_eq!(answer.await.unwrap().principal_id, "me");
    }

    #[tokio::test]
    async fn a_grant_is_kept_until_it_expires() {
        let (cache, calls, key) = (Cache::default(), AtomicUsize::new(0), CacheKey::of(["a"]));
        asked(&cache, key, 0, &calls).await;
        asked(&cache, key, 299, &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        asked(&cache, key, 300, &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn concurrent_misses_ask_once() {
        let (cache, calls, key) = (Cache::default(), AtomicUsize::new(0), CacheKey::of(["a"]));
        let (a, b) = (asked(&cache, key, 0, &calls), asked(&cache, key, 0, &calls));
        tokio::join!(a, b);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn failures_are_not_kept() {
        let (cache, calls, key) = (Cache::default(), AtomicUsize::new(0), CacheKey::of(["a"]));
        let at = (Timestamp::from_seconds(0), 300);
        assert!(cache.get(key, OWNER, at, || async { Err::<Grant, _>("no") }).await.is_err());
        asked(&cache, key, 0, &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn flushing_a_stage_forgets_it_and_no_other() {
        let (cache, calls, key) = (Cache::default(), AtomicUsize::new(0), CacheKey::of(["a"]));
        asked(&cache, key, 0, &calls).await;
        cache.flush("api", "other");
        asked(&cache, key, 0, &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        cache.flush("api", "prod");
        asked(&cache, key, 0, &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        let cache = Cache::default();
        for n in 0..ENTRIES_MAX + 10 {
            cache.cell(CacheKey::of([n.to_string().as_str()]), OWNER, Timestamp::from_seconds(0));
        }
        assert_eq!(cache.entries.lock().unwrap().len(), ENTRIES_MAX);
    }

    #[test]
    fn parts_of_a_key_cannot_be_shifted() {
        assert_ne!(CacheKey::of(["ab", "c"]), CacheKey::of(["a", "bc"]));
        assert_ne!(CacheKey::of(["a", ""]), CacheKey::of(["a"]));
    }
}
