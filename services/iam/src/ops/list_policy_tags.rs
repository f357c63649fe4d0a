//! `ListPolicyTags`: the tags of a managed policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ListPolicyTags, ListPolicyTagsInput, ListPolicyTagsOutput},
    page::Paging,
    show::AnyPolicy,
    tags,
};

impl Operation<ListPolicyTags> for Iam {
    fn access(&self, input: &ListPolicyTagsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:ListPolicyTags", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<ListPolicyTags>) -> Result<ListPolicyTagsOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let policy = self.read(|tx| AnyPolicy::fetch(tx, call.scope(), &input.policy_arn))?;
        let tags = match policy {
            AnyPolicy::Own(row) => row.tags,
            AnyPolicy::Aws(_) => Vec::new(),
        };
        let page = tags::page(&tags, &paging)?;
        Ok(ListPolicyTagsOutput {
            is_truncated: Some(page.is_truncated()),
            tags: page.items,
            marker: page.marker,
        })
    }
}
