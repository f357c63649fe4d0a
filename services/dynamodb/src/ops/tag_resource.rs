//! `TagResource`: adds tags to a table.

use std::collections::BTreeSet;

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::Arn;

use super::create_table::TAGS_MAX;
use crate::api::{Error, Tag, TagResource, TagResourceInput, TagResourceOutput};
use crate::resource::{TableRef, tagged_table};
use crate::{DynamoDb, table};

impl Operation<TagResource> for DynamoDb {
    fn access(&self, input: &TagResourceInput, _caller: &Caller) -> Result<Access, Error> {
        let tags = input.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
        Ok(Access::Iam(vec![ask("dynamodb:TagResource", &input.resource_arn).with_request_tags(tags)]))
    }

    async fn run(&self, call: Call<TagResource>) -> Result<TagResourceOutput, Error> {
        let at = named(&call.input.resource_arn)?;
        unique(&call.input.tags)?;
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let mut table = table::find(tx, &at)?.ok_or_else(|| missing(&at))?;
                for tag in &input.tags {
                    if tag.key.starts_with("aws:") {
                        return Err(Error::Validation(
                            "Tag keys that begin with aws: are reserved".to_owned(),
                        ));
                    }
                    table.tags.insert(tag.key.clone(), tag.value.clone());
                }
                if table.tags.len() > TAGS_MAX {
                    return Err(Error::Validation("Too many tags".to_owned()));
                }
                Ok(tx.put(&table::row_key(&at.scope, &at.name), &table)?)
            })
            .await?;
        self.lookup.forget();
        Ok(TagResourceOutput::default())
    }
}

/// Refuses a key that is given twice: whoever was asked about the one value must not be given the other.
// AWS: keys are case sensitive (developer guide, "Tagging restrictions in DynamoDB"). The text is ours.
pub(super) fn unique(tags: &[Tag]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match tags.iter().find(|tag| !seen.insert(tag.key.as_str())) {
        None => Ok(()),
        Some(tag) => Err(Error::Validation(format!("Duplicate tag key: {}", tag.key))),
    }
}

/// An ask on a resource given by its ARN. What is no ARN can only be allowed on `*`, and is refused when run.
pub(super) fn ask(action: &'static str, arn: &str) -> Ask {
    Arn::parse(arn).map_or_else(|_| Ask::on_any(action), |arn| Ask::on(action, arn))
}

/// The table meant by a `ResourceArn`.
pub(super) fn named(arn: &str) -> Result<TableRef, Error> {
    // AWS: text as the service words it.
    let invalid =
        || Error::Validation(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}"));
    tagged_table(arn).ok_or_else(invalid)
}

// AWS: text as the service words it.
pub(super) fn missing(at: &TableRef) -> Error {
    Error::resource_not_found_exception(format!(
        "Requested resource not found: ResourcArn: {} not found",
        at.arn()
    ))
}
