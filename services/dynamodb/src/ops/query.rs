//! `Query`: the items of one partition, in the order of their sort key.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Order;

use crate::api::{Error, Query, QueryInput, QueryOutput};
use crate::capacity::{Consumed, Rate};
use crate::condition_keys::{Described, Expressions, LeadingKeys, Names, key_text};
use crate::expression::{Clause, Condition, KeyCondition, KeyNames, Projection, parse_condition};
use crate::page::{Place, Selection};
use crate::params::{self, Substitutions};
use crate::table::{KeySchema, Table};
use crate::{DynamoDb, convert, legacy, reading, table};

impl Operation<Query> for DynamoDb {
    fn access(&self, input: &QueryInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.table_name, caller);
        let table = self.known(&at)?;
        let mut names = Names::default();
        names.all(input.attributes_to_get.iter().flatten());
        names.all(input.key_conditions.iter().flat_map(BTreeMap::keys));
        names.all(input.query_filter.iter().flat_map(BTreeMap::keys));
        names.all(input.exclusive_start_key.iter().flat_map(BTreeMap::keys));
        names.expressions(Expressions {
            filter: input.filter_expression.as_ref(),
            projection: input.projection_expression.as_ref(),
            names: input.expression_attribute_names.as_ref(),
            values: input.expression_attribute_values.as_ref(),
            ..Expressions::default()
        });
        let condition = key_condition(input);
        match &condition {
            Some(condition) => names.condition(condition),
            None => names.undetermined(),
        }
        let projected = input.projection_expression.is_some() || input.attributes_to_get.is_some();
        let select = reading::effective_select(input.select, projected, input.index_name.is_some());
        let resource = input.index_name.as_ref().map_or_else(|| at.arn(), |index| at.index_arn(index));
        let ask = Described::on("dynamodb:Query", resource)
            .leading(&leading(table.as_deref(), input.index_name.as_deref(), condition.as_ref()))
            .attributes(names)
            .select(select.as_str())
            .capacity(input.return_consumed_capacity);
        Ok(Access::Iam(vec![ask.done()]))
    }

    async fn run(&self, call: Call<Query>) -> Result<QueryOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        let (input, _) = call.into_parts();
        mixed(&input)?;
        let indexed = input.index_name.is_some();
        let parameter = if input.attributes_to_get.is_some() {
            Some("AttributesToGet")
        } else {
            input.projection_expression.as_ref().map(|_| "ProjectionExpression")
        };
        let shown = reading::shown(input.select, parameter, indexed)?;
        let parts = Parts::parse(&input)?;
        let start = input.exclusive_start_key.map(convert::item).transpose()?;
        let table = self.lookup.table(&self.env.store, &at)?;
        let consistent = input.consistent_read.unwrap_or(false);
        let index = reading::index(&table, input.index_name.as_deref(), consistent)?;
        let (projection, filter) = (parts.projection.as_ref(), parts.filter.as_ref());
        let place = Place { scope: &at.scope, table: &table, index };
        let condition = KeyCondition::of(parts.condition, &key_names(&table, place.key()))?;
        no_key_in_filter(filter, place.key())?;
        let order =
            if input.scan_index_forward == Some(false) { Order::Descending } else { Order::Ascending };
        let range = place.partition(&condition, order)?;
        let start = start.map(|start| place.start(&start)).transpose()?;
        let selection = Selection {
            limit: input.limit.and_then(|limit| usize::try_from(limit).ok()),
            filter,
            whole_items: reading::whole_items(&table, index, shown, projection, filter)?,
        };
        let mut page = self.env.store.read(|tx| place.read(tx, range, start, &selection))?;
        let consumed = Consumed::read(page.bytes, consistent, Rate::Ordinary, index);
        Ok(QueryOutput {
            count: Some(reading::count(page.items.len())),
            scanned_count: Some(reading::count(page.scanned)),
            items: reading::items(&mut page, shown, projection),
            last_evaluated_key: page.last.map(convert::to_wire),
            consumed_capacity: consumed.report(&table, input.return_consumed_capacity),
        })
    }
}

