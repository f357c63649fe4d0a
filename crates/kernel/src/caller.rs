//! Who is calling: established once per request, never defaulted.

use casemate_names::{AccountId, Arn, Timestamp};
use casemate_policy::{NamedPolicy, Principal};

use crate::{FederatedSession, Federation, RootSession, UserSession, WebIdentity};

/// An identified caller.
#[derive(Debug, Clone)]
pub enum Caller {
    /// No signature and no in-band proof.
    Anonymous,
    /// The account's root: the administrator key.
    Root {
        /// The account.
        account: AccountId,
    },
    /// An IAM user with a long-term key.
    User {
        /// `arn:aws:iam::…:user/path/name`
        arn: Arn,
        /// `AIDA…`
        unique_id: String,
        /// The name without path.
        name: String,
        /// The account.
        account: AccountId,
    },
    /// A session of a role.
    Role(Box<RoleSession>),
    /// Temporary credentials of a user or of the root.
    UserSession(Box<UserSession>),
    /// Temporary credentials of an account's root for one task, made by its organisation.
    RootSession(Box<RootSession>),
    /// A federated user.
    Federated(Box<FederatedSession>),
    /// A user of an identity provider who asks for a role. Exists only while that is decided.
    WebIdentity(Box<WebIdentity>),
    /// A service acting for itself, on behalf of one of its resources.
    Service {
        /// E.g. `apigateway.amazonaws.com`.
        principal: &'static str,
        /// The resource it acts for: `aws:SourceArn`.
        source: Arn,
        /// The account of that resource: `aws:SourceAccount`.
        account: AccountId,
    },
    /// The bearer of an in-band proof that its service has verified.
    Bearer {
        /// Issuer of the proof, e.g. a user pool's ARN.
        issuer: Arn,
        /// Whom it names, e.g. the user's `sub`.
        subject: String,
        /// Further facts the service wants back in `run` (e.g. username, client id, origin_jti).
        facts: Vec<(&'static str, String)>,
    },
}

/// What is known of a role session.
#[derive(Debug, Clone)]
pub struct RoleSession {
    /// The role, with its path.
    pub role_arn: Arn,
    /// `AROA…`: a role re-created under the same name has another.
    pub role_unique_id: String,
    /// `arn:aws:sts::…:assumed-role/Name/Session` (no path).
    pub session_arn: Arn,
    /// The session's name.
    pub session_name: String,
    /// The account.
    pub account: AccountId,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Which of the tags survive chaining.
    pub transitive_tags: Vec<String>,
    /// `sts:SourceIdentity`, survives chaining.
    pub source_identity: Option<String>,
    /// Session policies; `Some(vec![])` grants nothing.
    pub policies: Option<Vec<NamedPolicy>>,
    /// When the credentials were made: `aws:TokenIssueTime`.
    pub issued_at: Timestamp,
    /// When they end.
    pub expires_at: Timestamp,
    /// The execution environment they are bound to, if any.
    pub bound_to: Option<String>,
    /// The function whose environment they were made for: `lambda:SourceFunctionArn`.
    pub source_function: Option<Arn>,
    /// The identity at a provider it was made for, if any.
    pub federation: Option<Federation>,
}

impl Caller {
    /// The account the caller belongs to; `None` for anonymous callers.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Anonymous | Self::WebIdentity(_) => None,
            Self::Root { account } | Self::User { account, .. } | Self::Service { account, .. } => {
                Some(account.clone())
            }
            Self::Role(session) => Some(session.account.clone()),
            Self::UserSession(session) => session.owner.account(),
            Self::RootSession(session) => Some(session.account.clone()),
            Self::Federated(session) => Some(session.account.clone()),
            Self::Bearer { issuer, .. } => issuer.account_id(),
        }
    }

    /// The caller's ARN as error texts, `GetCallerIdentity` and audit show it; `anonymous` when there is none.
    pub fn arn_text(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Root { account } => {
                Arn::from_parts(["aws", "iam", "", account.as_str(), "root"]).as_str().to_owned()
            }
            Self::User { arn, .. } => arn.as_str().to_owned(),
            Self::Role(session) => session.session_arn.as_str().to_owned(),
            Self::UserSession(session) => session.owner.arn_text(),
            Self::RootSession(session) => session.owner.arn_text(),
            Self::Federated(session) => session.arn.as_str().to_owned(),
            Self::WebIdentity(identity) => format!("{}/{}", identity.provider, identity.subject),
            Self::Service { principal, .. } => (*principal).to_owned(),
            Self::Bearer { issuer, subject, .. } => format!("{issuer}/user/{subject}"),
        }
    }

    /// `aws:userid`: `AIDA…`, `AROA…:session`, `account:name` for a federated user, or the account for root.
    pub fn user_id(&self) -> Option<String> {
        match self {
            Self::Root { account } => Some(account.as_str().to_owned()),
            Self::User { unique_id, .. } => Some(unique_id.clone()),
            Self::Role(session) => Some(format!("{}:{}", session.role_unique_id, session.session_name)),
            Self::UserSession(session) => session.owner.user_id(),
            Self::RootSession(session) => session.owner.user_id(),
            Self::Federated(session) => Some(format!("{}:{}", session.account.as_str(), session.name)),
            Self::Anonymous | Self::Service { .. } | Self::Bearer { .. } | Self::WebIdentity(_) => None,
        }
    }

    /// Whose policies bind the caller: the owner behind temporary credentials of a user or of the root, otherwise the caller
    /// itself.
    pub fn owner(&self) -> &Self {
        match self {
            Self::UserSession(session) => &session.owner,
            Self::RootSession(session) => &session.owner,
            Self::Federated(session) => &session.owner,
            other => other,
        }
    }

    /// Who acts: the user or root behind its session, otherwise the caller itself. A federated user is not its owner. It says
    /// who, not with what rights: a session of the root for one task has few of them.
    pub fn actor(&self) -> &Self {
        match self {
            Self::UserSession(session) => &session.owner,
            Self::RootSession(session) => &session.owner,
            other => other,
        }
    }

    /// When temporary credentials were made.
    pub fn issued_at(&self) -> Option<Timestamp> {
        match self {
            Self::Role(session) => Some(session.issued_at),
            Self::UserSession(session) => Some(session.issued_at),
            Self::RootSession(session) => Some(session.issued_at),
            Self::Federated(session) => Some(session.issued_at),
            _ => None,
        }
    }

    /// Session policies; `Some(&[])` grants nothing.
    pub(crate) fn session_policies(&self) -> Option<&[NamedPolicy]> {
        match self {
            Self::Role(session) => session.policies.as_deref(),
            Self::Federated(session) => Some(&session.policies),
            Self::RootSession(session) => Some(&session.policies),
            _ => None,
        }
    }

    /// Session tags.
    pub(crate) fn session_tags(&self) -> &[(String, String)] {
        match self {
            Self::Role(session) => &session.tags,
            Self::Federated(session) => &session.tags,
            _ => &[],
        }
    }

    /// The fact stored under `name` by the service that verified the in-band proof.
    pub fn bearer_fact(&self, name: &str) -> Option<&str> {
        match self {
            Self::Bearer { facts, .. } => {
                facts.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
            }
            _ => None,
        }
    }

    /// The caller as the policy engine matches it.
    pub fn principal(&self) -> Principal {
        match self {
            Self::Anonymous | Self::Bearer { .. } => Principal::Anonymous,
            Self::Root { account } => Principal::Root { account: account.as_str().to_owned() },
            Self::User { arn, unique_id, account, .. } => Principal::User {
                arn: arn.as_str().to_owned(),
                unique_id: unique_id.clone(),
                account: account.as_str().to_owned(),
            },
            Self::Role(session) => Principal::Session {
                role_arn: session.role_arn.as_str().to_owned(),
                role_unique_id: session.role_unique_id.clone(),
                session_arn: session.session_arn.as_str().to_owned(),
                account: session.account.as_str().to_owned(),
            },
            Self::UserSession(session) => session.owner.principal(),
            Self::RootSession(session) => session.owner.principal(),
            Self::Federated(session) => Principal::FederatedUser {
                arn: session.arn.as_str().to_owned(),
                account: session.account.as_str().to_owned(),
            },
            Self::WebIdentity(identity) => {
                Principal::WebIdentity { provider: identity.provider.as_str().to_owned() }
            }
            Self::Service { principal, .. } => Principal::Service { name: (*principal).to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearers_facts_are_told_by_name_and_nobody_else_has_any() {
        let issuer = Arn::parse("arn:aws:pool:us-east-1:123456789012:pool/p").unwrap();
        let facts = vec![("username", "ann".to_owned()), ("client", "c".to_owned())];
        let bearer = Caller::Bearer { issuer, subject: "s".to_owned(), facts };
        assert_eq!(bearer.bearer_fact("username"), Some("ann"));
        assert_eq!(bearer.bearer_fact("client"), Some("c"));
        assert_eq!(bearer.bearer_fact("s"), None);
        assert_eq!(Caller::Anonymous.bearer_fact("username"), None);
    }
}
