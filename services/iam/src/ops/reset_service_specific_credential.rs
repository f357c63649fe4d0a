//! `ResetServiceSpecificCredential`: makes a new password; it is shown this once.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{
        Error, ResetServiceSpecificCredential, ResetServiceSpecificCredentialInput,
        ResetServiceSpecificCredentialOutput,
    },
    deposits::{Deposit, ServiceCredentialRow, password},
    entity::Entity,
    rows::UserRow,
    show,
};

impl Operation<ResetServiceSpecificCredential> for Iam {
    fn access(&self, input: &ResetServiceSpecificCredentialInput, caller: &Caller) -> Result<Access, Error> {
        let id = &input.service_specific_credential_id;
        self.ask_on_service_credential(
            "iam:ResetServiceSpecificCredential",
            input.user_name.as_deref(),
            id,
            caller,
        )
    }

    async fn run(
        &self,
        call: Call<ResetServiceSpecificCredential>,
    ) -> Result<ResetServiceSpecificCredentialOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let scope = call.scope().clone();
        let id = call.input.service_specific_credential_id;
        let (user, row) = self.read(|tx| {
            let user = UserRow::fetch(tx, &scope, &owner.shown())?;
            let row = ServiceCredentialRow::fetch(tx, &scope, &user, &id)?;
            Ok((user.name, row))
        })?;
        Ok(ResetServiceSpecificCredentialOutput {
            service_specific_credential: Some(show::service_credential(
                row,
                user,
                password(&*self.env.entropy),
            )),
        })
    }
}
