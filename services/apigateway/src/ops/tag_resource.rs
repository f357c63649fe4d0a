//! `TagResource`: adds or replaces tags of an API or stage.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, TagResource, TagResourceInput, TagResourceOutput},
    passing::tag_ask,
};

impl Operation<TagResource> for ApiGateway {
    fn access(&self, input: &TagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let tags = input.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let ask = tag_ask("apigateway:PUT", &self.scope(caller), &input.resource_arn)?;
        Ok(Access::Iam(vec![ask.with_request_tags(tags)]))
    }

    async fn run(&self, call: Call<TagResource>) -> Result<TagResourceOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.change_tags(&scope, &input.resource_arn, move |tags| {
            tags.extend(input.tags.clone());
            // AWS: tags of one resource (quota).
            if tags.len() > 50 {
                Err(Error::limit_exceeded_exception("A resource can have at most 50 tags"))
            } else {
                Ok(())
            }
        })
        .await?;
        Ok(TagResourceOutput {})
    }
}
