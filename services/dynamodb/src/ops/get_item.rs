//! `GetItem`: reads one item.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{Error, GetItem, GetItemInput, GetItemOutput};
use crate::capacity::{Consumed, Rate};
use crate::condition_keys::{Expressions, Names, select_of_get};
use crate::expression::Clause;
use crate::single::{self, Texts};
use crate::value::item_size;
use crate::{DynamoDb, convert, key, legacy, params, rows};

impl Operation<GetItem> for DynamoDb {
    fn access(&self, input: &GetItemInput, caller: &Caller) -> Result<Access, Error> {
        let mut named = Names::default();
        named.all(input.attributes_to_get.iter().flatten());
        let access = single::Access {
            action: "dynamodb:GetItem",
            table: &input.table_name,
            key: &input.key,
            legacy: named,
            expressions: Expressions {
                projection: input.projection_expression.as_ref(),
                names: input.expression_attribute_names.as_ref(),
                ..Expressions::default()
            },
            capacity: input.return_consumed_capacity,
        };
        let projected = input.projection_expression.is_some() || input.attributes_to_get.is_some();
        Ok(Access::Iam(vec![self.describe(access, caller)?.select(select_of_get(projected)).done()]))
    }

    async fn run(&self, call: Call<GetItem>) -> Result<GetItemOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        let (input, _) = call.into_parts();
        params::not_both(
            &[("AttributesToGet", input.attributes_to_get.is_some())],
            &[("ProjectionExpression", input.projection_expression.is_some())],
        )?;
        let key = convert::item(input.key)?;
        let texts = Texts {
            projection: input.projection_expression,
            names: input.expression_attribute_names,
            ..Texts::default()
        };
        let projection = texts.parse(&[Clause::Projection])?.projection;
        let projection = projection.or_else(|| legacy::projection(input.attributes_to_get.as_ref()));
        let table = self.lookup.table(&self.env.store, &at)?;
        let key = key::of_key(&table, &key)?;
        let item = self.env.store.read(|tx| rows::fetch(tx, &at.scope, &table, &key))?;
        let consumed = Consumed::read(
            item.as_ref().map_or(0, item_size),
            input.consistent_read.unwrap_or(false),
            Rate::Ordinary,
            None,
        );
        let item = match (item, projection) {
            (Some(item), Some(projection)) => Some(projection.of(&item)),
            (item, _) => item,
        };
        Ok(GetItemOutput {
            item: item.map(convert::to_wire),
            consumed_capacity: consumed.report(&table, input.return_consumed_capacity),
        })
    }
}
