//! `ListOpenIDConnectProviderTags`: the tags of an OpenID Connect provider.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, ListOpenIDConnectProviderTags, ListOpenIDConnectProviderTagsInput,
        ListOpenIDConnectProviderTagsOutput,
    },
    providers::OidcRow,
};

impl Operation<ListOpenIDConnectProviderTags> for Iam {
    fn access(&self, input: &ListOpenIDConnectProviderTagsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<OidcRow>(
            "iam:ListOpenIDConnectProviderTags",
            &input.open_id_connect_provider_arn,
            caller,
        ))
    }

    async fn run(
        &self,
        call: Call<ListOpenIDConnectProviderTags>,
    ) -> Result<ListOpenIDConnectProviderTagsOutput, Error> {
        let input = &call.input;
        let paging = (input.marker.as_deref(), input.max_items);
        let page = self.tags_by_arn::<OidcRow>(call.scope(), &input.open_id_connect_provider_arn, paging)?;
        Ok(ListOpenIDConnectProviderTagsOutput {
            is_truncated: Some(page.is_truncated()),
            tags: page.items,
            marker: page.marker,
        })
    }
}
