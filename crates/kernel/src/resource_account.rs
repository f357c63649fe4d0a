//! Whose resource it is that an ask names. Most ARNs say so; of the others only the owning service knows, and where it
//! does not, nobody is let in. Refuses to know which services have such ARNs.

use std::borrow::Cow;

use casemate_names::AccountId;
use casemate_policy::Value;

use crate::{Ask, Caller, Fault, Kernel};

/// Stands in the place of an account in ARNs of what comes with the platform, and is in every account.
// AWS: e.g. `arn:aws:iam::aws:policy/ReadOnlyAccess`; IAM User Guide, "AWS managed policies".
const PLATFORM: &str = "aws";

/// Whose a resource is. Asked of the owning service only where the ARN names no account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceAccount {
    /// This account's.
    Of(AccountId),
    /// The caller's, whoever calls: the name means something else in every account, belongs to no account, or is not
    /// taken yet.
    Callers,
    /// It cannot be told: every ask on it is refused, whoever asks.
    Unknown,
}

impl ResourceAccount {
    /// Stands in for an unknown account in comparisons: it is nobody's.
    const NOBODYS: &'static str = "unknown";

    /// Whose resource `ask` names: never [`Self::Callers`], unless the caller has no account either.
    pub(crate) fn of(kernel: &Kernel, caller: &Caller, ask: &Ask) -> Result<Self, Fault> {
        let stated = match &ask.resource {
            None => Self::Callers,
            Some(arn) if arn.account() == PLATFORM => Self::Callers,
            Some(arn) => match (arn.account_id(), kernel.owner_of(arn.service())) {
                (Some(account), _) => Self::Of(account),
                (None, Some(owner)) => owner.resource_account(arn)?,
                (None, None) => Self::Unknown,
            },
        };
        Ok(match stated {
            Self::Callers => caller.account().map_or(Self::Callers, Self::Of),
            Self::Of(_) | Self::Unknown => stated,
        })
    }

    /// The account, where there is one and it is known.
    pub(crate) fn known(&self) -> Option<&AccountId> {
        match self {
            Self::Of(account) => Some(account),
            Self::Callers | Self::Unknown => None,
        }
    }

    /// As the policy engine compares it.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Of(account) => Some(account.as_str()),
            Self::Callers => None,
            Self::Unknown => Some(Self::NOBODYS),
        }
    }

    /// The value of `aws:ResourceAccount`.
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Of(account) => Value::One(Cow::Borrowed(account.as_str())),
            Self::Callers => Value::Absent,
            Self::Unknown => Value::Unknown,
        }
    }
}
