//! `UntagResource`: takes tags from an API or stage.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UntagResource, UntagResourceInput, UntagResourceOutput},
    passing::tag_ask,
};

impl Operation<UntagResource> for ApiGateway {
    fn access(&self, input: &UntagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let ask = tag_ask("apigateway:DELETE", &self.scope(caller), &input.resource_arn)?;
        Ok(Access::Iam(vec![ask.with("aws:TagKeys", input.tag_keys.clone())]))
    }

    async fn run(&self, call: Call<UntagResource>) -> Result<UntagResourceOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.change_tags(&scope, &input.resource_arn, move |tags| {
            tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .await?;
        Ok(UntagResourceOutput {})
    }
}
