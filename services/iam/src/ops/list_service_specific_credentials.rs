//! `ListServiceSpecificCredentials`: the credentials of a user for single services, without passwords.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{
        Error, ListServiceSpecificCredentials, ListServiceSpecificCredentialsInput,
        ListServiceSpecificCredentialsOutput,
    },
    deposits::{Deposit, ServiceCredentialRow},
    entity::Entity,
    page::Paging,
    rows::UserRow,
    show,
};

impl Operation<ListServiceSpecificCredentials> for Iam {
    fn access(&self, input: &ListServiceSpecificCredentialsInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:ListServiceSpecificCredentials", input.user_name.as_deref(), caller)
    }

    async fn run(
        &self,
        call: Call<ListServiceSpecificCredentials>,
    ) -> Result<ListServiceSpecificCredentialsOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let input = &call.input;
        if input.all_users == Some(true) {
            // DIVERGES: AWS lists those of the whole account.
            return Err(Error::Validation("AllUsers is not supported.".to_owned()));
        }
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let page = self.read(|tx| match &owner {
            Owner::Root => ServiceCredentialRow::page(Vec::new(), &paging, |row| {
                show::service_credential_metadata(row, "")
            }),
            Owner::User(name) => {
                let user = UserRow::fetch(tx, call.scope(), name)?;
                let mut all = ServiceCredentialRow::all(tx, call.scope(), &user)?;
                all.retain(|row| input.service_name.as_ref().is_none_or(|service| row.service == *service));
                ServiceCredentialRow::page(all, &paging, |row| {
                    show::service_credential_metadata(row, &user.name)
                })
            }
        })?;
        Ok(ListServiceSpecificCredentialsOutput {
            is_truncated: Some(page.is_truncated()),
            service_specific_credentials: Some(page.items),
            marker: page.marker,
        })
    }
}
