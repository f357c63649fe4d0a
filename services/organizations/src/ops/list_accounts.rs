//! `ListAccounts`: every account of the organisation.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListAccounts, ListAccountsInput, ListAccountsOutput},
    page, show,
};

impl Operation<ListAccounts> for Organizations {
    fn access(&self, _input: &ListAccountsInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:ListAccounts"))
    }

    async fn run(&self, call: Call<ListAccounts>) -> Result<ListAccountsOutput, Error> {
        let input = &call.input;
        let (shown, next_token) = self.read(call.scope(), |_, organization| {
            let all =
                organization.accounts.keys().map(|id| Ok((id.clone(), show::account(organization, id)?)));
            let all = all.collect::<Result<Vec<_>, Error>>()?;
            page::cut(all, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListAccountsOutput { accounts: Some(shown), next_token })
    }
}
