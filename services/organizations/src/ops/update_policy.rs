//! `UpdatePolicy`: another name, description or document, in force where it is attached from the next request on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, UpdatePolicy, UpdatePolicyInput, UpdatePolicyOutput},
    document, policies,
    rows::policy_key,
    show,
};

impl Operation<UpdatePolicy> for Organizations {
    fn access(&self, input: &UpdatePolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:UpdatePolicy", &[&input.policy_id], None, caller)
    }

    async fn run(&self, call: Call<UpdatePolicy>) -> Result<UpdatePolicyOutput, Error> {
        let input = call.input.clone();
        let policy = self
            .change(call.scope(), move |tx, organization| {
                let mut policy = policies::changeable(tx, organization, &input.policy_id)?;
                if let Some(content) = &input.content {
                    document::check(content, policy.kind)?;
                    policy.content.clone_from(content);
                }
                if let Some(name) = &input.name {
                    policy.name.clone_from(name);
                    policies::check_name(tx, organization, &policy)?;
                }
                if let Some(description) = &input.description {
                    policy.description.clone_from(description);
                }
                tx.put(&policy_key(&organization.id, &policy.id), &policy)?;
                Ok(show::policy(organization, &policy))
            })
            .await?;
        Ok(UpdatePolicyOutput { policy: Some(policy) })
    }
}
