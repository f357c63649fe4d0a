//! `ListGroupPolicies`: the names of the inline policies of a group.

use crate::{
    Iam,
    api::{Error, ListGroupPolicies, ListGroupPoliciesInput, ListGroupPoliciesOutput},
    holder,
    page::Paging,
    rows::GroupRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<ListGroupPolicies> for Iam {
    fn access(&self, input: &ListGroupPoliciesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:ListGroupPolicies", &input.group_name, caller)
    }

    async fn run(&self, call: Call<ListGroupPolicies>) -> Result<ListGroupPoliciesOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let page =
            self.read(|tx| holder::inline_names::<GroupRow>(tx, call.scope(), &input.group_name, &paging))?;
        Ok(ListGroupPoliciesOutput {
            is_truncated: Some(page.is_truncated()),
            policy_names: page.items,
            marker: page.marker,
        })
    }
}
