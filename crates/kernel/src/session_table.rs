//! The table of sessions: rows in the store, live sessions in memory. Knows nothing of who may have one.

use std::{
    collections::HashMap,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use casemate_names::{AccountId, Arn, Secret, Timestamp};
use casemate_policy::{Kind as PolicyKind, NamedPolicy, Policy};
use casemate_store::{Key, Order, Row, Store};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{
    Caller, Fault, Federation, RoleSession, session_root::RootSessionRow, session_user::UserSessionRow,
};

/// How ids of temporary access keys begin. No other key is looked up here.
// AWS: IAM User Guide, "IAM identifiers, unique identifiers".
pub(crate) const TEMPORARY_PREFIX: &str = "ASIA";
/// Live sessions kept in memory; beyond it the cache starts again from the store.
const CACHED_MAX: usize = 10_000;
/// Sessions forgotten in one sweep.
const SWEPT_MAX: usize = 1_000;

/// A session as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    pub(crate) secret: Secret<String>,
    pub(crate) token_sha256: [u8; 32],
    pub(crate) role_arn: Arn,
    pub(crate) role_unique_id: String,
    pub(crate) session_arn: Arn,
    pub(crate) session_name: String,
    pub(crate) account: AccountId,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tags: Vec<String>,
    pub(crate) source_identity: Option<String>,
    pub(crate) policies: Option<Vec<(String, String)>>,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) bound_to: Option<String>,
    pub(crate) source_function: Option<Arn>,
    #[serde(default)]
    pub(crate) federation: Option<Federation>,
}

impl Row for SessionRow {
    const TABLE: &'static str = "kernel.sessions";
    const VERSION: u16 = 1;
}

/// A session found by its access key.
#[derive(Debug)]
pub(crate) struct LiveSession {
    pub(crate) secret: Secret<String>,
    token_sha256: [u8; 32],
    pub(crate) caller: Caller,
    pub(crate) expires_at: Timestamp,
    /// The execution environment outside of which it is worthless.
    pub(crate) bound_to: Option<String>,
}

impl LiveSession {
    pub(crate) fn new(
        secret: Secret<String>,
        token_sha256: [u8; 32],
        caller: Caller,
        expires_at: Timestamp,
        bound_to: Option<String>,
    ) -> Self {
        Self { secret, token_sha256, caller, expires_at, bound_to }
    }

    /// Constant-time comparison with the token presented.
    pub(crate) fn token_matches(&self, token: &str) -> bool {
        self.token_sha256.ct_eq(digest(&SHA256, token.as_bytes()).as_ref()).into()
    }
}

/// The sessions of a kernel: store and cache.
#[derive(Debug)]
pub(crate) struct SessionTable {
    store: Store,
    cache: RwLock<Cache>,
}

/// Sessions found before.
#[derive(Debug, Default)]
struct Cache {
    /// Counts the sessions that were taken away.
    removals: u64,
    live: HashMap<String, Arc<LiveSession>>,
}

