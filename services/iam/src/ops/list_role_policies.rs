//! `ListRolePolicies`: the names of the inline policies of a role.

use crate::{
    Iam,
    api::{Error, ListRolePolicies, ListRolePoliciesInput, ListRolePoliciesOutput},
    holder,
    page::Paging,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<ListRolePolicies> for Iam {
    fn access(&self, input: &ListRolePoliciesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:ListRolePolicies", &input.role_name, caller)
    }

    async fn run(&self, call: Call<ListRolePolicies>) -> Result<ListRolePoliciesOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let page =
            self.read(|tx| holder::inline_names::<RoleRow>(tx, call.scope(), &input.role_name, &paging))?;
        Ok(ListRolePoliciesOutput {
            is_truncated: Some(page.is_truncated()),
            policy_names: page.items,
            marker: page.marker,
        })
    }
}
