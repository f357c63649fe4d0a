//! `UpdateSAMLProvider`: replaces the metadata of a provider, adds or removes a key for its assertions.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateSAMLProvider, UpdateSAMLProviderInput, UpdateSAMLProviderOutput},
    assertion_keys::KeyChange,
    providers::{SamlRow, check_metadata},
    to_the_second,
};

impl Operation<UpdateSAMLProvider> for Iam {
    fn access(&self, input: &UpdateSAMLProviderInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<SamlRow>("iam:UpdateSAMLProvider", &input.saml_provider_arn, caller))
    }

    async fn run(&self, call: Call<UpdateSAMLProvider>) -> Result<UpdateSAMLProviderOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let input = call.input;
        let change = KeyChange {
            add: input.add_private_key.map(|pem| (self.saml_id(), pem)),
            remove: input.remove_private_key,
            encryption: input.assertion_encryption_mode,
        };
        let given =
            input.saml_metadata_document.map(|text| Ok::<_, Error>((check_metadata(&text, now)?, text)));
        let given = given.transpose()?;
        self.change_by_arn::<SamlRow>(&scope, &input.saml_provider_arn, move |row| {
            if let Some((until, text)) = &given {
                row.metadata.clone_from(text);
                row.valid_until = *until;
            }
            row.keys.change(&change, to_the_second(now))
        })
        .await?;
        Ok(UpdateSAMLProviderOutput { saml_provider_arn: Some(input.saml_provider_arn) })
    }
}
