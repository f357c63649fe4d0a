//! What a request is, as far as policies can see: who asks, for which action on which resource, with which context
//! keys. Refuses to know where the facts come from.

use std::borrow::Cow;

/// The value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Known not to be part of this request.
    Absent,
    /// The platform cannot tell. Never satisfies an Allow, always satisfies a Deny.
    Unknown,
    /// A single-valued key.
    One(Cow<'a, str>),
    /// A multi-valued key; may be empty, which counts as absent.
    Many(Vec<Cow<'a, str>>),
}

impl<'a> Value<'a> {
    /// A borrowed single value.
    pub fn one(text: &'a str) -> Self {
        Self::One(Cow::Borrowed(text))
    }
}

/// The condition keys of one request, looked up lazily: a key is asked for only if a candidate statement mentions it.
pub trait Context {
    /// The value of `key`, which is always given in lower case (`aws:principaltag/team`): AWS compares key names without
    /// regard to case.
    fn value<'a>(&'a self, key: &str) -> Value<'a>;
}

/// A request without any condition keys: every key is absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoContext;

impl Context for NoContext {
    fn value<'a>(&'a self, _key: &str) -> Value<'a> {
        Value::Absent
    }
}

/// Who asks, with the facts that `Principal` elements are matched against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody has signed.
    Anonymous,
    /// The root user of an account.
    Root {
        /// Twelve digits.
        account: String,
    },
    /// An IAM user.
    User {
        /// `arn:aws:iam::123456789012:user/path/name`
        arn: String,
        /// `AIDA…`
        unique_id: String,
        /// Twelve digits.
        account: String,
    },
    /// A session of a role.
    Session {
        /// `arn:aws:iam::123456789012:role/path/name`
        role_arn: String,
        /// `AROA…`
        role_unique_id: String,
        /// `arn:aws:sts::123456789012:assumed-role/name/session`
        session_arn: String,
        /// Twelve digits.
        account: String,
    },
    /// A session made by `GetFederationToken`.
    FederatedUser {
        /// `arn:aws:sts::123456789012:federated-user/name`
        arn: String,
        /// Twelve digits.
        account: String,
    },
    /// A service acting on its own behalf, e.g. `apigateway.amazonaws.com`.
    Service {
        /// The full name.
        name: String,
    },
    /// A user of an OpenID Connect or SAML provider, not yet anybody in an account.
    WebIdentity {
        /// What `Principal: {"Federated": …}` names: a provider's ARN or host name.
        provider: String,
    },
}

impl Principal {
    /// The account whose identity policies and service control policies govern this principal, if any.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Anonymous | Self::Service { .. } | Self::WebIdentity { .. } => None,
            Self::Root { account }
            | Self::User { account, .. }
            | Self::Session { account, .. }
            | Self::FederatedUser { account, .. } => Some(account),
        }
    }
}

/// One question: may this principal do this action on this resource?
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// `dynamodb:GetItem`
    pub action: &'a str,
    /// An ARN, or `*` for actions without resource-level permissions.
    pub resource: &'a str,
    /// The account that owns the resource; `None` where the resource belongs to the caller's own account.
    pub resource_account: Option<&'a str>,
    /// The condition keys.
    pub context: &'a dyn Context,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("principal", self.principal)
            .field("action", &self.action)
            .field("resource", &self.resource)
            .field("resource_account", &self.resource_account)
            .finish_non_exhaustive()
    }
}
