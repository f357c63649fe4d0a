//! `ListUserPolicies`: the names of the inline policies of a user.

use crate::{
    Iam,
    api::{Error, ListUserPolicies, ListUserPoliciesInput, ListUserPoliciesOutput},
    holder,
    page::Paging,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<ListUserPolicies> for Iam {
    fn access(&self, input: &ListUserPoliciesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:ListUserPolicies", &input.user_name, caller)
    }

    async fn run(&self, call: Call<ListUserPolicies>) -> Result<ListUserPoliciesOutput, Error> {
        let input = &call.input;
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let page =
            self.read(|tx| holder::inline_names::<UserRow>(tx, call.scope(), &input.user_name, &paging))?;
        Ok(ListUserPoliciesOutput {
            is_truncated: Some(page.is_truncated()),
            policy_names: page.items,
            marker: page.marker,
        })
    }
}
