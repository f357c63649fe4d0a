//! `UntagResource`: removes tags from a table.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::tag_resource::{ask, missing, named};
use crate::api::{Error, UntagResource, UntagResourceInput, UntagResourceOutput};
use crate::{DynamoDb, table};

impl Operation<UntagResource> for DynamoDb {
    fn access(&self, input: &UntagResourceInput, _caller: &Caller) -> Result<Access, Error> {
        let asked = ask("dynamodb:UntagResource", &input.resource_arn);
        Ok(Access::Iam(vec![asked.with("aws:TagKeys", input.tag_keys.clone())]))
    }

    async fn run(&self, call: Call<UntagResource>) -> Result<UntagResourceOutput, Error> {
        let at = named(&call.input.resource_arn)?;
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let mut table = table::find(tx, &at)?.ok_or_else(|| missing(&at))?;
                table.tags.retain(|key, _| !input.tag_keys.contains(key));
                Ok::<_, Error>(tx.put(&table::row_key(&at.scope, &at.name), &table)?)
            })
            .await?;
        self.lookup.forget();
        Ok(UntagResourceOutput::default())
    }
}
