//! `ListAttachedUserPolicies`: the managed policies attached to a user.

use crate::{
    Iam,
    api::{Error, ListAttachedUserPolicies, ListAttachedUserPoliciesInput, ListAttachedUserPoliciesOutput},
    holder,
    page::Paging,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<ListAttachedUserPolicies> for Iam {
    fn access(&self, input: &ListAttachedUserPoliciesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:ListAttachedUserPolicies", &input.user_name, caller)
    }

    async fn run(
        &self,
        call: Call<ListAttachedUserPolicies>,
    ) -> Result<ListAttachedUserPoliciesOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.as_deref();
        let page =
            self.read(|tx| holder::attached::<UserRow>(tx, call.scope(), &input.user_name, prefix, &paging))?;
        Ok(ListAttachedUserPoliciesOutput {
            is_truncated: Some(page.is_truncated()),
            attached_policies: Some(page.items),
            marker: page.marker,
        })
    }
}
