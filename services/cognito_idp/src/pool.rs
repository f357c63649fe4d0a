//! A user pool as stored, and where its rows lie.

use std::collections::BTreeMap;

use casemate_names::{Arn, Scope, Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{attributes::Schema, password::Policy, refusal::Refusal, username::Naming};

/// AWS: pools per account and region.
pub const PER_REGION_MAX: usize = 1_000;

/// Which issuer a pool's tokens name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Issuer {
    /// `<our endpoint>/<pool id>`: strict OpenID clients compare it with the address they asked.
    #[default]
    Endpoint,
    /// `https://cognito-idp.<region>.amazonaws.com/<pool id>`: for unmodified clients that derive the issuer from the pool id.
    Aws,
}

/// One user pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPool {
    /// `us-east-1_AbCdEfGhI`
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// Which passwords it accepts.
    pub policy: Policy,
    /// How its users are named.
    pub naming: Naming,
    /// Its attributes.
    pub schema: Schema,
    /// Attributes whose codes are sent at sign-up.
    pub auto_verified: Vec<String>,
    /// Nobody can sign up by himself.
    pub admin_only: bool,
    /// Must protection be taken off before it can be deleted?
    pub deletion_protected: bool,
    /// Which issuer its tokens name.
    pub issuer: Issuer,
    /// How a password is recovered, by priority: `verified_email`, `verified_phone_number`, `admin_only`.
    pub recovery: Vec<String>,
    /// Text around a confirmation code, with `{####}`.
    pub verification_message: Option<String>,
    /// Text around a temporary password, with `{username}` and `{####}`.
    pub invitation_message: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Settings that change nothing here and are given back as they came: member name → JSON.
    pub echoed: BTreeMap<String, String>,
}

impl Row for UserPool {
    const TABLE: &'static str = "cognito.pool";
    const VERSION: u16 = 1;
}

/// A pool's keys. Never leaves the store but for signing and sealing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolKeys {
    /// Signs ID tokens.
    pub id: StoredKey,
    /// Signs access tokens.
    pub access: StoredKey,
    /// Seals secret blocks and page tokens.
    pub seal: Secret<Vec<u8>>,
    /// From it come the salt and user id that an unknown user appears to have.
    pub simulation: Secret<Vec<u8>>,
}

impl Row for PoolKeys {
    const TABLE: &'static str = "cognito.pool_keys";
    const VERSION: u16 = 1;
}

/// A signing key as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// Its id in token headers.
    pub kid: String,
    /// PKCS #8, DER.
    pub private: Secret<Vec<u8>>,
}

/// Finds a pool by its id alone, for requests that name no account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolIndex {
    /// Whose it is.
    pub scope: Scope,
}

impl Row for PoolIndex {
    const TABLE: &'static str = "cognito.pool_index";
    const VERSION: u16 = 1;
}

/// One pool's place in the store: prefix of all its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub scope: Scope,
    /// Its id.
    pub pool: String,
}

impl Place {
    /// Of a pool in a scope.
    pub fn new(scope: &Scope, pool: &str) -> Self {
        Self { scope: scope.clone(), pool: pool.to_owned() }
    }

    /// Of a pool known by id alone.
    pub fn find(tx: &ReadTx<'_>, pool: &str) -> Result<Option<Self>, StoreError> {
        let index = tx.get::<PoolIndex>(&Key::global().text(pool))?;
        Ok(index.map(|index| Self { scope: index.scope, pool: pool.to_owned() }))
    }

    /// The key of the pool's row; in other tables the prefix of everything that is the pool's.
    pub fn key(&self) -> Key {
        Key::of(&self.scope).text(&self.pool)
    }

    /// The pool's id behind its underscore, which is what passwords are proved under.
    pub fn name(&self) -> &str {
        self.pool.split_once('_').map_or(self.pool.as_str(), |(_, name)| name)
    }

    /// The pool's ARN.
    pub fn arn(&self) -> Arn {
        crate::resource::pool_arn(&self.scope, &self.pool)
    }

    /// The pool itself.
    pub fn pool(&self, tx: &ReadTx<'_>) -> Result<UserPool, Trouble> {
        tx.get::<UserPool>(&self.key())?.ok_or_else(|| {
            // AWS: as clients show it.
            Refusal::resource_not_found(format!("User pool {} does not exist.", self.pool)).into()
        })
    }

    /// The pool's keys.
    pub fn keys(&self, tx: &ReadTx<'_>) -> Result<PoolKeys, Trouble> {
        tx.get::<PoolKeys>(&self.key())?.ok_or_else(|| Refusal::internal("a pool has no keys").into())
    }
}

/// Stores a changed pool.
pub fn put(tx: &mut WriteTx<'_>, place: &Place, pool: &UserPool) -> Result<(), StoreError> {
    tx.put(&place.key(), pool)
}

/// What stops a transaction: a refusal, or the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The answer is no.
    Refused(Refusal),
    /// The store failed.
    Store(StoreError),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
