//! `DetachGroupPolicy`: detaches a managed policy from a group.

use crate::{
    Iam,
    api::{DetachGroupPolicy, DetachGroupPolicyInput, DetachGroupPolicyOutput, Error},
    holder,
    rows::GroupRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<DetachGroupPolicy> for Iam {
    fn access(&self, input: &DetachGroupPolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on::<GroupRow>("iam:DetachGroupPolicy", &input.group_name, caller)?
            .with("iam:PolicyARN", input.policy_arn.clone()))
    }

    async fn run(&self, call: Call<DetachGroupPolicy>) -> Result<DetachGroupPolicyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| holder::detach::<GroupRow>(tx, &scope, &input.group_name, &input.policy_arn))
            .await?;
        Ok(DetachGroupPolicyOutput {})
    }
}
