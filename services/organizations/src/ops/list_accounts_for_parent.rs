//! `ListAccountsForParent`: the accounts directly below a root or unit.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{ChildType, Error, ListAccountsForParent, ListAccountsForParentInput, ListAccountsForParentOutput},
    page, show,
};

impl Operation<ListAccountsForParent> for Organizations {
    fn access(&self, input: &ListAccountsForParentInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:ListAccountsForParent", &[&input.parent_id], None, caller)
    }

    async fn run(&self, call: Call<ListAccountsForParent>) -> Result<ListAccountsForParentOutput, Error> {
        let input = &call.input;
        let (shown, next_token) = self.read(call.scope(), |_, organization| {
            organization.check_parent(&input.parent_id)?;
            let ids = organization.children(&input.parent_id, ChildType::Account);
            let all = ids.into_iter().map(|id| Ok((id.clone(), show::account(organization, id)?)));
            let all = all.collect::<Result<Vec<_>, Error>>()?;
            page::cut(all, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListAccountsForParentOutput { accounts: Some(shown), next_token })
    }
}
