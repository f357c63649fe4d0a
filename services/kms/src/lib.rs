//! Key Management Service: symmetric keys that never leave, and who may use them.
//!
//! - A **key** has a policy, tags, a state and, in rows of their own, its **materials**: the newest encrypts, all decrypt.
//! - An **alias** is a name for a key of the same account. A request is admitted for the key, never for the name.
//! - A **grant** is a right of one principal to some operations of one key. The policy engine weighs it beside the policy.
//!
//! The key policy is the only root of every right: the account's own policies count where it says so. A ciphertext names its
//! key and material and is bound to both and to its encryption context. Material is drawn here, sealed by the store under
//! the root key, and never shown.
//!
//! DIVERGES: only symmetric encryption keys made here (`SYMMETRIC_DEFAULT`, `AWS_KMS`); other key specs, usages and origins,
//! multi-Region keys, custom key stores and attested recipients are refused.
//! DIVERGES: no keys of AWS's own (`alias/aws/…`): services keep their data under the store's root key.
//! DIVERGES: a change of policy or grants is in force on the next request; grant tokens are checked but never needed.

#[rustfmt::skip]
pub mod api;
mod alias;
mod asks;
mod cipher;
mod cryptography;
mod describe;
mod encryption_context;
mod grant;
mod key_policy;
mod key_state;
mod ops;
mod page;
mod resource;
mod rows;
mod sweep;
mod tags;
mod tokens;
mod using;

use std::sync::Arc;

use casemate_kernel::{
    Assembly, Caller, Env, Fault, KeptGrants, Proof, ResourcePolicy, Service, Task, policy::ResourceRule,
};
use casemate_names::{Arn, Scope, Timestamp};

use api::Error;
use grant::KeyGrants;

/// The service.
#[derive(Debug)]
pub struct Kms {
    env: Env,
    policies: key_policy::Compiled,
}

/// Opens the service.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    let service = Arc::new(Kms { env: env.clone(), policies: key_policy::Compiled::default() });
    let work = Box::pin(sweep::run(Arc::downgrade(&service)));
    Ok(Assembly {
        operations: ops::operations(&service),
        tasks: vec![Task { name: "kms.sweep", work }],
        ..Assembly::default()
    })
}

impl Kms {
    /// Where a caller's keys are, before admission.
    fn scope(&self, caller: &Caller) -> Scope {
        caller.account().map_or_else(|| self.env.site.scope.clone(), |account| self.env.scope_of(&account))
    }
}

impl Service for Kms {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &[resource::SERVICE];

    // AWS: constraint violations of KMS are `ValidationException` ("1 validation error detected: …").
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        Err(Error::Validation("there are no in-band proofs here".to_owned()))
    }

    fn resource_policy(&self, arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        let Some(place) = resource::key_of(arn, &self.env.site.scope) else { return Ok(None) };
        let Some(row) = self.env.store.read(|tx| place.find(tx))? else { return Ok(None) };
        self.policies.of_key(&row, &place).map(Some)
    }

    /// A key's policy is the only root of every right to it, by whatever name it is called. What is asked of an alias itself
    /// (`CreateAlias` and its like) has no policy of a key over it.
    fn resource_rule(&self, resource: Option<&Arn>, action: &str) -> ResourceRule {
        let of_alias = resource.is_some_and(|arn| arn.resource().starts_with(resource::ALIAS))
            && action.to_ascii_lowercase().ends_with("alias");
        if of_alias { ResourceRule::Ordinary } else { key_policy::RULE }
    }

    fn grants(&self, arn: &Arn, action: &str) -> Result<Option<KeptGrants>, Error> {
        if !KeyGrants::concern(action) {
            return Ok(None);
        }
        let Some(place) = resource::key_of(arn, &self.env.site.scope) else { return Ok(None) };
        let grants = self.env.store.read(|tx| KeyGrants::of(tx, &place))?;
        Ok(Some(Box::new(grants)))
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let Some(place) = resource::key_of(arn, &self.env.site.scope) else { return Ok(Vec::new()) };
        let row = self.env.store.read(|tx| place.find(tx))?;
        Ok(row.map_or_else(Vec::new, |row| row.tags.into_iter().collect()))
    }
}
