//! `ResetServiceSpecificCredential`: makes a new password; it is shown this once.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::{Secret, alphanumeric};

use crate::{
    Iam,
    access_keys::Owner,
    api::{
        Error, ResetServiceSpecificCredential, ResetServiceSpecificCredentialInput,
        ResetServiceSpecificCredentialOutput,
    },
    deposits::{Deposit, ServiceCredentialRow},
    entity::Entity,
    rows::UserRow,
    show,
};

impl Operation<ResetServiceSpecificCredential> for Iam {
    fn access(&self, input: &ResetServiceSpecificCredentialInput, caller: &Caller) -> Result<Access, Error> {
        let user = Owner::meant(input.user_name.as_deref(), caller)?;
        self.ask_on::<UserRow>("iam:ResetServiceSpecificCredential", &user.shown(), caller)
    }

    async fn run(
        &self,
        call: Call<ResetServiceSpecificCredential>,
    ) -> Result<ResetServiceSpecificCredentialOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let scope = call.scope().clone();
        let id = call.input.service_specific_credential_id;
        let password = Secret::new(alphanumeric(&*self.env.entropy, "iam.service-credential.password", 44));
        let (user, row) = self
            .change(move |tx| {
                let user = UserRow::fetch(tx, &scope, &owner.shown())?;
                let mut row = ServiceCredentialRow::fetch(tx, &scope, &user, &id)?;
                row.password = password.clone();
                row.save(tx, &scope, &user)?;
                Ok((user.name, row))
            })
            .await?;
        Ok(ResetServiceSpecificCredentialOutput {
            service_specific_credential: Some(show::service_credential(row, &user)),
        })
    }
}
