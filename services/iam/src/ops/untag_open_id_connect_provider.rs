//! `UntagOpenIDConnectProvider`: removes tags of an OpenID Connect provider.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, UntagOpenIDConnectProvider, UntagOpenIDConnectProviderInput, UntagOpenIDConnectProviderOutput,
    },
    providers::OidcRow,
};

impl Operation<UntagOpenIDConnectProvider> for Iam {
    fn access(&self, input: &UntagOpenIDConnectProviderInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_arn::<OidcRow>(
            "iam:UntagOpenIDConnectProvider",
            &input.open_id_connect_provider_arn,
            caller,
        );
        Ok(access.with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(
        &self,
        call: Call<UntagOpenIDConnectProvider>,
    ) -> Result<UntagOpenIDConnectProviderOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.untag_by_arn::<OidcRow>(&scope, &input.open_id_connect_provider_arn, input.tag_keys).await?;
        Ok(UntagOpenIDConnectProviderOutput {})
    }
}
