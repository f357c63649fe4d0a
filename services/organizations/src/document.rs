//! Kinds of policies and the grammar of their documents.

use std::sync::Arc;

use casemate_kernel::{
    Fault,
    policy::{Kind, Policy},
};
use serde::{Deserialize, Serialize};

use crate::{
    api::{ConstraintViolationExceptionReason as Limit, Error, PolicyType},
    refusal,
};

/// Characters of a document, white space included.
// AWS: Organizations quotas, "Maximum size of a policy document", for both kinds.
pub(crate) const CHARS_MAX: usize = 5120;

/// What a policy limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum PolicyKind {
    /// What principals of an account may do.
    ServiceControl,
    /// What may be done to resources of an account.
    ResourceControl,
}

impl PolicyKind {
    /// The kind of an API type; the other types are refused.
    pub(crate) fn of(api: PolicyType) -> Result<Self, Error> {
        match api {
            PolicyType::ServiceControlPolicy => Ok(Self::ServiceControl),
            PolicyType::ResourceControlPolicy => Ok(Self::ResourceControl),
            other => Err(refusal::type_not_available(other.as_str())),
        }
    }

    pub(crate) fn api(self) -> PolicyType {
        match self {
            Self::ServiceControl => PolicyType::ServiceControlPolicy,
            Self::ResourceControl => PolicyType::ResourceControlPolicy,
        }
    }

    /// As it appears in ARNs.
    pub(crate) fn in_arn(self) -> &'static str {
        match self {
            Self::ServiceControl => "service_control_policy",
            Self::ResourceControl => "resource_control_policy",
        }
    }

    fn grammar(self) -> Kind {
        match self {
            Self::ServiceControl => Kind::ServiceControl,
            Self::ResourceControl => Kind::ResourceControl,
        }
    }

    fn denying_everything(self) -> &'static str {
        match self {
            Self::ServiceControl => {
                r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#
            }
            Self::ResourceControl => {
                r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#
            }
        }
    }
}

/// Checks a document before it is stored.
pub(crate) fn check(text: &str, kind: PolicyKind) -> Result<(), Error> {
    if text.chars().count() > CHARS_MAX {
        let message = format!("The policy document is longer than {CHARS_MAX} characters.");
        return Err(refusal::limit(Limit::PolicyContentLimitExceeded, message));
    }
    Policy::parse(text, kind.grammar()).map(drop).map_err(|_| {
        // AWS: text of MalformedPolicyDocumentException.
        Error::malformed_policy_document_exception(
            "The provided policy document does not meet the requirements of the specified policy type.",
        )
    })
}

/// Compiles a stored document. One that no longer parses denies everything: what cannot be understood must not be without
/// effect.
pub(crate) fn compiled(text: &str, kind: PolicyKind) -> Result<Arc<Policy>, Fault> {
    match Policy::parse(text, kind.grammar()) {
        Ok(policy) => Ok(Arc::new(policy)),
        Err(_) => denying_everything(kind),
    }
}

/// What a closed account, and a document that nobody understands, amount to.
pub(crate) fn denying_everything(kind: PolicyKind) -> Result<Arc<Policy>, Fault> {
    Policy::parse(kind.denying_everything(), kind.grammar()).map(Arc::new).map_err(Fault::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use casemate_kernel::policy::{Effect3, NoContext, Principal, Request, evaluate};

    fn verdict(policy: &Policy) -> Effect3<'_> {
        let principal = Principal::Root { account: "123456789012".to_owned() };
        let request = Request {
            principal: &principal,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::b/k",
            resource_account: None,
            context: &NoContext,
        };
        evaluate(policy, &request)
    }

    #[test]
    fn a_stored_document_that_no_longer_parses_denies_everything() {
        for kind in [PolicyKind::ServiceControl, PolicyKind::ResourceControl] {
            for text in ["", "{", r#"{"Version":"2012-10-17","Statement":[]}"#] {
                let policy = compiled(text, kind).unwrap();
                assert!(matches!(verdict(&policy), Effect3::Deny(_)), "{kind:?} {text}");
            }
        }
    }

    #[test]
    fn a_document_of_the_other_kind_or_too_long_is_not_stored() {
        let scp = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        assert!(check(scp, PolicyKind::ServiceControl).is_ok());
        assert!(check(scp, PolicyKind::ResourceControl).is_err());
        let with_principal = PolicyKind::ResourceControl.denying_everything();
        assert!(check(with_principal, PolicyKind::ResourceControl).is_ok());
        assert!(check(with_principal, PolicyKind::ServiceControl).is_err());
        let padded = |length: usize| format!("{scp}{}", " ".repeat(length - scp.len()));
        assert!(check(&padded(CHARS_MAX), PolicyKind::ServiceControl).is_ok());
        let refused = check(&padded(CHARS_MAX + 1), PolicyKind::ServiceControl);
        assert!(matches!(refused, Err(Error::ConstraintViolationException(_))));
    }
}
