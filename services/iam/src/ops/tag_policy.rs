//! `TagPolicy`: adds or replaces tags of a managed policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, TagPolicy, TagPolicyInput, TagPolicyOutput},
    show, tags,
};

impl Operation<TagPolicy> for Iam {
    fn access(&self, input: &TagPolicyInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_policy("iam:TagPolicy", &input.policy_arn, caller);
        Ok(tags::asked_with(access, Some(&input.tags)))
    }

    async fn run(&self, call: Call<TagPolicy>) -> Result<TagPolicyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        let given = tags::pairs(&input.tags);
        self.change(move |tx| {
            let mut row = show::own(tx, &scope, &input.policy_arn)?;
            tags::add(&mut row.tags, &given)?;
            row.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(TagPolicyOutput {})
    }
}
