//! The answer of the engine and its words. Refuses to know how the answer was found.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Name;

/// Allowed, or which kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Go ahead.
    Allow,
    /// Nothing allows it.
    ImplicitDeny,
    /// A statement forbids it.
    ExplicitDeny,
}

/// The kind of policy that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Policies attached to the user, its groups or the role.
    Identity,
    /// The policy of the resource.
    Resource,
    /// The trust policy of a role.
    Trust,
    /// The permissions boundary of the user or role.
    Boundary,
    /// The policies a session was made with.
    Session,
    /// The organisation's ceiling on the principal's account.
    ServiceControl,
    /// The organisation's ceiling on the resource's account.
    ResourceControl,
    /// The policy of the VPC endpoint the request came through.
    VpcEndpoint,
    /// A single grant on the resource, beside its policy.
    Grant,
    /// No policy: the account's root user.
    Root,
}

/// The statement that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisive {
    /// The policy's name as given in [`crate::NamedPolicy`].
    pub policy: Name,
    /// The statement's `Sid`, if it has one.
    pub sid: Option<Name>,
    /// The position of the statement in its document, from 0.
    pub statement: usize,
}

/// The statement that decided, borrowed from the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// The policy's name as given in [`crate::NamedPolicy`], or the grant's.
    pub policy: &'a str,
    /// The statement's `Sid`, if it has one.
    pub sid: Option<&'a str>,
    /// The position of the statement in its document, from 0.
    pub statement: usize,
}

/// The engine's answer, borrowed from the policies: made without allocating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling<'a> {
    /// Yes or no.
    pub verdict: Verdict,
    /// The layer that granted, or that refused or did not grant.
    pub layer: Layer,
    /// The statement, unless the absence of one decided.
    pub decisive: Option<Source<'a>>,
}

/// Why the verdict is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The layer that granted, or that refused or did not grant.
    pub layer: Layer,
    /// The statement, unless the absence of one decided.
    pub decisive: Option<Decisive>,
}

/// The engine's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// Why.
    pub because: Reason,
}

impl Decision {
    /// Whether the request may go ahead.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    /// The sentence AWS puts in its access-denied errors. Callers of another account get it without the reason:
    /// [`Decision::brief_text`].
    // AWS: IAM User Guide, "Access denied error message format".
    pub fn denial_text(&self, principal_arn: &str, action: &str, resource: &str) -> String {
        let brief = Self::brief_text(principal_arn, action, resource);
        match (self.verdict, self.because.layer) {
            (Verdict::Allow, _) | (Verdict::ImplicitDeny, Layer::Root | Layer::Grant) => brief,
            (Verdict::ImplicitDeny, Layer::Boundary) => {
                format!("{brief} because no permissions boundary allows the {action} action")
            }
            (Verdict::ImplicitDeny, layer) => {
                format!("{brief} because no {layer} policy allows the {action} action")
            }
            (Verdict::ExplicitDeny, layer) => {
                let kind = match layer {
                    Layer::Boundary => "a permissions boundary".to_owned(),
                    Layer::Identity => format!("an {layer} policy"),
                    _ => format!("a {layer} policy"),
                };
                let named = self.denying_arn().map(|arn| format!(": {arn}")).unwrap_or_default();
                format!("{brief} with an explicit deny in {kind}{named}")
            }
        }
    }

    /// The ARN of the policy that forbids, if it has one: an inline policy has not.
    // AWS: Security Blog, "Enhanced access denied error messages with policy ARNs" (2026): of these kinds of policies.
    fn denying_arn(&self) -> Option<&str> {
        match self.because.layer {
            Layer::ServiceControl
            | Layer::ResourceControl
            | Layer::Boundary
            | Layer::Session
            | Layer::Identity => self.because.decisive.as_ref().map(|decisive| &*decisive.policy),
            Layer::Resource | Layer::Trust | Layer::VpcEndpoint | Layer::Grant | Layer::Root => None,
        }
        .filter(|name| name.starts_with("arn:"))
    }

    /// The sentence without a reason, as AWS shows it across accounts.
    pub fn brief_text(principal_arn: &str, action: &str, resource: &str) -> String {
        format!("User: {principal_arn} is not authorized to perform: {action} on resource: {resource}")
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity-based",
            Self::Resource => "resource-based",
            Self::Trust => "role trust",
            Self::Boundary => "permissions boundary",
            Self::Session => "session",
            Self::ServiceControl => "service control",
            Self::ResourceControl => "resource control",
            Self::VpcEndpoint => "VPC endpoint",
            Self::Grant => "grant",
            Self::Root => "root",
        })
    }
}
