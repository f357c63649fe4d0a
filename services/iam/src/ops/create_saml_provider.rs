//! `CreateSAMLProvider`: registers a provider by its metadata.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{CreateSAMLProvider, CreateSAMLProviderInput, CreateSAMLProviderOutput, Error},
    assertion_keys::{AssertionKeys, KeyChange},
    by_arn::{ByArn, Tagged},
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
        let mut keys = AssertionKeys::default();
        let change = KeyChange {
            add: input.add_private_key.map(|pem| (self.saml_id(), pem)),
            remove: None,
            encryption: input.assertion_encryption_mode,
        };
        keys.change(&change, to_the_second(now))?;
        let row = SamlRow {
            valid_until: check_metadata(&input.saml_metadata_document, now)?,
            uuid: self.saml_id(),
            name: input.name,
            metadata: input.saml_metadata_document,
            created_at: to_the_second(now),
            tags: tags::taken(input.tags.as_deref())?,
            keys,
        };
        let arn = row.arn(&scope).as_str().to_owned();
        let shown = row.shown_tags();
        self.change(move |tx| row.create(tx, &scope)).await?;
        Ok(CreateSAMLProviderOutput { saml_provider_arn: Some(arn), tags: shown })
    }
}
