//! `CreateSAMLProvider`: registers a provider by its metadata.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{CreateSAMLProvider, CreateSAMLProviderInput, CreateSAMLProviderOutput, Error},
    by_arn::ByArn,
    providers::{SamlRow, check_metadata},
    resource::entity_arn,
    tags, to_the_second,
};

impl Operation<CreateSAMLProvider> for Iam {
    fn access(&self, input: &CreateSAMLProviderInput, caller: &Caller) -> Result<Access, Error> {
        let arn = entity_arn(&self.scope(caller), SamlRow::NOUN, "/", &input.name);
        Ok(tags::asked_with(Access::on("iam:CreateSAMLProvider", arn), input.tags.as_deref()))
    }

    async fn run(&self, call: Call<CreateSAMLProvider>) -> Result<CreateSAMLProviderOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let input = call.input;
        if input.add_private_key.is_some() || input.assertion_encryption_mode.is_some() {
            return Err(Error::invalid_input_exception("Encrypted assertions are not supported."));
        }
        let row = SamlRow {
            valid_until: check_metadata(&input.saml_metadata_document, now)?,
            uuid: self.unique_id("ASPK"),
            name: input.name,
            metadata: input.saml_metadata_document,
            created_at: to_the_second(now),
            tags: tags::taken(input.tags.as_deref())?,
        };
        let arn = row.arn(&scope).as_str().to_owned();
        let shown = (!row.tags.is_empty()).then(|| tags::shown(&row.tags));
        self.change(move |tx| row.create(tx, &scope)).await?;
        Ok(CreateSAMLProviderOutput { saml_provider_arn: Some(arn), tags: shown })
    }
}
