//! `DeleteUserPolicy`: removes an inline policy of a user.

use crate::{
    Iam,
    api::{DeleteUserPolicy, DeleteUserPolicyInput, DeleteUserPolicyOutput, Error},
    holder,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<DeleteUserPolicy> for Iam {
    fn access(&self, input: &DeleteUserPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:DeleteUserPolicy", &input.user_name, caller)
    }

    async fn run(&self, call: Call<DeleteUserPolicy>) -> Result<DeleteUserPolicyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::delete_inline::<UserRow>(tx, &scope, &input.user_name, &input.policy_name)
        })
        .await?;
        Ok(DeleteUserPolicyOutput {})
    }
}