/// The key condition, for access control: nothing when it cannot be read.
fn key_condition(input: &QueryInput) -> Option<Condition> {
    if let Some(text) = &input.key_condition_expression {
        let names = input.expression_attribute_names.as_ref();
        let substitutions = Substitutions::for_access(names, input.expression_attribute_values.as_ref())?;
        return parse_condition(Clause::KeyCondition, text, &mut substitutions.placeholders()).ok();
    }
    legacy::filter(input.key_conditions.clone(), None).ok().flatten()
}

/// Partition values of the table or index that the key condition names.
fn leading(table: Option<&Table>, index: Option<&str>, condition: Option<&Condition>) -> LeadingKeys {
    let key = table.and_then(|table| table.key_of(index));
    let (Some(key), Some(condition)) = (key, condition) else { return LeadingKeys::Unknown };
    LeadingKeys::collect(KeyCondition::equal_values(condition, &key.partition).into_iter().map(key_text))
}

/// The request's expressions, parsed.
struct Parts {
    condition: Condition,
    filter: Option<Condition>,
    projection: Option<Projection>,
}

impl Parts {
    fn parse(input: &QueryInput) -> Result<Self, Error> {
        let substitutions = Substitutions::read(
            input.expression_attribute_names.clone(),
            input.expression_attribute_values.clone(),
            &[
                ("ProjectionExpression", input.projection_expression.is_some()),
                ("FilterExpression", input.filter_expression.is_some()),
                ("KeyConditionExpression", input.key_condition_expression.is_some()),
            ],
        )?;
        let mut placeholders = substitutions.placeholders();
        let key = input.key_condition_expression.as_deref();
        let condition = params::condition(Clause::KeyCondition, key, &mut placeholders)?;
        let filter =
            params::condition(Clause::Filter, input.filter_expression.as_deref(), &mut placeholders)?;
        let projection = params::projection(input.projection_expression.as_deref(), &mut placeholders)?;
        params::all_used(&placeholders)?;
        let condition = match condition {
            Some(condition) => Some(condition),
            None => legacy::filter(input.key_conditions.clone(), None)?,
        };
        // AWS: text as the service words it.
        let condition = condition.ok_or_else(|| {
            Error::Validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
                    .to_owned(),
            )
        })?;
        let filter = match filter {
            Some(filter) => Some(filter),
            None => legacy::filter(input.query_filter.clone(), input.conditional_operator)?,
        };
        let projection = projection.or_else(|| legacy::projection(input.attributes_to_get.as_ref()));
        Ok(Self { condition, filter, projection })
    }
}

fn mixed(input: &QueryInput) -> Result<(), Error> {
    params::not_both(
        &[
            ("AttributesToGet", input.attributes_to_get.is_some()),
            ("QueryFilter", input.query_filter.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
            ("KeyConditions", input.key_conditions.is_some()),
        ],
        &[
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
            ("KeyConditionExpression", input.key_condition_expression.is_some()),
        ],
    )
}

fn key_names<'t>(table: &'t table::Table, key: &'t KeySchema) -> KeyNames<'t> {
    let typed = |name: &'t str| (name, table.type_of(name).value_type());
    KeyNames { partition: typed(&key.partition), sort: key.sort.as_deref().map(typed) }
}

// AWS: a query's filter may not mention the key it reads by.
fn no_key_in_filter(filter: Option<&Condition>, key: &KeySchema) -> Result<(), Error> {
    let mut found = None;
    if let Some(filter) = filter {
        filter.each_path(&mut |path| {
            if found.is_none() && key.names().any(|name| name == path.root) {
                found = Some(path.root.clone());
            }
        });
    }
    match found {
        Some(name) => Err(Error::Validation(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
        ))),
        None => Ok(()),
    }
}
