//! `PutGroupPolicy`: adds or replaces an inline policy of a group.

use crate::{
    Iam,
    api::{Error, PutGroupPolicy, PutGroupPolicyInput, PutGroupPolicyOutput},
    documents, holder,
    rows::GroupRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<PutGroupPolicy> for Iam {
    fn access(&self, input: &PutGroupPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:PutGroupPolicy", &input.group_name, caller)
    }

    async fn run(&self, call: Call<PutGroupPolicy>) -> Result<PutGroupPolicyOutput, Error> {
        documents::check_identity(&call.input.policy_document)?;
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::put_inline::<GroupRow>(
                tx,
                &scope,
                &input.group_name,
                &input.policy_name,
                &input.policy_document,
            )
        })
        .await?;
        Ok(PutGroupPolicyOutput {})
    }
}
