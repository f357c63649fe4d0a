//! `AttachGroupPolicy`: attaches a managed policy to a group.

use crate::{
    Iam,
    api::{AttachGroupPolicy, AttachGroupPolicyInput, AttachGroupPolicyOutput, Error},
    holder,
    rows::GroupRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<AttachGroupPolicy> for Iam {
    fn access(&self, input: &AttachGroupPolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on::<GroupRow>("iam:AttachGroupPolicy", &input.group_name, caller)?
            .with("iam:PolicyARN", input.policy_arn.clone()))
    }

    async fn run(&self, call: Call<AttachGroupPolicy>) -> Result<AttachGroupPolicyOutput, Error> {
        let env = self.env.clone();
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::attach::<GroupRow>(tx, &env, &scope, &input.group_name, &input.policy_arn)
        })
        .await?;
        Ok(AttachGroupPolicyOutput {})
    }
}
