//! `CreateTable`: defines a table and its indexes.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::{Timestamp, uuid};

use crate::api::{
    BillingMode, CreateTable, CreateTableInput, CreateTableOutput, Error, TableClass, TableStatus,
};
use crate::rows::Counts;
use crate::table::{self, IndexState, Table};
use crate::{DynamoDb, define, describe};

/// Tags per table. Source: DynamoDB developer guide, "Tagging restrictions".
pub(super) const TAGS_MAX: usize = 50;

impl Operation<CreateTable> for DynamoDb {
    fn access(&self, input: &CreateTableInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.table_name, caller);
        let tags = || input.tags.iter().flatten().map(|tag| (tag.key.as_str(), tag.value.as_str()));
        let mut asks = vec![Ask::on("dynamodb:CreateTable", at.arn()).with_request_tags(tags())];
        // AWS: creating with tags needs the right to tag.
        if tags().next().is_some() {
            asks.push(Ask::on("dynamodb:TagResource", at.arn()).with_request_tags(tags()));
        }
        Ok(Access::Iam(asks))
    }

    async fn run(&self, call: Call<CreateTable>) -> Result<CreateTableOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        if Some(&at.scope.account) != call.caller().account().as_ref()
            || at.scope.region != call.scope().region
        {
            return Err(Error::Validation(
                "A table can only be created in the caller's account and region".to_owned(),
            ));
        }
        let table = self.define(&call.input, at.name.clone(), call.now())?;
        let row_key = table::row_key(&at.scope, &at.name);
        let stored = table.clone();
        self.env
            .store
            .write(move |tx| {
                if tx.get::<Table>(&row_key)?.is_some() {
                    let text = format!("Table already exists: {}", stored.name);
                    return Err(Error::resource_in_use_exception(text));
                }
                Ok(tx.put(&row_key, &stored)?)
            })
            .await?;
        self.lookup.forget();
        let description = describe::table(&at.scope, &table, &Counts::default(), TableStatus::Active);
        Ok(CreateTableOutput { table_description: Some(description) })
    }
}

impl DynamoDb {
    fn define(&self, input: &CreateTableInput, name: String, now: Timestamp) -> Result<Table, Error> {
        let streams = input.stream_specification.as_ref().is_some_and(|spec| spec.stream_enabled);
        let encryption_named = define::encryption(input.sse_specification.as_ref())?;
        define::refuse_unsupported(&[
            ("StreamSpecification", streams),
            ("ResourcePolicy", input.resource_policy.is_some()),
            ("GlobalTableSourceArn", input.global_table_source_arn.is_some()),
            ("VectorIndexes", input.vector_indexes.as_ref().is_some_and(|indexes| !indexes.is_empty())),
        ])?;
        let key = define::key_schema(input.key_schema.as_deref().unwrap_or_default())?;
        let attributes = define::attributes(input.attribute_definitions.as_deref().unwrap_or_default())?;
        let billing = define::billing(input.billing_mode, input.provisioned_throughput.as_ref())?;
        let id = || uuid(&*self.env.entropy, "dynamodb.table");
        let mut indexes = Vec::new();
        for index in input.local_secondary_indexes.iter().flatten() {
            indexes.push(define::local(index, &key, id())?);
        }
        for index in input.global_secondary_indexes.iter().flatten() {
            indexes.push(define::global(index, billing, IndexState::Active, id())?);
        }
        super::tag_resource::unique(input.tags.as_deref().unwrap_or_default())?;
        let tags: BTreeMap<String, String> =
            input.tags.iter().flatten().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
        if tags.len() > TAGS_MAX {
            return Err(Error::Validation("Too many tags".to_owned()));
        }
        let table = Table {
            name,
            id: id(),
            created_at: now,
            attributes,
            key,
            indexes,
            billing,
            on_demand_since: (input.billing_mode == Some(BillingMode::PayPerRequest)).then_some(now),
            deletion_protected: input.deletion_protection_enabled.unwrap_or(false),
            class: input.table_class.map(TableClass::as_str).map(str::to_owned),
            encryption_named,
            ttl_attribute: None,
            tags,
        };
        define::check(&table)?;
        Ok(table)
    }
}
