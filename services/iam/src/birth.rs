//! What every account lets AWS's organisations service do in it, whatever its own policies say: make the role through which
//! the organisation that made the account reaches it. The call must be made for that very account.

use std::sync::Arc;

use casemate_kernel::{
    Fault, ResourcePolicy,
    policy::{Kind, NamedPolicy, Policy, ResourceRule},
};
use casemate_names::Arn;

/// Who may.
const ORGANIZATIONS: &str = "organizations.amazonaws.com";

/// What it takes to make a role that can do something.
const ACTIONS: [&str; 2] = ["iam:CreateRole", "iam:PutRolePolicy"];

/// The built-in policy of a role for these actions. It names a service only, so it gives users and roles nothing.
pub(crate) fn policy(arn: &Arn, action: &str) -> Result<Option<ResourcePolicy>, Fault> {
    let Some(account) = arn.account_id().filter(|_| arn.resource().starts_with("role/")) else {
        return Ok(None);
    };
    if !ACTIONS.contains(&action) {
        return Ok(None);
    }
    // The role's name is the caller's text and has not been checked yet, so it must not get into the document.
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Service":"{ORGANIZATIONS}"}},"Action":"{action}","Resource":"*","Condition":{{"StringEquals":{{"aws:SourceAccount":"{account}"}}}}}}}}"#
    );
    let policy = Policy::parse(&text, Kind::Resource).map_err(Fault::internal)?;
    let policy = NamedPolicy { name: "built-in policy of a new account".into(), policy: Arc::new(policy) };
    Ok(Some(ResourcePolicy::new(policy, ResourceRule::Ordinary)))
}
