//! `TagResource`: adds or replaces tags of a group.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    Logs,
    api::{Error, TagResource, TagResourceInput, TagResourceOutput, TooManyTagsException},
    resource, rows,
};

/// AWS: tags of one group (API reference).
const TAGS_MAX: usize = 50;

impl Operation<TagResource> for Logs {
    fn access(&self, input: &TagResourceInput, caller: &Caller) -> Result<Access, Error> {
        let (scope, group) = resource::arn_group(&self.scope(caller), &input.resource_arn)?;
        let tags = input.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let ask = Ask::on("logs:TagResource", resource::group_arn(&scope, &group)).with_request_tags(tags);
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<TagResource>) -> Result<TagResourceOutput, Error> {
        let (scope, name) = resource::arn_group(call.scope(), &call.input.resource_arn)?;
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let mut group = rows::group(tx, &scope, &name)?;
                group.tags.extend(input.tags.clone());
                if group.tags.len() > TAGS_MAX {
                    return Err(Error::TooManyTagsException(TooManyTagsException {
                        message: Some(format!("A log group can have at most {TAGS_MAX} tags.")),
                        resource_name: Some(input.resource_arn.clone()),
                    }));
                }
                Ok(tx.put(&rows::group_key(&scope, &name), &group)?)
            })
            .await?;
        Ok(TagResourceOutput {})
    }
}
