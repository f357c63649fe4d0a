//! Signing keys: two per pool, kept parsed while in use, and a few spare ones made ahead because one takes a tenth of a
//! second. Knows no claims.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_jose::{SigningKey, VerifyingKey};
use casemate_kernel::{Env, Fault};
use casemate_names::Secret;
use casemate_store::ReadTx;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::{
    CognitoIdp,
    pool::{Place, PoolKeys, StoredKey, Trouble},
    refusal::Refusal,
    seal::{KEY_BYTES, Sealer},
};

/// Keys kept ready: enough for two pools in a row.
const SPARES: usize = 4;

/// Pools whose keys are kept parsed. AWS allows 1,000 pools; each takes a few KiB here.
const KEPT_MAX: usize = 1_000;

/// One pool's keys, ready to use.
#[derive(Debug)]
pub struct Ring {
    /// Signs ID tokens.
    pub id: SigningKey,
    /// Signs access tokens.
    pub access: SigningKey,
    /// Seals secret blocks.
    pub sealer: Sealer,
    /// Makes stable false facts about users who do not exist.
    pub simulation: Secret<Vec<u8>>,
    /// The public halves, by key id.
    pub public: Vec<(String, Arc<VerifyingKey>)>,
}

/// All pools' keys.
pub struct KeyRing {
    kept: Mutex<BTreeMap<String, Arc<Ring>>>,
    spares: Arc<Mutex<Vec<SigningKey>>>,
    /// Says that spares were used. Closing it ends the task that makes them.
    used: mpsc::Sender<()>,
}

impl KeyRing {
    /// An empty ring, and the task that keeps spares.
    pub fn new(env: &Env) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let spares = Arc::new(Mutex::new(Vec::new()));
        let (used, woken) = mpsc::channel(1);
        let task = refill(env.clone(), Arc::clone(&spares), woken);
        (Self { kept: Mutex::default(), spares, used }, task)
    }

    /// The keys of a pool.
    pub fn of(&self, tx: &ReadTx<'_>, place: &Place) -> Result<Arc<Ring>, Trouble> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Pool ids are random and never given twice, so the id alone names the keys.
        if let Some(ring) = lock().get(&place.pool) {
            return Ok(Arc::clone(ring));
        }
        let ring =
            Arc::new(parse(&place.keys(tx)?).ok_or_else(|| Refusal::internal("a pool's keys do not parse"))?);
        let mut kept = lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(place.pool.clone(), Arc::clone(&ring));
        Ok(ring)
    }

    /// Forgets a deleted pool's keys.
    pub fn forget(&self, pool: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(pool);
    }

    /// Keys for a new pool: spare ones if there are any, else made now.
    pub async fn fresh(&self, env: &Env) -> Result<PoolKeys, Fault> {
        let (id, access) = (self.spare(env).await?, self.spare(env).await?);
        let _ = self.used.try_send(());
        let random = |purpose: &'static str| {
            let mut bytes = vec![0; KEY_BYTES];
            env.entropy.fill(purpose, &mut bytes);
            Secret::new(bytes)
        };
        Ok(PoolKeys {
            id,
            access,
            seal: random("cognito.seal_key"),
            simulation: random("cognito.simulation_key"),
        })
    }

    async fn spare(&self, env: &Env) -> Result<StoredKey, Fault> {
        let ready = self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let key = match ready {
            Some(key) => key,
            None => generate(env).await?,
        };
        let private = key.to_pkcs8().map_err(Fault::internal)?;
        Ok(StoredKey { kid: key.kid().to_owned(), private })
    }
}

async fn generate(env: &Env) -> Result<SigningKey, Fault> {
    let kid = casemate_jose::key_id(&*env.entropy, "cognito.key_id");
    env.heavy.run(move || SigningKey::generate(kid)).await?.map_err(Fault::internal)
}

async fn refill(env: Env, spares: Arc<Mutex<Vec<SigningKey>>>, mut woken: mpsc::Receiver<()>) {
    // The first pool makes its own keys: a server that never gets one should not spend half a second on spares.
    while woken.recv().await.is_some() {
        while spares.lock().unwrap_or_else(PoisonError::into_inner).len() < SPARES {
            let Ok(key) = generate(&env).await else { break };
            spares.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        }
    }
}

fn parse(stored: &PoolKeys) -> Option<Ring> {
    let key = |key: &StoredKey| SigningKey::from_pkcs8(key.kid.clone(), &key.private).ok();
    let (id, access) = (key(&stored.id)?, key(&stored.access)?);
    let public =
        |key: &SigningKey| Some((key.kid().to_owned(), Arc::new(VerifyingKey::from_jwk(&key.jwk()).ok()?)));
    Some(Ring {
        public: vec![public(&id)?, public(&access)?],
        id,
        access,
        sealer: Sealer::new(&stored.seal)?,
        simulation: stored.simulation.clone(),
    })
}

/// Reads a token's claims without believing them: to find whose token it claims to be.
pub fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    if token.len() > casemate_jose::MAX_TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

impl CognitoIdp {
    /// A pool's public keys, issuer and clients.
    pub(crate) fn published(
        &self,
        tx: &ReadTx<'_>,
        place: &Place,
    ) -> Result<casemate_jose::PoolKeys, Trouble> {
        let pool = place.pool(tx)?;
        let ring = self.keys.of(tx, place)?;
        let clients = tx.scan::<crate::client::Client>(&place.key(), None, crate::client::PER_POOL_MAX)?;
        Ok(casemate_jose::PoolKeys {
            issuer: self.issuer(place, &pool),
            keys: ring.public.clone(),
            client_ids: clients.into_iter().map(|(_, client)| client.id).collect(),
        })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_part_tokens_with_json_claims_are_looked_into() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"iss":"x"}"#);
        assert!(unverified_claims(&format!("h.{claims}.s")).is_some());
        for token in ["", "a.b", "a.b.c", &format!("h.{claims}.s.t"), &"a".repeat(20_000)] {
            assert!(unverified_claims(token).is_none());
        }
    }
}
