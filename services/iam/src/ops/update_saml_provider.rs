//! `UpdateSAMLProvider`: replaces the metadata of a provider.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateSAMLProvider, UpdateSAMLProviderInput, UpdateSAMLProviderOutput},
    providers::{SamlRow, check_metadata},
};

impl Operation<UpdateSAMLProvider> for Iam {
    fn access(&self, input: &UpdateSAMLProviderInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<SamlRow>("iam:UpdateSAMLProvider", &input.saml_provider_arn, caller))
    }

    async fn run(&self, call: Call<UpdateSAMLProvider>) -> Result<UpdateSAMLProviderOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let input = call.input;
        if input.add_private_key.is_some()
            || input.remove_private_key.is_some()
            || input.assertion_encryption_mode.is_some()
        {
            return Err(Error::invalid_input_exception("Encrypted assertions are not supported."));
        }
        let given =
            input.saml_metadata_document.map(|text| Ok::<_, Error>((check_metadata(&text, now)?, text)));
        let given = given.transpose()?;
        self.change_by_arn::<SamlRow>(&scope, &input.saml_provider_arn, move |row| {
            if let Some((until, text)) = &given {
                row.metadata.clone_from(text);
                row.valid_until = *until;
            }
            Ok(())
        })
        .await?;
        Ok(UpdateSAMLProviderOutput { saml_provider_arn: Some(input.saml_provider_arn) })
    }
}
