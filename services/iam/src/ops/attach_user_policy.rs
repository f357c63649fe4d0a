//! `AttachUserPolicy`: attaches a managed policy to a user.

use crate::{
    Iam,
    api::{AttachUserPolicy, AttachUserPolicyInput, AttachUserPolicyOutput, Error},
    holder,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<AttachUserPolicy> for Iam {
    fn access(&self, input: &AttachUserPolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on::<UserRow>("iam:AttachUserPolicy", &input.user_name, caller)?
            .with("iam:PolicyARN", input.policy_arn.clone()))
    }

    async fn run(&self, call: Call<AttachUserPolicy>) -> Result<AttachUserPolicyOutput, Error> {
        let env = self.env.clone();
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::attach::<UserRow>(tx, &env, &scope, &input.user_name, &input.policy_arn)
        })
        .await?;
        Ok(AttachUserPolicyOutput {})
    }
}
