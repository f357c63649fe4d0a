//! `ListTags`.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::tag_resource::ask;
use crate::{
    Lambda,
    api::{Error, ListTags, ListTagsInput, ListTagsOutput},
};

impl Operation<ListTags> for Lambda {
    fn access(&self, input: &ListTagsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![ask("lambda:ListTags", &input.resource, caller)]))
    }

    async fn run(&self, call: Call<ListTags>) -> Result<ListTagsOutput, Error> {
        let at = self.tagged(&call.input.resource)?;
        let tags = self.env.store.read(|tx| at.tags(tx))?;
        Ok(ListTagsOutput { tags: Some(tags.ok_or_else(|| at.missing())?) })
    }
}
