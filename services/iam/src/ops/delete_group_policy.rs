//! `DeleteGroupPolicy`: removes an inline policy of a group.

use crate::{
    Iam,
    api::{DeleteGroupPolicy, DeleteGroupPolicyInput, DeleteGroupPolicyOutput, Error},
    holder,
    rows::GroupRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<DeleteGroupPolicy> for Iam {
    fn access(&self, input: &DeleteGroupPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:DeleteGroupPolicy", &input.group_name, caller)
    }

    async fn run(&self, call: Call<DeleteGroupPolicy>) -> Result<DeleteGroupPolicyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::delete_inline::<GroupRow>(tx, &scope, &input.group_name, &input.policy_name)
        })
        .await?;
        Ok(DeleteGroupPolicyOutput {})
    }
}
