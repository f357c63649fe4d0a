//! `CreatePolicy`: makes a managed policy with its first version.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{CreatePolicy, CreatePolicyInput, CreatePolicyOutput, Error},
    documents,
    resource::entity_arn,
    rows::{PolicyRow, Version, name_key},
    show::{AnyPolicy, Detail},
    tags, to_the_second,
};

/// Customer-managed policies per account.
// AWS: IAM quotas, "Customer managed policies in an account" (default).
pub(crate) const POLICIES_MAX: usize = 1500;

impl Operation<CreatePolicy> for Iam {
    fn access(&self, input: &CreatePolicyInput, caller: &Caller) -> Result<Access, Error> {
        let path = input.path.as_deref().unwrap_or("/");
        let arn = entity_arn(&self.scope(caller), "policy", path, &input.policy_name);
        Ok(tags::asked_with(Access::on("iam:CreatePolicy", arn), input.tags.as_deref()))
    }

    async fn run(&self, call: Call<CreatePolicy>) -> Result<CreatePolicyOutput, Error> {
        documents::check_managed(&call.input.policy_document)?;
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let unique_id = self.unique_id("ANPA");
        let input = call.input;
        let row = PolicyRow {
            tags: tags::taken(input.tags.as_deref())?,
            name: input.policy_name,
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            unique_id,
            created_at: now,
            updated_at: now,
            description: input.description,
            versions: vec![Version { number: 1, document: input.policy_document, created_at: now }],
            default_version: 1,
            next_version: 2,
        };
        let policy = self
            .change(move |tx| {
                if tx.exists::<PolicyRow>(&name_key(&scope, &row.name))? {
                    // AWS: text of EntityAlreadyExists.
                    let text = format!(
                        "A policy called {} already exists. Duplicate names are not allowed.",
                        row.name
                    );
                    return Err(Error::entity_already_exists_exception(text));
                }
                if tx.keys::<PolicyRow>(&Key::of_account(&scope), None, POLICIES_MAX)?.len() >= POLICIES_MAX {
                    let text = format!("Cannot exceed quota for PoliciesPerAccount: {POLICIES_MAX}");
                    return Err(Error::limit_exceeded_exception(text));
                }
                row.save(tx, &scope)?;
                AnyPolicy::Own(Box::new(row.clone())).shown(tx, &scope, Detail::Full)
            })
            .await?;
        Ok(CreatePolicyOutput { policy: Some(policy) })
    }
}
