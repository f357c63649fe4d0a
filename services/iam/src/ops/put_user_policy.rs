//! `PutUserPolicy`: adds or replaces an inline policy of a user.

use crate::{
    Iam,
    api::{Error, PutUserPolicy, PutUserPolicyInput, PutUserPolicyOutput},
    documents, holder,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<PutUserPolicy> for Iam {
    fn access(&self, input: &PutUserPolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:PutUserPolicy", &input.user_name, caller)
    }

    async fn run(&self, call: Call<PutUserPolicy>) -> Result<PutUserPolicyOutput, Error> {
        documents::check_identity(&call.input.policy_document)?;
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::put_inline::<UserRow>(
                tx,
                &scope,
                &input.user_name,
                &input.policy_name,
                &input.policy_document,
            )
        })
        .await?;
        Ok(PutUserPolicyOutput {})
    }
}