impl SessionTable {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, cache: RwLock::default() }
    }

    /// Finds the session of an access key. `None`: there is no such key (any more).
    pub(crate) fn find(&self, access_key_id: &str) -> Result<Option<Arc<LiveSession>>, Fault> {
        if !access_key_id.starts_with(TEMPORARY_PREFIX) {
            return Ok(None);
        }
        let before = {
            let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(live) = cache.live.get(access_key_id) {
                return Ok(Some(Arc::clone(live)));
            }
            cache.removals
        };
        let Some(live) = self.stored(access_key_id)? else { return Ok(None) };
        self.keep(access_key_id, &live, before);
        Ok(Some(live))
    }

    fn stored(&self, access_key_id: &str) -> Result<Option<Arc<LiveSession>>, Fault> {
        let live = self.store.read::<_, Fault>(|tx| {
            let key = key(access_key_id);
            if let Some(row) = tx.get::<SessionRow>(&key)? {
                return row.live().map(Some);
            }
            if let Some(row) = tx.get::<UserSessionRow>(&key)? {
                return row.live().map(Some);
            }
            tx.get::<RootSessionRow>(&key)?.map(RootSessionRow::live).transpose()
        })?;
        Ok(live.map(Arc::new))
    }

    /// Keeps what was read from the store while `before` sessions had been taken away.
    // INVARIANT: what was read before the latest removal is not kept, or a session that is revoked while a request with
    // it is being identified would live on in memory.
    fn keep(&self, access_key_id: &str, live: &Arc<LiveSession>, before: u64) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.removals != before {
            return;
        }
        if cache.live.len() >= CACHED_MAX {
            cache.live.clear();
        }
        cache.live.insert(access_key_id.to_owned(), Arc::clone(live));
    }

    fn forget<'i>(&self, ids: impl IntoIterator<Item = &'i str>) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.removals = cache.removals.wrapping_add(1);
        for id in ids {
            cache.live.remove(id);
        }
    }

    pub(crate) async fn insert(&self, access_key_id: &str, row: SessionRow) -> Result<(), Fault> {
        let expires_at = row.expires_at;
        self.put(access_key_id, row, expires_at).await
    }

    pub(crate) async fn insert_user(&self, access_key_id: &str, row: UserSessionRow) -> Result<(), Fault> {
        let expires_at = row.expires_at;
        self.put(access_key_id, row, expires_at).await
    }

    pub(crate) async fn insert_root(&self, access_key_id: &str, row: RootSessionRow) -> Result<(), Fault> {
        let expires_at = row.expires_at;
        self.put(access_key_id, row, expires_at).await
    }

    async fn put<R: Row>(&self, access_key_id: &str, row: R, expires_at: Timestamp) -> Result<(), Fault> {
        let id = access_key_id.to_owned();
        self.store
            .write::<_, Fault, _>(move |tx| {
                tx.put(&expiry_key(expires_at).text(&id), &ExpiryRow(id.clone()))?;
                tx.put(&key(&id), &row)?;
                Ok(())
            })
            .await
    }

    /// Forgets sessions that ended before `now`, at most [`SWEPT_MAX`] at a time. They are refused already; this keeps
    /// the table from growing.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<usize, Fault> {
        let upper = expiry_key(now);
        let ended = self.store.read::<_, Fault>(|tx| {
            let (lower, upper) = (Bound::Unbounded, Bound::Excluded(&upper));
            Ok(tx.range::<ExpiryRow>(&Key::global(), lower, upper, SWEPT_MAX, Order::Ascending)?)
        })?;
        let count = ended.len();
        let ids: Vec<String> = ended.iter().map(|(_, row)| row.0.clone()).collect();
        if count > 0 {
            self.store
                .write::<_, Fault, _>(move |tx| {
                    for (at, row) in &ended {
                        tx.delete::<ExpiryRow>(at)?;
                        tx.delete::<SessionRow>(&key(&row.0))?;
                        tx.delete::<UserSessionRow>(&key(&row.0))?;
                        tx.delete::<RootSessionRow>(&key(&row.0))?;
                    }
                    Ok(())
                })
                .await?;
            self.forget(ids.iter().map(String::as_str));
        }
        Ok(count)
    }

    pub(crate) async fn remove(&self, access_key_id: &str) -> Result<(), Fault> {
        let id = access_key_id.to_owned();
        self.store
            .write::<_, Fault, _>(move |tx| {
                tx.delete::<SessionRow>(&key(&id))?;
                tx.delete::<UserSessionRow>(&key(&id))?;
                tx.delete::<RootSessionRow>(&key(&id))?;
                Ok(())
            })
            .await?;
        self.forget([access_key_id]);
        Ok(())
    }
}

