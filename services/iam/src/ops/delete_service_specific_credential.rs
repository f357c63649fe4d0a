//! `DeleteServiceSpecificCredential`: removes a credential.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{
        DeleteServiceSpecificCredential, DeleteServiceSpecificCredentialInput,
        DeleteServiceSpecificCredentialOutput, Error,
    },
    deposits::{Deposit, ServiceCredentialRow},
    entity::Entity,
    rows::UserRow,
};

impl Operation<DeleteServiceSpecificCredential> for Iam {
    fn access(&self, input: &DeleteServiceSpecificCredentialInput, caller: &Caller) -> Result<Access, Error> {
        let id = &input.service_specific_credential_id;
        self.ask_on_service_credential(
            "iam:DeleteServiceSpecificCredential",
            input.user_name.as_deref(),
            id,
            caller,
        )
    }

    async fn run(
        &self,
        call: Call<DeleteServiceSpecificCredential>,
    ) -> Result<DeleteServiceSpecificCredentialOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &owner.shown())?;
            ServiceCredentialRow::remove(tx, &scope, &user, &input.service_specific_credential_id)
        })
        .await?;
        Ok(DeleteServiceSpecificCredentialOutput {})
    }
}
