//! `DetachRolePolicy`: detaches a managed policy from a role.

use crate::{
    Iam,
    api::{DetachRolePolicy, DetachRolePolicyInput, DetachRolePolicyOutput, Error},
    holder,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<DetachRolePolicy> for Iam {
    fn access(&self, input: &DetachRolePolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on::<RoleRow>("iam:DetachRolePolicy", &input.role_name, caller)?
            .with("iam:PolicyARN", input.policy_arn.clone()))
    }

    async fn run(&self, call: Call<DetachRolePolicy>) -> Result<DetachRolePolicyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| holder::detach::<RoleRow>(tx, &scope, &input.role_name, &input.policy_arn))
            .await?;
        Ok(DetachRolePolicyOutput {})
    }
}
