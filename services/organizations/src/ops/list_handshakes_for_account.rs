//! `ListHandshakesForAccount`: invitations of the caller's account.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListHandshakesForAccount, ListHandshakesForAccountInput, ListHandshakesForAccountOutput},
    page,
};

impl Operation<ListHandshakesForAccount> for Organizations {
    fn access(&self, _input: &ListHandshakesForAccountInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:ListHandshakesForAccount"))
    }

    // AWS: API reference: any account may ask, also one in no organisation.
    async fn run(
        &self,
        call: Call<ListHandshakesForAccount>,
    ) -> Result<ListHandshakesForAccountOutput, Error> {
        let input = &call.input;
        // Accounts are made, not invited: InviteAccountToOrganization is not offered.
        let (shown, next_token) =
            page::cut(std::iter::empty(), input.max_results, input.next_token.as_deref())?;
        Ok(ListHandshakesForAccountOutput { handshakes: Some(shown), next_token })
    }
}
