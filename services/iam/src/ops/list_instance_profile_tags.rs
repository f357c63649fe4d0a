//! `ListInstanceProfileTags`: the tags of an instance profile.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ListInstanceProfileTags, ListInstanceProfileTagsInput, ListInstanceProfileTagsOutput},
    page::Paging,
    profiles::ProfileRow,
    tags,
};

impl Operation<ListInstanceProfileTags> for Iam {
    fn access(&self, input: &ListInstanceProfileTagsInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_profile("iam:ListInstanceProfileTags", &input.instance_profile_name, caller)
    }

    async fn run(&self, call: Call<ListInstanceProfileTags>) -> Result<ListInstanceProfileTagsOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let profile = self.read(|tx| ProfileRow::fetch(tx, call.scope(), &input.instance_profile_name))?;
        let page = tags::page(&profile.tags, &paging)?;
        Ok(ListInstanceProfileTagsOutput {
            is_truncated: Some(page.is_truncated()),
            tags: page.items,
            marker: page.marker,
        })
    }
}
