//! User pools: `cognito-idp`.
//!
//! Nouns: a [`pool::UserPool`] has [`client::Client`]s and [`user::User`]s; a sign-in makes a [`tokens::Family`] of tokens;
//! between a proved password and its tokens there may be a [`challenge::Session`].
//!
//! Invariants:
//! - Every flow that proves a password goes through [`sign_in`], which alone decides about lockout, status and tokens, and
//!   does so in one transaction: of many guesses in flight, those that commit after the lock are refused, right or wrong.
//! - The same work is done for users who do not exist, and where the client hides existence, the same is said.
//! - Of refresh tokens and session handles only hashes are stored; verifiers, hashes and private keys lie in sealed rows.
//! - Codes and temporary passwords leave only through the kernel's outbox; none is fixed, none is logged.
//! - A name (username, sub, alias) never leads to two users.
//!
//! Not here yet, and refused by name where asked for: MFA, Lambda triggers, devices, threat protection, password history,
//! `USER_AUTH`, the hosted UI.
//!
// DIVERGES: mail and SMS settings are stored and given back, but every message goes to the outbox; nothing is sent.

mod answer;
pub mod api;
pub mod attributes;
pub mod auth_flow;
pub mod challenge;
pub mod claim_time;
pub mod client;
pub mod client_config;
pub mod codes;
pub mod delivery;
pub mod discovery;
mod error;
pub mod filter;
mod grant;
pub mod groups;
pub mod keys;
pub mod lockout;
pub mod mask;
mod ops;
pub mod page;
mod passing;
pub mod password;
mod password_flow;
pub mod pool;
pub mod pool_config;
pub mod refresh;
pub mod refusal;
pub mod resource;
pub mod seal;
pub mod secret_block;
pub mod secret_hash;
pub mod sign_in;
pub mod srp;
mod srp_flow;
pub mod sweep;
mod tags;
pub mod tokens;
pub mod user;
pub mod username;
mod view;

use std::sync::Arc;

use casemate_jose::KeySource;
use casemate_kernel::{Assembly, Caller, Env, Fault, Proof, ResourcePolicy, Service, Task};
use casemate_names::{Arn, Scope, Timestamp};
use casemate_store::ReadTx;

use crate::{
    api::Error,
    keys::KeyRing,
    pool::{Place, Trouble, UserPool},
    refusal::Refusal,
    tokens::Bearer,
};

/// The service.
#[derive(Debug)]
pub struct CognitoIdp {
    pub(crate) env: Env,
    pub(crate) keys: KeyRing,
}

/// Opens the service.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    open_with_keys(env).map(|(assembly, _)| assembly)
}

/// Opens the service and gives the seam through which others verify its tokens.
pub fn open_with_keys(env: &Env) -> Result<(Assembly, Arc<dyn KeySource>), Fault> {
    let (keys, refill) = KeyRing::new(env);
    let service = Arc::new(CognitoIdp { env: env.clone(), keys });
    let planes: Vec<Arc<dyn casemate_kernel::DataPlane>> =
        vec![Arc::new(discovery::Discovery::new(Arc::clone(&service)))];
    let tasks = vec![
        Task { name: "cognito.spare-keys", work: Box::pin(refill) },
        Task { name: "cognito.sweep", work: Box::pin(sweep::run(Arc::downgrade(&service))) },
    ];
    let assembly =
        Assembly { operations: ops::operations(&service), data_planes: planes, tasks, ..Assembly::default() };
    Ok((assembly, service))
}

impl Service for CognitoIdp {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &[resource::SERVICE];

    const VALIDATION_CODE: &'static str = "InvalidParameterException";

    fn verify(&self, proof: &Proof, now: Timestamp) -> Result<Caller, Error> {
        if proof.kind != ACCESS_TOKEN {
            return Err(Error::not_authorized_exception("Invalid Access Token"));
        }
        let (place, bearer) = self.judge_access_token(proof.value.expose(), now)?;
        Ok(Caller::Bearer {
            issuer: place.arn(),
            subject: bearer.sub,
            facts: vec![
                ("pool", place.pool),
                ("username", bearer.username),
                ("client_id", bearer.client),
                ("origin_jti", bearer.origin),
            ],
        })
    }

    /// User pools have no resource policies.
    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        Ok(None)
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let Some(id) = resource::pool_of(arn) else { return Ok(Vec::new()) };
        let place = Place::new(&self.env.scope_of_arn(arn), id);
        let pool = self.env.store.read(|tx| tx.get::<UserPool>(&place.key()))?;
        Ok(pool.map(|pool| pool.tags.into_iter().collect()).unwrap_or_default())
    }
}

/// [`Proof::kind`] of an access token.
pub(crate) const ACCESS_TOKEN: &str = "access token";

