//! How a new account gets its first role: through the gate, by the identity service, in the new account. Refuses to know
//! how roles are kept.

use casemate_kernel::{As, Fault, Permit};
use casemate_names::AccountId;
use casemate_schema::Document;

use crate::resource::account_root;

/// The role's name unless the caller gives another.
// AWS: API reference, CreateAccount, `RoleName`.
pub(crate) const ROLE_NAME: &str = "OrganizationAccountAccessRole";

/// The name of the role's policy.
const POLICY_NAME: &str = "AdministratorAccess";

const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Makes the role that trusts the management account. The call speaks as this service for the new account, so it acts in
/// that account and nowhere else.
// AWS: Organizations User Guide, "Accessing member accounts": full administrator permissions, trusted is the account.
pub(crate) async fn make_role(
    permit: &Permit,
    management: &AccountId,
    account: &AccountId,
    role: &str,
) -> Result<(), Fault> {
    let speaker = As::Service { source: account_root(account) };
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"AWS": account_root(management).as_str()},
            "Action": "sts:AssumeRole",
        }],
    });
    let made = Document::structure([
        ("RoleName", role.into()),
        ("AssumeRolePolicyDocument", trust.to_string().as_str().into()),
    ]);
    permit.invoke("iam", "CreateRole", speaker.clone(), made).await?;
    let allowed = Document::structure([
        ("RoleName", role.into()),
        ("PolicyName", POLICY_NAME.into()),
        ("PolicyDocument", EVERYTHING.into()),
    ]);
    permit.invoke("iam", "PutRolePolicy", speaker, allowed).await.map(drop)
}
