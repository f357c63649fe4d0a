//! `GetTags`: shows the tags of an API or stage.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetTags, GetTagsInput, GetTagsOutput},
    page,
    passing::tag_ask,
};

impl Operation<GetTags> for ApiGateway {
    fn access(&self, input: &GetTagsInput, caller: &Caller) -> Result<Access, Error> {
        let ask = tag_ask("apigateway:GET", &self.scope(caller), &input.resource_arn)?;
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<GetTags>) -> Result<GetTagsOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let tags = self.tags_of(scope, &input.resource_arn)?;
        let (items, _) = page::page(
            tags.into_iter().map(|(key, value)| (key.clone(), (key, value))),
            input.limit,
            input.position.as_deref(),
        )?;
        Ok(GetTagsOutput { tags: Some(items.into_iter().collect()) })
    }
}
