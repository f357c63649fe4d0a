//! `ListCreateAccountStatus`: requests for accounts, by state.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, ListCreateAccountStatus, ListCreateAccountStatusInput, ListCreateAccountStatusOutput},
    page, show,
};

impl Operation<ListCreateAccountStatus> for Organizations {
    fn access(&self, _input: &ListCreateAccountStatusInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:ListCreateAccountStatus"))
    }

    async fn run(&self, call: Call<ListCreateAccountStatus>) -> Result<ListCreateAccountStatusOutput, Error> {
        let input = &call.input;
        let wanted = input.states.as_deref().unwrap_or_default();
        let (shown, next_token) = self.read(call.scope(), |_, organization| {
            let all = organization
                .creations
                .iter()
                .map(|(id, creation)| (id.clone(), show::creation(id, creation)))
                .filter(|(_, s)| wanted.is_empty() || s.state.is_some_and(|state| wanted.contains(&state)));
            page::cut(all, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListCreateAccountStatusOutput { create_account_statuses: Some(shown), next_token })
    }
}
