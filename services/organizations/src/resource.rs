//! ARNs of organisations and what is in them.

use casemate_names::{AccountId, Arn};

use crate::document::PolicyKind;

/// The partition of every organisation here.
const PARTITION: &str = "aws";

/// The two things every ARN of an organisation names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) management: &'a AccountId,
    pub(crate) organization: &'a str,
}

impl Place<'_> {
    /// The organisation's own ARN.
    pub(crate) fn arn(&self) -> Arn {
        self.global(&format!("organization/{}", self.organization))
    }

    /// The ARN of a root, unit, account, policy, handshake or transfer, told apart by the form of their ids.
    pub(crate) fn arn_of(&self, id: &str, kind: Option<PolicyKind>) -> Arn {
        let noun = if id.starts_with("r-") {
            "root"
        } else if id.starts_with("ou-") {
            "ou"
        } else if id.starts_with("p-") {
            return self.policy_arn(id, kind.unwrap_or(PolicyKind::ServiceControl));
        } else if id.starts_with("h-") {
            // Of none here is known what it is about, which its ARN would say.
            return self.global(&format!("handshake/{}/*/{id}", self.organization));
        } else if id.starts_with("rt-") {
            return self.global(&format!("transfer/{}/*/*/{id}", self.organization));
        } else {
            "account"
        };
        self.global(&format!("{noun}/{}/{id}", self.organization))
    }

    fn policy_arn(&self, id: &str, kind: PolicyKind) -> Arn {
        if crate::policies::is_aws_managed(id) {
            let resource = format!("policy/{}/{id}", kind.in_arn());
            return Arn::from_parts([PARTITION, "organizations", "", "aws", &resource]);
        }
        self.global(&format!("policy/{}/{}/{id}", self.organization, kind.in_arn()))
    }

    fn global(&self, resource: &str) -> Arn {
        Arn::from_parts([PARTITION, "organizations", "", self.management.as_str(), resource])
    }
}

/// The organisation and the id of what an ARN names.
pub(crate) fn parts(arn: &Arn) -> Option<(&str, &str)> {
    let mut segments = arn.resource().split('/');
    let (_noun, organization) = (segments.next()?, segments.next()?);
    Some((organization, segments.next_back()?))
}

/// An account's own root user: the one thing of an account that exists as soon as it does.
pub(crate) fn account_root(account: &AccountId) -> Arn {
    Arn::from_parts([PARTITION, "iam", "", account.as_str(), "root"])
}
