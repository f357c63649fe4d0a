//! `AttachPolicy`: a policy has effect on a root, unit or account from the next request on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{AttachPolicy, AttachPolicyInput, AttachPolicyOutput, Error},
    policies,
};

impl Operation<AttachPolicy> for Organizations {
    fn access(&self, input: &AttachPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:AttachPolicy", &[&input.policy_id, &input.target_id], None, caller)
    }

    async fn run(&self, call: Call<AttachPolicy>) -> Result<AttachPolicyOutput, Error> {
        let input = call.input.clone();
        self.change(call.scope(), move |tx, organization| {
            let policy = policies::existing(tx, organization, &input.policy_id)?;
            organization.attach(&policy.id, policy.kind, &input.target_id)
        })
        .await?;
        Ok(AttachPolicyOutput {})
    }
}
