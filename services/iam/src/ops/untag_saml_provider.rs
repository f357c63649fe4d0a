//! `UntagSAMLProvider`: removes tags of a SAML provider.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UntagSAMLProvider, UntagSAMLProviderInput, UntagSAMLProviderOutput},
    providers::SamlRow,
};

impl Operation<UntagSAMLProvider> for Iam {
    fn access(&self, input: &UntagSAMLProviderInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_arn::<SamlRow>("iam:UntagSAMLProvider", &input.saml_provider_arn, caller);
        Ok(access.with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(&self, call: Call<UntagSAMLProvider>) -> Result<UntagSAMLProviderOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.untag_by_arn::<SamlRow>(&scope, &input.saml_provider_arn, input.tag_keys).await?;
        Ok(UntagSAMLProviderOutput {})
    }
}
