//! `ListDelegatedServicesForAccount`: services that an account administers for the organisation.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        Error, ListDelegatedServicesForAccount, ListDelegatedServicesForAccountInput,
        ListDelegatedServicesForAccountOutput,
    },
    refusal,
};

impl Operation<ListDelegatedServicesForAccount> for Organizations {
    fn access(&self, input: &ListDelegatedServicesForAccountInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:ListDelegatedServicesForAccount", &[&input.account_id], None, caller)
    }

    async fn run(
        &self,
        call: Call<ListDelegatedServicesForAccount>,
    ) -> Result<ListDelegatedServicesForAccountOutput, Error> {
        self.read(call.scope(), |_, organization| {
            if !organization.accounts.contains_key(&call.input.account_id) {
                return Err(refusal::no_account());
            }
            // RegisterDelegatedAdministrator is not offered, so that no account is one.
            // AWS: text of AccountNotRegisteredException.
            let text =
                "The provided account is not a registered delegated administrator for your organization.";
            Err(Error::account_not_registered_exception(text))
        })
    }
}
