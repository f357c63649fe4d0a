//! `DetachPolicy`: a policy has no effect on a root, unit or account from the next request on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DetachPolicy, DetachPolicyInput, DetachPolicyOutput, Error},
    policies,
};

impl Operation<DetachPolicy> for Organizations {
    fn access(&self, input: &DetachPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:DetachPolicy", &[&input.policy_id, &input.target_id], None, caller)
    }

    async fn run(&self, call: Call<DetachPolicy>) -> Result<DetachPolicyOutput, Error> {
        let input = call.input.clone();
        self.change(call.scope(), move |tx, organization| {
            let policy = policies::existing(tx, organization, &input.policy_id)?;
            organization.detach(&policy.id, policy.kind, &input.target_id)
        })
        .await?;
        Ok(DetachPolicyOutput {})
    }
}
