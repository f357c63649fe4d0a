//! `ListTagsOfResource`: a table's tags, all on one page.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::tag_resource::{ask, missing, named};
use crate::api::{Error, ListTagsOfResource, ListTagsOfResourceInput, ListTagsOfResourceOutput, Tag};
use crate::{DynamoDb, table};

impl Operation<ListTagsOfResource> for DynamoDb {
    fn access(&self, input: &ListTagsOfResourceInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![ask("dynamodb:ListTagsOfResource", &input.resource_arn)]))
    }

    async fn run(&self, call: Call<ListTagsOfResource>) -> Result<ListTagsOfResourceOutput, Error> {
        let at = named(&call.input.resource_arn)?;
        let table = self.env.store.read(|tx| table::find(tx, &at))?.ok_or_else(|| missing(&at))?;
        let tags = table.tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
        Ok(ListTagsOfResourceOutput { tags: Some(tags), next_token: None })
    }
}
