//! `ListGroupsForUser`: the groups a user is in.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ListGroupsForUser, ListGroupsForUserInput, ListGroupsForUserOutput},
    membership,
    page::Paging,
    rows::UserRow,
    show,
};

impl Operation<ListGroupsForUser> for Iam {
    fn access(&self, input: &ListGroupsForUserInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:ListGroupsForUser", &input.user_name, caller)
    }

    async fn run(&self, call: Call<ListGroupsForUser>) -> Result<ListGroupsForUserOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let page = self.read(|tx| membership::group_page(tx, scope, &input.user_name, &paging))?;
        Ok(ListGroupsForUserOutput {
            is_truncated: Some(page.is_truncated()),
            groups: page.items.iter().map(|group| show::group(group, scope)).collect(),
            marker: page.marker,
        })
    }
}
