//! `DeleteRolePolicy`: removes an inline policy of a role.

use crate::{
    Iam,
    api::{DeleteRolePolicy, DeleteRolePolicyInput, DeleteRolePolicyOutput, Error},
    holder,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<DeleteRolePolicy> for Iam {
    fn access(&self, input: &DeleteRolePolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:DeleteRolePolicy", &input.role_name, caller)
    }

    async fn run(&self, call: Call<DeleteRolePolicy>) -> Result<DeleteRolePolicyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::delete_inline::<RoleRow>(tx, &scope, &input.role_name, &input.policy_name)
        })
        .await?;
        Ok(DeleteRolePolicyOutput {})
    }
}
