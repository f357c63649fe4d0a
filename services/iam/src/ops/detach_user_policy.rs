//! `DetachUserPolicy`: detaches a managed policy from a user.

use crate::{
    Iam,
    api::{DetachUserPolicy, DetachUserPolicyInput, DetachUserPolicyOutput, Error},
    holder,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<DetachUserPolicy> for Iam {
    fn access(&self, input: &DetachUserPolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on::<UserRow>("iam:DetachUserPolicy", &input.user_name, caller)?
            .with("iam:PolicyARN", input.policy_arn.clone()))
    }

    async fn run(&self, call: Call<DetachUserPolicy>) -> Result<DetachUserPolicyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| holder::detach::<UserRow>(tx, &scope, &input.user_name, &input.policy_arn))
            .await?;
        Ok(DetachUserPolicyOutput {})
    }
}
