//! `UpdateServiceSpecificCredential`: switches a credential on or off.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{
        Error, UpdateServiceSpecificCredential, UpdateServiceSpecificCredentialInput,
        UpdateServiceSpecificCredentialOutput,
    },
    deposits::{Deposit, ServiceCredentialRow, is_active},
    entity::Entity,
    rows::UserRow,
};

impl Operation<UpdateServiceSpecificCredential> for Iam {
    fn access(&self, input: &UpdateServiceSpecificCredentialInput, caller: &Caller) -> Result<Access, Error> {
        let id = &input.service_specific_credential_id;
        self.ask_on_service_credential(
            "iam:UpdateServiceSpecificCredential",
            input.user_name.as_deref(),
            id,
            caller,
        )
    }

    async fn run(
        &self,
        call: Call<UpdateServiceSpecificCredential>,
    ) -> Result<UpdateServiceSpecificCredentialOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let active = is_active(call.input.status)?;
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &owner.shown())?;
            ServiceCredentialRow::switch(tx, &scope, &user, &input.service_specific_credential_id, active)
        })
        .await?;
        Ok(UpdateServiceSpecificCredentialOutput {})
    }
}
