//! `ListUserTags`: the tags of a user.

use crate::{
    Iam,
    api::{Error, ListUserTags, ListUserTagsInput, ListUserTagsOutput},
    holder,
    page::Paging,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<ListUserTags> for Iam {
    fn access(&self, input: &ListUserTagsInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:ListUserTags", &input.user_name, caller)
    }

    async fn run(&self, call: Call<ListUserTags>) -> Result<ListUserTagsOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let page =
            self.read(|tx| holder::tag_page::<UserRow>(tx, call.scope(), &input.user_name, &paging))?;
        Ok(ListUserTagsOutput {
            is_truncated: Some(page.is_truncated()),
            tags: page.items,
            marker: page.marker,
        })
    }
}
