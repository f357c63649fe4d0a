//! What the kernel must know of identities. Implemented by the service that owns them; the kernel does not know which.

use std::{fmt::Debug, sync::Arc};

use casemate_names::{AccountId, Arn, Secret, Timestamp};
use casemate_policy::{NamedPolicy, Policy};

use serde_json::{Map, Value};

use crate::{BoxFuture, Caller, Fault, IdentityProvider, MfaAnswer, TokenAlgorithm};

/// The owner of users, roles and long-term keys.
pub trait Directory: Debug + Send + Sync {
    /// Looks up a long-term access key. `None`: there is no such key.
    fn credential(&self, access_key_id: &str) -> Result<Option<LongTermCredential>, Fault>;

    /// Looks up a role by ARN. `None`: there is no such role.
    fn role(&self, arn: &Arn) -> Result<Option<Arc<RoleFacts>>, Fault>;

    /// The policies and tags of a caller (root, user or role; anything else has none). Takes effect on the next request
    /// after a change. A user or role that no longer exists, or exists again under another unique id, is a `None`: the
    /// caller must be refused.
    fn policies(&self, caller: &Caller) -> Result<Option<Arc<IdentityPolicies>>, Fault>;

    /// The document in force of a managed policy, for sessions limited by it. `None`: there is no such policy.
    fn managed_policy(&self, arn: &str) -> Result<Option<String>, Fault> {
        let _ = arn;
        Ok(None)
    }

    /// The unique id of the user or role that an ARN names now: what a resource policy must remember, so that a user or
    /// role recreated under the same name inherits nothing. `None`: there is none, or not here.
    fn unique_id(&self, arn: &Arn) -> Result<Option<String>, Fault> {
        let _ = arn;
        Ok(None)
    }

    /// Is `code` right now on the device `serial` of `caller`, who is a user? A right code is used up by the answer.
    fn verify_mfa<'a>(
        &'a self,
        caller: &'a Caller,
        serial: &'a str,
        code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<MfaAnswer, Fault>> {
        let _ = (caller, serial, code, now);
        Box::pin(std::future::ready(Ok(MfaAnswer::NoSuchDevice)))
    }

    /// The identity provider registered under an ARN. `None`: there is none.
    fn identity_provider(&self, arn: &Arn) -> Result<Option<IdentityProvider>, Fault> {
        let _ = arn;
        Ok(None)
    }

    /// The ARN of the role of that name, which a session's ARN leaves the path out of. `None`: there is none.
    fn role_named(&self, account: &AccountId, name: &str) -> Result<Option<Arn>, Fault> {
        let _ = (account, name);
        Ok(None)
    }

    /// The claims with the account's issuer (`iss`) among them, signed by it. `None`: the account issues no tokens.
    fn attest(
        &self,
        account: &AccountId,
        algorithm: TokenAlgorithm,
        claims: Map<String, Value>,
    ) -> Result<Option<String>, Fault> {
        let _ = (account, algorithm, claims);
        Ok(None)
    }

    /// Is this an issuer of such tokens?
    fn is_own_issuer(&self, issuer: &str) -> bool {
        let _ = issuer;
        false
    }

    /// Notes that a long-term key was used (best effort, must not block).
    fn used(&self, access_key_id: &str, service: &str, now: Timestamp);
}

/// A long-term access key.
#[derive(Debug, Clone)]
pub struct LongTermCredential {
    /// The secret.
    pub secret: Secret<String>,
    /// An inactive key is refused as if it did not exist.
    pub active: bool,
    /// `Caller::Root` or `Caller::User`.
    pub owner: Caller,
}

/// What assuming a role needs.
#[derive(Debug)]
pub struct RoleFacts {
    /// The role's ARN, with path.
    pub arn: Arn,
    /// `AROA…`
    pub unique_id: String,
    /// The name without path.
    pub name: String,
    /// The account.
    pub account: AccountId,
    /// Who may assume it.
    pub trust: Arc<Policy>,
    /// Longest session, seconds.
    pub session_s_max: i64,
}

/// Policies attached to an identity, compiled.
#[derive(Debug, Default)]
pub struct IdentityPolicies {
    /// Inline and managed.
    pub identity: Vec<NamedPolicy>,
    /// The permissions boundary, if one is set.
    pub boundary: Option<NamedPolicy>,
    /// Tags of the user or role: `aws:PrincipalTag/*` (session tags override).
    pub tags: Vec<(String, String)>,
}
