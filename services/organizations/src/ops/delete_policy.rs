//! `DeletePolicy`: only one that is attached to nothing.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DeletePolicy, DeletePolicyInput, DeletePolicyOutput, Error},
    policies,
    rows::{PolicyRow, policy_key},
};

impl Operation<DeletePolicy> for Organizations {
    fn access(&self, input: &DeletePolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:DeletePolicy", &[&input.policy_id], None, caller)
    }

    async fn run(&self, call: Call<DeletePolicy>) -> Result<DeletePolicyOutput, Error> {
        let id = call.input.policy_id.clone();
        self.change(call.scope(), move |tx, organization| {
            let policy = policies::changeable(tx, organization, &id)?;
            if !organization.targets_of(&id, policy.kind).is_empty() {
                // AWS: API reference, PolicyInUseException.
                return Err(Error::policy_in_use_exception(
                    "The policy is attached to one or more entities. You must detach it from all roots, OUs, and \
                     accounts before performing this operation.",
                ));
            }
            organization.forget(&id);
            Ok(tx.delete::<PolicyRow>(&policy_key(&organization.id, &id))?)
        })
        .await?;
        Ok(DeletePolicyOutput {})
    }
}
