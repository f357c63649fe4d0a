//! `GetSAMLProvider`: shows a provider and its metadata.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, GetSAMLProvider, GetSAMLProviderInput, GetSAMLProviderOutput},
    by_arn::{ByArn, Tagged},
    providers::SamlRow,
};

impl Operation<GetSAMLProvider> for Iam {
    fn access(&self, input: &GetSAMLProviderInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<SamlRow>("iam:GetSAMLProvider", &input.saml_provider_arn, caller))
    }

    async fn run(&self, call: Call<GetSAMLProvider>) -> Result<GetSAMLProviderOutput, Error> {
        let row = self.read(|tx| SamlRow::fetch(tx, call.scope(), &call.input.saml_provider_arn))?;
        Ok(GetSAMLProviderOutput {
            tags: row.shown_tags(),
            saml_provider_uuid: Some(row.uuid),
            saml_metadata_document: Some(row.metadata),
            create_date: Some(row.created_at),
            valid_until: Some(row.valid_until),
            assertion_encryption_mode: row.keys.mode(),
            private_key_list: row.keys.shown(),
        })
    }
}
