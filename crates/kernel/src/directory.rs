//! What the kernel must know of identities. Implemented by the service that owns them; the kernel does not know which.

use std::{fmt::Debug, sync::Arc};

use casemate_names::{AccountId, Arn, Secret, Timestamp};
use casemate_policy::{NamedPolicy, Policy};

use serde_json::{Map, Value};

use crate::{BoxFuture, Caller, Fault, IdentityProvider, MfaAnswer, RootSession, TokenAlgorithm};

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

    /// The ARN of the role of that name in whatever case, which a session's ARN leaves the path out of. `None`: there is
    /// none.
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

    /// Does the organisation that made this session of a root still have the right to it? Asked on every request with it.
    fn admits_root_session(&self, session: &RootSession) -> Result<bool, Fault> {
        let _ = session;
        Ok(false)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Says only what every directory must.
    #[derive(Debug)]
    struct Bare;

    impl Directory for Bare {
        fn credential(&self, _access_key_id: &str) -> Result<Option<LongTermCredential>, Fault> {
            Ok(None)
        }

        fn role(&self, _arn: &Arn) -> Result<Option<Arc<RoleFacts>>, Fault> {
            Ok(None)
        }

        fn policies(&self, _caller: &Caller) -> Result<Option<Arc<IdentityPolicies>>, Fault> {
            Ok(None)
        }

        fn used(&self, _access_key_id: &str, _service: &str, _now: Timestamp) {}
    }

    #[tokio::test]
    async fn a_directory_that_does_not_say_knows_nobody_and_vouches_for_nothing() {
        let arn = Arn::parse("arn:aws:iam::123456789012:role/worker").unwrap();
        let account = AccountId::parse("123456789012").unwrap();
        assert_eq!(Bare.managed_policy(arn.as_str()).unwrap(), None);
        assert_eq!(Bare.unique_id(&arn).unwrap(), None);
        assert!(Bare.identity_provider(&arn).unwrap().is_none());
        assert_eq!(Bare.role_named(&account, "worker").unwrap(), None);
        assert_eq!(Bare.attest(&account, TokenAlgorithm::Rs256, Map::new()).unwrap(), None);
        assert!(!Bare.is_own_issuer("https://issuer.example.com"));
        let root = Caller::Root { account };
        let answer = Bare.verify_mfa(&root, "serial", "123456", Timestamp::from_seconds(0)).await;
        assert_eq!(answer.unwrap(), MfaAnswer::NoSuchDevice);
    }
}
