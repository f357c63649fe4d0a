//! `UntagResource`.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::tag_resource::ask;
use crate::{
    Lambda,
    api::{Error, UntagResource, UntagResourceInput, UntagResourceOutput},
};

impl Operation<UntagResource> for Lambda {
    fn access(&self, input: &UntagResourceInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![
            ask("lambda:UntagResource", &input.resource, caller).with("aws:TagKeys", input.tag_keys.clone()),
        ]))
    }

    async fn run(&self, call: Call<UntagResource>) -> Result<UntagResourceOutput, Error> {
        let (input, _) = call.into_parts();
        self.change_tags(&input.resource, move |tags| {
            tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .await?;
        Ok(UntagResourceOutput {})
    }
}
