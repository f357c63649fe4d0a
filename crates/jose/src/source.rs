//! The seam through which whoever verifies tokens reads the public keys of whoever issues them. Knows no service.

use std::{collections::BTreeSet, sync::Arc};

use casemate_names::Arn;

use crate::VerifyingKey;

/// What is needed to judge the tokens of one user pool.
#[derive(Debug, Clone)]
pub struct PoolKeys {
    /// The `iss` claim of its tokens.
    pub issuer: String,
    /// Its public keys by key id.
    pub keys: Vec<(String, Arc<VerifyingKey>)>,
    /// The app clients that exist now: `aud` of ID tokens, `client_id` of access tokens.
    pub client_ids: BTreeSet<String>,
}

impl PoolKeys {
    /// The key named `kid`.
    pub fn key(&self, kid: &str) -> Option<Arc<VerifyingKey>> {
        self.keys.iter().find(|(id, _)| id == kid).map(|(_, key)| Arc::clone(key))
    }
}

/// Finds the keys of user pools.
pub trait KeySource: Send + Sync {
    /// Keys and clients of the pool as of now; `None` when there is no such pool.
    fn keys(&self, pool: &Arn) -> Option<PoolKeys>;
}
