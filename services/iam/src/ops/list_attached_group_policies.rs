//! `ListAttachedGroupPolicies`: the managed policies attached to a group.

use crate::{
    Iam,
    api::{
        Error, ListAttachedGroupPolicies, ListAttachedGroupPoliciesInput, ListAttachedGroupPoliciesOutput,
    },
    holder,
    page::Paging,
    rows::GroupRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<ListAttachedGroupPolicies> for Iam {
    fn access(&self, input: &ListAttachedGroupPoliciesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:ListAttachedGroupPolicies", &input.group_name, caller)
    }

    async fn run(
        &self,
        call: Call<ListAttachedGroupPolicies>,
    ) -> Result<ListAttachedGroupPoliciesOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.as_deref();
        let page = self
            .read(|tx| holder::attached::<GroupRow>(tx, call.scope(), &input.group_name, prefix, &paging))?;
        Ok(ListAttachedGroupPoliciesOutput {
            is_truncated: Some(page.is_truncated()),
            attached_policies: Some(page.items),
            marker: page.marker,
        })
    }
}
