//! `ListRoles`: the roles under a path.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{Error, ListRoles, ListRolesInput, ListRolesOutput},
    page::{Paging, page_of_rows},
    resource::entity_arn,
    rows::RoleRow,
    show::{self, Detail},
};

impl Operation<ListRoles> for Iam {
    fn access(&self, input: &ListRolesInput, caller: &Caller) -> Result<Access, Error> {
        // AWS: names the resource `role/` and the path prefix in its error texts, and evaluates against it.
        let path = input.path_prefix.as_deref().unwrap_or("/");
        Ok(Access::on("iam:ListRoles", entity_arn(&self.scope(caller), "role", path, "")))
    }

    async fn run(&self, call: Call<ListRoles>) -> Result<ListRolesOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let below = |role: &RoleRow| role.path.starts_with(input.path_prefix.as_deref().unwrap_or("/"));
        self.read(|tx| {
            let page = page_of_rows::<RoleRow>(tx, &Key::of_account(scope), &paging, below)?;
            let shown = page.items.iter().map(|role| show::role(tx, &self.env, role, scope, Detail::Listed));
            Ok(ListRolesOutput {
                is_truncated: Some(page.is_truncated()),
                roles: shown.collect::<Result<_, _>>()?,
                marker: page.marker.clone(),
            })
        })
    }
}
