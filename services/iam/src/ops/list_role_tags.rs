//! `ListRoleTags`: the tags of a role.

use crate::{
    Iam,
    api::{Error, ListRoleTags, ListRoleTagsInput, ListRoleTagsOutput},
    holder,
    page::Paging,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<ListRoleTags> for Iam {
    fn access(&self, input: &ListRoleTagsInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:ListRoleTags", &input.role_name, caller)
    }

    async fn run(&self, call: Call<ListRoleTags>) -> Result<ListRoleTagsOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let page =
            self.read(|tx| holder::tag_page::<RoleRow>(tx, call.scope(), &input.role_name, &paging))?;
        Ok(ListRoleTagsOutput {
            is_truncated: Some(page.is_truncated()),
            tags: page.items,
            marker: page.marker,
        })
    }
}
