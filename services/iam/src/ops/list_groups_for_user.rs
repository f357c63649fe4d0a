//! `ListGroupsForUser`: always none; tools ask before they delete a user.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ListGroupsForUser, ListGroupsForUserInput, ListGroupsForUserOutput},
    entity::Entity,
    rows::UserRow,
};

impl Operation<ListGroupsForUser> for Iam {
    fn access(&self, input: &ListGroupsForUserInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:ListGroupsForUser", &input.user_name, caller)
    }

    // DIVERGES: there are no groups.
    async fn run(&self, call: Call<ListGroupsForUser>) -> Result<ListGroupsForUserOutput, Error> {
        self.read(|tx| UserRow::fetch(tx, call.scope(), &call.input.user_name).map(drop))?;
        Ok(ListGroupsForUserOutput { is_truncated: Some(false), ..Default::default() })
    }
}