impl CognitoIdp {
    /// The access declaration of operations on a pool, authorised by IAM.
    pub(crate) fn on_pool(
        &self,
        caller: &Caller,
        action: &'static str,
        pool: &str,
    ) -> casemate_kernel::Access {
        casemate_kernel::Access::on(action, resource::pool_arn(&self.scope_of(caller), pool))
    }

    /// The access declaration of operations authorised by an access token.
    pub(crate) fn by_token(token: &casemate_names::Secret<String>) -> casemate_kernel::Access {
        casemate_kernel::Access::InBand(Proof { kind: ACCESS_TOKEN, value: token.clone() })
    }

    fn scope_of(&self, caller: &Caller) -> Scope {
        caller.account().map_or_else(|| self.env.site.scope.clone(), |account| self.env.scope_of(&account))
    }

    /// Whose pool, and who, by the verified access token of this call.
    pub(crate) fn bearer(caller: &Caller) -> Result<Holder, Error> {
        let fact = |name: &str| caller.bearer_fact(name).map(str::to_owned);
        let Caller::Bearer { issuer, subject, .. } = caller else {
            return Err(Error::not_authorized_exception("Invalid Access Token"));
        };
        let (Some(pool), Some(username), Some(client)) = (fact("pool"), fact("username"), fact("client_id"))
        else {
            return Err(Error::not_authorized_exception("Invalid Access Token"));
        };
        Ok(Holder { pool, issuer: issuer.clone(), sub: subject.clone(), username, client })
    }

    /// The place of the bearer's pool.
    pub(crate) fn place_of(&self, holder: &Holder) -> Place {
        Place::new(&self.env.scope_of_arn(&holder.issuer), &holder.pool)
    }

    /// A fresh UUID.
    pub(crate) fn uuid(&self, purpose: &'static str) -> String {
        casemate_names::uuid(&*self.env.entropy, purpose)
    }

    /// The issuer a pool's tokens name.
    pub(crate) fn issuer(&self, place: &Place, pool: &UserPool) -> String {
        match pool.issuer {
            pool::Issuer::Endpoint => format!("{}/{}", self.env.site.endpoint, place.pool),
            pool::Issuer::Aws => {
                format!("https://cognito-idp.{}.amazonaws.com/{}", place.scope.region, place.pool)
            }
        }
    }

    /// Judges an access token, in AWS's order.
    fn judge_access_token(&self, token: &str, now: Timestamp) -> Result<(Place, Bearer), Error> {
        // AWS: texts and their order as recorded by others.
        let invalid = || Error::not_authorized_exception("Invalid Access Token");
        let forged = || Error::not_authorized_exception("Could not verify signature for Access Token");
        let claims = keys::unverified_claims(token).ok_or_else(invalid)?;
        if tokens::text(&claims, "token_use") != Some("access") {
            return Err(invalid());
        }
        let issuer = tokens::text(&claims, "iss").ok_or_else(invalid)?;
        let id = issuer.rsplit('/').next().unwrap_or_default();
        self.env
            .store
            .read(|tx| {
                let Some((place, pool)) = find_pool(tx, id)? else { return Ok(Err(forged())) };
                if self.issuer(&place, &pool) != issuer {
                    return Ok(Err(forged()));
                }
                let ring = self.keys.of(tx, &place)?;
                let verified = casemate_jose::verify(token, |kid| {
                    (kid == ring.access.kid()).then(|| ring.access.verifying())
                });
                let Ok(verified) = verified else { return Ok(Err(forged())) };
                let bearer = tokens::judge_access(tx, &place, &verified.claims, now)?;
                Ok(Ok((place, bearer)))
            })
            .map_err(|trouble: Trouble| Error::from(trouble))?
    }
}

fn find_pool(tx: &ReadTx<'_>, id: &str) -> Result<Option<(Place, UserPool)>, Trouble> {
    let Some(place) = Place::find(tx, id)? else { return Ok(None) };
    let pool = tx.get::<UserPool>(&place.key())?;
    Ok(pool.map(|pool| (place, pool)))
}

/// The bearer of a verified access token.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) pool: String,
    pub(crate) issuer: Arn,
    pub(crate) sub: String,
    pub(crate) username: String,
    pub(crate) client: String,
}

impl Holder {
    /// The bearer's row, if it is still the same person's.
    pub(crate) fn user(
        &self,
        tx: &ReadTx<'_>,
        place: &Place,
        pool: &UserPool,
    ) -> Result<user::User, Trouble> {
        user::get(tx, place, &pool.naming.canonical(&self.username))?
            .filter(|user| user.sub == self.sub)
            .ok_or_else(|| Refusal::no_such_user().into())
    }
}

impl KeySource for CognitoIdp {
    fn keys(&self, pool: &Arn) -> Option<casemate_jose::PoolKeys> {
        let place = Place::new(&self.env.scope_of_arn(pool), resource::pool_of(pool)?);
        self.env.store.read(|tx| self.published(tx, &place)).ok()
    }
}
