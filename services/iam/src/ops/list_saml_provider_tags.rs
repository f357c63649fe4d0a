//! `ListSAMLProviderTags`: the tags of a SAML provider.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ListSAMLProviderTags, ListSAMLProviderTagsInput, ListSAMLProviderTagsOutput},
    providers::SamlRow,
};

impl Operation<ListSAMLProviderTags> for Iam {
    fn access(&self, input: &ListSAMLProviderTagsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<SamlRow>("iam:ListSAMLProviderTags", &input.saml_provider_arn, caller))
    }

    async fn run(&self, call: Call<ListSAMLProviderTags>) -> Result<ListSAMLProviderTagsOutput, Error> {
        let input = &call.input;
        let paging = (input.marker.as_deref(), input.max_items);
        let page = self.tags_by_arn::<SamlRow>(call.scope(), &input.saml_provider_arn, paging)?;
        Ok(ListSAMLProviderTagsOutput {
            is_truncated: Some(page.is_truncated()),
            tags: page.items,
            marker: page.marker,
        })
    }
}
