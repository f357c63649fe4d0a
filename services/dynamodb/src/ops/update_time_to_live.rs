//! `UpdateTimeToLive`: says which attribute tells when items expire.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{Error, UpdateTimeToLive, UpdateTimeToLiveInput, UpdateTimeToLiveOutput};
use crate::{DynamoDb, table, ttl};

/// Longest attribute name. Source: DynamoDB API reference, TimeToLiveSpecification.
const NAME_MAX: usize = 255;

impl Operation<UpdateTimeToLive> for DynamoDb {
    fn access(&self, input: &UpdateTimeToLiveInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on("dynamodb:UpdateTimeToLive", self.at(&input.table_name, caller).arn()))
    }

    async fn run(&self, call: Call<UpdateTimeToLive>) -> Result<UpdateTimeToLiveOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        let (input, _) = call.into_parts();
        let specification = input.time_to_live_specification.clone();
        let wanted = input.time_to_live_specification;
        if wanted.attribute_name.is_empty() || wanted.attribute_name.len() > NAME_MAX {
            return Err(Error::Validation(
                "TimeToLive AttributeName must have 1 to 255 characters".to_owned(),
            ));
        }
        self.env
            .store
            .write(move |tx| {
                let mut table = table::load_named(tx, &at)?;
                // AWS: texts as the service words them.
                let refuse = |text: &str| Err(Error::Validation(text.to_owned()));
                match (&table.ttl_attribute, wanted.enabled) {
                    (Some(_), true) => return refuse("TimeToLive is already enabled"),
                    (None, false) => return refuse("TimeToLive is already disabled"),
                    (Some(name), false) if *name != wanted.attribute_name => {
                        return refuse("TimeToLive is active on a different AttributeName");
                    }
                    (Some(_), false) => table.ttl_attribute = None,
                    (None, true) => table.ttl_attribute = Some(wanted.attribute_name.clone()),
                }
                ttl::note(tx, &at.scope, &table)?;
                Ok(tx.put(&table::row_key(&at.scope, &at.name), &table)?)
            })
            .await?;
        self.lookup.forget();
        Ok(UpdateTimeToLiveOutput { time_to_live_specification: Some(specification) })
    }
}
