//! `ListTagsForResource`: shows the tags of a group.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Logs,
    api::{Error, ListTagsForResource, ListTagsForResourceInput, ListTagsForResourceOutput},
    resource, rows,
};

impl Operation<ListTagsForResource> for Logs {
    fn access(&self, input: &ListTagsForResourceInput, caller: &Caller) -> Result<Access, Error> {
        let (scope, group) = resource::arn_group(&self.scope(caller), &input.resource_arn)?;
        Ok(Access::on("logs:ListTagsForResource", resource::group_arn(&scope, &group)))
    }

    async fn run(&self, call: Call<ListTagsForResource>) -> Result<ListTagsForResourceOutput, Error> {
        let (scope, name) = resource::arn_group(call.scope(), &call.input.resource_arn)?;
        let group = self.env.store.read(|tx| rows::group(tx, &scope, &name))?;
        Ok(ListTagsForResourceOutput { tags: Some(group.tags) })
    }
}
