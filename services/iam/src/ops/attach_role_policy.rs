//! `AttachRolePolicy`: attaches a managed policy to a role.

use crate::{
    Iam,
    api::{AttachRolePolicy, AttachRolePolicyInput, AttachRolePolicyOutput, Error},
    holder,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<AttachRolePolicy> for Iam {
    fn access(&self, input: &AttachRolePolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on::<RoleRow>("iam:AttachRolePolicy", &input.role_name, caller)?
            .with("iam:PolicyARN", input.policy_arn.clone()))
    }

    async fn run(&self, call: Call<AttachRolePolicy>) -> Result<AttachRolePolicyOutput, Error> {
        let env = self.env.clone();
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::attach::<RoleRow>(tx, &env, &scope, &input.role_name, &input.policy_arn)
        })
        .await?;
        Ok(AttachRolePolicyOutput {})
    }
}
