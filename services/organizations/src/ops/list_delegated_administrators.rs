//! `ListDelegatedAdministrators`: accounts that administer a service for the organisation.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        Error, ListDelegatedAdministrators, ListDelegatedAdministratorsInput,
        ListDelegatedAdministratorsOutput,
    },
    page,
};

impl Operation<ListDelegatedAdministrators> for Organizations {
    fn access(&self, input: &ListDelegatedAdministratorsInput, _caller: &Caller) -> Result<Access, Error> {
        let access = Access::on_any("organizations:ListDelegatedAdministrators");
        Ok(match &input.service_principal {
            Some(service) => access.with("organizations:ServicePrincipal", service.clone()),
            None => access,
        })
    }

    async fn run(
        &self,
        call: Call<ListDelegatedAdministrators>,
    ) -> Result<ListDelegatedAdministratorsOutput, Error> {
        let input = &call.input;
        // RegisterDelegatedAdministrator is not offered, so that there is none.
        let (shown, next_token) = self.read(call.scope(), |_, _| {
            page::cut(std::iter::empty(), input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListDelegatedAdministratorsOutput { delegated_administrators: Some(shown), next_token })
    }
}
