//! `BatchGetItem`: reads up to a hundred items of any tables.

use std::collections::{BTreeMap, BTreeSet};

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::api::{
    AttributeValue, BatchGetItem, BatchGetItemInput, BatchGetItemOutput, Error, KeysAndAttributes,
};
use crate::capacity::{Consumed, Rate};
use crate::condition_keys::{Described, Expressions, LeadingKeys, Names, select_of_get};
use crate::expression::{Clause, Projection};
use crate::resource::TableRef;
use crate::single::Texts;
use crate::value::item_size;
use crate::{DynamoDb, convert, key, legacy, params, rows};

/// Items per request. Source: DynamoDB API reference, BatchGetItem.
const ITEMS_MAX: usize = 100;
/// Bytes of items per answer; the rest is named in `UnprocessedKeys`. Source: as above.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

type WireItem = BTreeMap<String, AttributeValue>;

impl Operation<BatchGetItem> for DynamoDb {
    fn access(&self, input: &BatchGetItemInput, caller: &Caller) -> Result<Access, Error> {
        if input.request_items.is_empty() {
            return Ok(Access::on_any("dynamodb:BatchGetItem"));
        }
        let ask = |(name, wanted): (&String, &KeysAndAttributes)| -> Result<Ask, Error> {
            let at = self.at(name, caller);
            let table = self.known(&at)?;
            let mut names = Names::default();
            names.all(wanted.keys.iter().flat_map(BTreeMap::keys));
            names.all(wanted.attributes_to_get.iter().flatten());
            names.expressions(Expressions {
                projection: wanted.projection_expression.as_ref(),
                names: wanted.expression_attribute_names.as_ref(),
                ..Expressions::default()
            });
            let projected = wanted.projection_expression.is_some() || wanted.attributes_to_get.is_some();
            Ok(Described::on("dynamodb:BatchGetItem", at.arn())
                .leading(&LeadingKeys::of(table.as_deref(), &wanted.keys))
                .attributes(names)
                .select(select_of_get(projected))
                .capacity(input.return_consumed_capacity)
                .done())
        };
        Ok(Access::Iam(input.request_items.iter().map(ask).collect::<Result<_, _>>()?))
    }

    async fn run(&self, call: Call<BatchGetItem>) -> Result<BatchGetItemOutput, Error> {
        let count: usize = call.input.request_items.values().map(|wanted| wanted.keys.len()).sum();
        if count > ITEMS_MAX {
            return Err(Error::Validation("Too many items requested for the BatchGetItem call".to_owned()));
        }
        let mut wanted = Vec::new();
        for (name, keys) in &call.input.request_items {
            let at = self.at(name, call.caller()).checked()?;
            wanted.push(Wanted::parse(name.clone(), at, keys)?);
        }
        let (input, _) = call.into_parts();
        let mut output = BatchGetItemOutput {
            responses: Some(BTreeMap::new()),
            unprocessed_keys: Some(BTreeMap::new()),
            consumed_capacity: None,
        };
        let (mut consumed, mut bytes, mut seen) = (Vec::new(), 0, BTreeSet::new());
        for each in wanted {
            let table = self.lookup.table(&self.env.store, &each.at)?;
            let mut units = Consumed::default();
            let (mut found, mut left) = (Vec::new(), Vec::new());
            for wire in &each.keys {
                let key = key::of_key(&table, &convert::item(wire.clone())?)?;
                if !seen.insert((table.id.clone(), key.clone())) {
                    return Err(Error::Validation(
                        "Provided list of item keys contains duplicates".to_owned(),
                    ));
                }
                if bytes > ANSWER_BYTES_MAX {
                    left.push(wire.clone());
                    continue;
                }
                let item = self.env.store.read(|tx| rows::fetch(tx, &each.at.scope, &table, &key))?;
                let size = item.as_ref().map_or(0, item_size);
                bytes += size;
                units.add(Consumed::read(size, each.consistent, Rate::Ordinary, None));
                found.extend(item.map(|item| each.show(item)));
            }
            consumed.extend(units.report(&table, input.return_consumed_capacity));
            if let (Some(unprocessed), false) = (&mut output.unprocessed_keys, left.is_empty()) {
                let request = input.request_items.get(&each.name).cloned().unwrap_or_default();
                unprocessed.insert(each.name.clone(), KeysAndAttributes { keys: left, ..request });
            }
            if let Some(responses) = &mut output.responses {
                responses.insert(each.name, found);
            }
        }
        output.consumed_capacity = (!consumed.is_empty()).then_some(consumed);
        Ok(output)
    }
}

/// What is wanted of one table.
struct Wanted {
    name: String,
    at: TableRef,
    keys: Vec<WireItem>,
    projection: Option<Projection>,
    consistent: bool,
}

impl Wanted {
    fn parse(name: String, at: TableRef, request: &KeysAndAttributes) -> Result<Self, Error> {
        params::not_both(
            &[("AttributesToGet", request.attributes_to_get.is_some())],
            &[("ProjectionExpression", request.projection_expression.is_some())],
        )?;
        let texts = Texts {
            projection: request.projection_expression.clone(),
            names: request.expression_attribute_names.clone(),
            ..Texts::default()
        };
        let projection = texts.parse(&[Clause::Projection])?.projection;
        let projection = projection.or_else(|| legacy::projection(request.attributes_to_get.as_ref()));
        let consistent = request.consistent_read.unwrap_or(false);
        Ok(Self { name, at, keys: request.keys.clone(), projection, consistent })
    }

    fn show(&self, item: crate::value::Item) -> WireItem {
        convert::to_wire(match &self.projection {
            Some(projection) => projection.of(&item),
            None => item,
        })
    }
}
