//! `UntagResource`: removes tags of a group.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Logs,
    api::{Error, UntagResource, UntagResourceInput, UntagResourceOutput},
    resource, rows,
};

impl Operation<UntagResource> for Logs {
    fn access(&self, input: &UntagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let (scope, group) = resource::arn_group(&self.scope(caller), &input.resource_arn)?;
        let access = Access::on("logs:UntagResource", resource::group_arn(&scope, &group));
        Ok(access.with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(&self, call: Call<UntagResource>) -> Result<UntagResourceOutput, Error> {
        let (scope, name) = resource::arn_group(call.scope(), &call.input.resource_arn)?;
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let mut group = rows::group(tx, &scope, &name)?;
                group.tags.retain(|key, _| !input.tag_keys.contains(key));
                Ok::<_, Error>(tx.put(&rows::group_key(&scope, &name), &group)?)
            })
            .await?;
        Ok(UntagResourceOutput {})
    }
}
