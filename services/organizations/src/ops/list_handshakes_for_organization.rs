//! `ListHandshakesForOrganization`: the organisation's invitations.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        Error, ListHandshakesForOrganization, ListHandshakesForOrganizationInput,
        ListHandshakesForOrganizationOutput,
    },
    page,
};

impl Operation<ListHandshakesForOrganization> for Organizations {
    fn access(&self, _input: &ListHandshakesForOrganizationInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:ListHandshakesForOrganization"))
    }

    async fn run(
        &self,
        call: Call<ListHandshakesForOrganization>,
    ) -> Result<ListHandshakesForOrganizationOutput, Error> {
        let input = &call.input;
        // Accounts are made, not invited: InviteAccountToOrganization is not offered.
        let (shown, next_token) = self.read(call.scope(), |_, _| {
            page::cut(std::iter::empty(), input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListHandshakesForOrganizationOutput { handshakes: Some(shown), next_token })
    }
}
