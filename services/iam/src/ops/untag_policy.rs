//! `UntagPolicy`: removes tags of a managed policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UntagPolicy, UntagPolicyInput, UntagPolicyOutput},
    show, tags,
};

impl Operation<UntagPolicy> for Iam {
    fn access(&self, input: &UntagPolicyInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_policy("iam:UntagPolicy", &input.policy_arn, caller);
        Ok(access.with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(&self, call: Call<UntagPolicy>) -> Result<UntagPolicyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let mut row = show::own(tx, &scope, &input.policy_arn)?;
            tags::remove(&mut row.tags, &input.tag_keys);
            row.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(UntagPolicyOutput {})
    }
}
