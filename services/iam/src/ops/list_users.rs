//! `ListUsers`: the users under a path.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{Error, ListUsers, ListUsersInput, ListUsersOutput},
    page::{Paging, page_of_rows},
    resource::entity_arn,
    rows::UserRow,
    show::{self, Detail},
};

impl Operation<ListUsers> for Iam {
    fn access(&self, input: &ListUsersInput, caller: &Caller) -> Result<Access, Error> {
        // AWS: names the resource `user/` and the path prefix in its error texts, and evaluates against it.
        let path = input.path_prefix.as_deref().unwrap_or("/");
        Ok(Access::on("iam:ListUsers", entity_arn(&self.scope(caller), "user", path, "")))
    }

    async fn run(&self, call: Call<ListUsers>) -> Result<ListUsersOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let below = |user: &UserRow| user.path.starts_with(input.path_prefix.as_deref().unwrap_or("/"));
        let page = self.read(|tx| page_of_rows::<UserRow>(tx, &Key::of_account(scope), &paging, below))?;
        Ok(ListUsersOutput {
            is_truncated: Some(page.is_truncated()),
            users: page.items.iter().map(|user| show::user(user, scope, Detail::Listed)).collect(),
            marker: page.marker,
        })
    }
}
