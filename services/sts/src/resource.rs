//! ARNs of what STS speaks of and others own, and of federated users.

use casemate_names::{AccountId, Arn};

/// `arn:aws:iam::123456789012:oidc-provider/host/path` for an issuer's address.
pub(crate) fn oidc_provider_arn(account: &AccountId, issuer: &str) -> Arn {
    let tail = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    Arn::from_parts(["aws", "iam", "", account.as_str(), &format!("oidc-provider/{tail}")])
}

/// `arn:aws:iam::123456789012:root`
pub(crate) fn root_arn(account: &AccountId) -> Arn {
    Arn::from_parts(["aws", "iam", "", account.as_str(), "root"])
}

/// The account whose root this is.
pub(crate) fn account_of_root(arn: &Arn) -> Option<AccountId> {
    arn.account_id().filter(|account| *arn == root_arn(account))
}

/// `arn:aws:sts::123456789012:federated-user/name`
pub(crate) fn federated_user_arn(account: &AccountId, name: &str) -> Arn {
    Arn::from_parts(["aws", "sts", "", account.as_str(), &format!("federated-user/{name}")])
}
