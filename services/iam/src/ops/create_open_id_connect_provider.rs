//! `CreateOpenIDConnectProvider`: registers an issuer of tokens.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        CreateOpenIDConnectProvider, CreateOpenIDConnectProviderInput, CreateOpenIDConnectProviderOutput,
        Error,
    },
    by_arn::{ByArn, Tagged},
    providers::{OidcRow, check_url},
    resource::entity_arn,
    tags, to_the_second,
};

impl Operation<CreateOpenIDConnectProvider> for Iam {
    fn access(&self, input: &CreateOpenIDConnectProviderInput, caller: &Caller) -> Result<Access, Error> {
        let tail = input.url.split_once("://").map_or(input.url.as_str(), |(_, rest)| rest);
        let arn = entity_arn(&self.scope(caller), OidcRow::NOUN, "/", tail);
        Ok(tags::asked_with(Access::on("iam:CreateOpenIDConnectProvider", arn), input.tags.as_deref()))
    }

    async fn run(
        &self,
        call: Call<CreateOpenIDConnectProvider>,
    ) -> Result<CreateOpenIDConnectProviderOutput, Error> {
        let scope = call.scope().clone();
        let created_at = to_the_second(call.now());
        let input = call.input;
        check_url(&input.url, &self.env.site.endpoint)?;
        let mut row = OidcRow {
            url: input.url,
            client_ids: Vec::new(),
            thumbprints: Vec::new(),
            created_at,
            tags: tags::taken(input.tags.as_deref())?,
        };
        row.set_client_ids(input.client_id_list.unwrap_or_default())?;
        // DIVERGES: AWS fetches the thumbprint itself where none is given; here none is kept, and none is needed.
        row.set_thumbprints(input.thumbprint_list.unwrap_or_default())?;
        let arn = row.arn(&scope).as_str().to_owned();
        let shown = row.shown_tags();
        self.change(move |tx| row.create(tx, &scope)).await?;
        Ok(CreateOpenIDConnectProviderOutput { open_id_connect_provider_arn: Some(arn), tags: shown })
    }
}
