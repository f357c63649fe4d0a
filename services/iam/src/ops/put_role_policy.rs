//! `PutRolePolicy`: adds or replaces an inline policy of a role.

use crate::{
    Iam,
    api::{Error, PutRolePolicy, PutRolePolicyInput, PutRolePolicyOutput},
    documents, holder,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<PutRolePolicy> for Iam {
    fn access(&self, input: &PutRolePolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:PutRolePolicy", &input.role_name, caller)
    }

    async fn run(&self, call: Call<PutRolePolicy>) -> Result<PutRolePolicyOutput, Error> {
        documents::check_identity(&call.input.policy_document)?;
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::put_inline::<RoleRow>(
                tx,
                &scope,
                &input.role_name,
                &input.policy_name,
                &input.policy_document,
            )
        })
        .await?;
        Ok(PutRolePolicyOutput {})
    }
}
