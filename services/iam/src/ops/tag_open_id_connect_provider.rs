//! `TagOpenIDConnectProvider`: adds or replaces tags of an OpenID Connect provider.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, TagOpenIDConnectProvider, TagOpenIDConnectProviderInput, TagOpenIDConnectProviderOutput},
    providers::OidcRow,
    tags,
};

impl Operation<TagOpenIDConnectProvider> for Iam {
    fn access(&self, input: &TagOpenIDConnectProviderInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_arn::<OidcRow>(
            "iam:TagOpenIDConnectProvider",
            &input.open_id_connect_provider_arn,
            caller,
        );
        Ok(tags::asked_with(access, Some(&input.tags)))
    }

    async fn run(
        &self,
        call: Call<TagOpenIDConnectProvider>,
    ) -> Result<TagOpenIDConnectProviderOutput, Error> {
        self.tag_by_arn::<OidcRow>(call.scope(), &call.input.open_id_connect_provider_arn, &call.input.tags)
            .await?;
        Ok(TagOpenIDConnectProviderOutput {})
    }
}
