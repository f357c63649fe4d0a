//! `ListAttachedRolePolicies`: the managed policies attached to a role.

use crate::{
    Iam,
    api::{Error, ListAttachedRolePolicies, ListAttachedRolePoliciesInput, ListAttachedRolePoliciesOutput},
    holder,
    page::Paging,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<ListAttachedRolePolicies> for Iam {
    fn access(&self, input: &ListAttachedRolePoliciesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:ListAttachedRolePolicies", &input.role_name, caller)
    }

    async fn run(
        &self,
        call: Call<ListAttachedRolePolicies>,
    ) -> Result<ListAttachedRolePoliciesOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.as_deref();
        let page =
            self.read(|tx| holder::attached::<RoleRow>(tx, call.scope(), &input.role_name, prefix, &paging))?;
        Ok(ListAttachedRolePoliciesOutput {
            is_truncated: Some(page.is_truncated()),
            attached_policies: Some(page.items),
            marker: page.marker,
        })
    }
}
