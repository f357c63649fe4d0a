//! `TagSAMLProvider`: adds or replaces tags of a SAML provider.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, TagSAMLProvider, TagSAMLProviderInput, TagSAMLProviderOutput},
    providers::SamlRow,
    tags,
};

impl Operation<TagSAMLProvider> for Iam {
    fn access(&self, input: &TagSAMLProviderInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_arn::<SamlRow>("iam:TagSAMLProvider", &input.saml_provider_arn, caller);
        Ok(tags::asked_with(access, Some(&input.tags)))
    }

    async fn run(&self, call: Call<TagSAMLProvider>) -> Result<TagSAMLProviderOutput, Error> {
        self.tag_by_arn::<SamlRow>(call.scope(), &call.input.saml_provider_arn, &call.input.tags).await?;
        Ok(TagSAMLProviderOutput {})
    }
}