impl SessionRow {
    fn live(self) -> Result<LiveSession, Fault> {
        let policies = self.policies.as_deref().map(compile).transpose()?;
        let (expires_at, bound_to) = (self.expires_at, self.bound_to.clone());
        let session = RoleSession {
            role_arn: self.role_arn,
            role_unique_id: self.role_unique_id,
            session_arn: self.session_arn,
            session_name: self.session_name,
            account: self.account,
            tags: self.tags,
            transitive_tags: self.transitive_tags,
            source_identity: self.source_identity,
            policies,
            issued_at: self.issued_at,
            expires_at,
            bound_to: self.bound_to,
            source_function: self.source_function,
            federation: self.federation,
        };
        let caller = Caller::Role(Box::new(session));
        Ok(LiveSession::new(self.secret, self.token_sha256, caller, expires_at, bound_to))
    }
}

/// Says when a session ends, in the order of time.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ExpiryRow(String);

impl Row for ExpiryRow {
    const TABLE: &'static str = "kernel.session-expiry";
    const VERSION: u16 = 1;
}

/// Compiles session policies given as `(name, document)`.
pub(crate) fn compile(policies: &[(String, String)]) -> Result<Vec<NamedPolicy>, Fault> {
    policies
        .iter()
        .map(|(name, text)| {
            let policy = Policy::parse(text, PolicyKind::Session).map_err(Fault::internal)?;
            Ok(NamedPolicy { name: name.as_str().into(), policy: Arc::new(policy) })
        })
        .collect()
}

fn key(access_key_id: &str) -> Key {
    Key::global().text(access_key_id)
}

fn expiry_key(at: Timestamp) -> Key {
    Key::global().number(u64::try_from(at.millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;

    use super::*;

    fn row(expires_at: Timestamp) -> SessionRow {
        let arn = |text| Arn::parse(text).unwrap();
        SessionRow {
            secret: Secret::new("secret".to_owned()),
            token_sha256: [0; 32],
            role_arn: arn("arn:aws:iam::123456789012:role/r"),
            role_unique_id: "AROAX".to_owned(),
            session_arn: arn("arn:aws:sts::123456789012:assumed-role/r/s"),
            session_name: "s".to_owned(),
            account: AccountId::parse("123456789012").unwrap(),
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            policies: None,
            issued_at: Timestamp::from_seconds(0),
            expires_at,
            bound_to: None,
            source_function: None,
            federation: None,
        }
    }

    #[tokio::test]
    async fn only_ended_sessions_are_forgotten() {
        let table = SessionTable::new(Store::in_memory(Arc::new(NamedEntropy::seeded(1))));
        table.insert("ASIAOLD", row(Timestamp::from_seconds(10))).await.unwrap();
        table.insert("ASIANEW", row(Timestamp::from_seconds(20))).await.unwrap();
        assert!(table.find("ASIAOLD").unwrap().is_some());
        assert_eq!(table.sweep(Timestamp::from_seconds(15)).await.unwrap(), 1);
        assert!(table.find("ASIAOLD").unwrap().is_none());
        assert!(table.find("ASIANEW").unwrap().is_some());
        assert_eq!(table.sweep(Timestamp::from_seconds(15)).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_revoked_session_is_gone_from_memory_too() {
        let table = SessionTable::new(Store::in_memory(Arc::new(NamedEntropy::seeded(1))));
        table.insert("ASIAX", row(Timestamp::from_seconds(10))).await.unwrap();
        assert!(table.find("ASIAX").unwrap().is_some());
        table.remove("ASIAX").await.unwrap();
        assert!(table.find("ASIAX").unwrap().is_none());
    }

    #[tokio::test]
    async fn a_session_read_before_its_revocation_is_not_kept_after_it() {
        let table = SessionTable::new(Store::in_memory(Arc::new(NamedEntropy::seeded(1))));
        table.insert("ASIAX", row(Timestamp::from_seconds(10))).await.unwrap();
        let before = table.cache.read().unwrap().removals;
        let live = table.stored("ASIAX").unwrap().unwrap();
        table.remove("ASIAX").await.unwrap();
        table.keep("ASIAX", &live, before);
        assert!(table.find("ASIAX").unwrap().is_none());
    }
}
