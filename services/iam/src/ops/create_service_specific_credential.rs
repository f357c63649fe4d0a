//! `CreateServiceSpecificCredential`: makes a name and password for one service; the password is shown this once.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::lower_alphanumeric;

use crate::{
    Iam,
    api::{
        CreateServiceSpecificCredential, CreateServiceSpecificCredentialInput,
        CreateServiceSpecificCredentialOutput, Error,
    },
    deposits::{Deposit, SERVICE_KEY, ServiceCredentialRow, check_service, password},
    entity::Entity,
    rows::UserRow,
    show, to_the_second,
};

impl Operation<CreateServiceSpecificCredential> for Iam {
    fn access(&self, input: &CreateServiceSpecificCredentialInput, caller: &Caller) -> Result<Access, Error> {
        let access =
            self.ask_on::<UserRow>("iam:CreateServiceSpecificCredential", &input.user_name, caller)?;
        let access = access.with(SERVICE_KEY, input.service_name.clone());
        Ok(match input.credential_age_days {
            Some(days) => access.with("iam:ServiceSpecificCredentialAgeDays", days.to_string()),
            None => access,
        })
    }

    async fn run(
        &self,
        call: Call<CreateServiceSpecificCredential>,
    ) -> Result<CreateServiceSpecificCredentialOutput, Error> {
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let input = call.input;
        if input.credential_age_days.is_some() {
            // AWS: API reference, `CredentialAgeDays`: for API keys of Bedrock only.
            return Err(Error::Validation("CredentialAgeDays is not valid for this service.".to_owned()));
        }
        let tail = lower_alphanumeric(&*self.env.entropy, "iam.service-credential.id", 16);
        let id = format!("ACCA{}", tail.to_ascii_uppercase());
        let (user, row) = self
            .change(move |tx| {
                let user = UserRow::fetch(tx, &scope, &input.user_name)?;
                check_service(tx, &scope, &user, &input.service_name)?;
                let row = ServiceCredentialRow {
                    id: id.clone(),
                    service: input.service_name.clone(),
                    service_user: format!("{}-at-{}", user.name, scope.account.as_str()),
                    active: true,
                    created_at: now,
                };
                row.add(tx, &scope, &user)?;
                Ok((user.name, row))
            })
            .await?;
        Ok(CreateServiceSpecificCredentialOutput {
            service_specific_credential: Some(show::service_credential(
                row,
                user,
                password(&*self.env.entropy),
            )),
        })
    }
}
