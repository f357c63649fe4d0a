//! `UpdateItem`: edits one item, or creates it.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{
    Error, ReturnValue, ReturnValuesOnConditionCheckFailure, UpdateItem, UpdateItemInput, UpdateItemOutput,
};
use crate::capacity::{Consumed, Rate};
use crate::condition_keys::{Expressions, return_values};
use crate::expression::{Clause, Update};
use crate::single::{self, Texts, expected_names, refused};
use crate::value::Item;
use crate::write::{Change, Write, Written};
use crate::{DynamoDb, convert, legacy, params};

impl Operation<UpdateItem> for DynamoDb {
    fn access(&self, input: &UpdateItemInput, caller: &Caller) -> Result<Access, Error> {
        let mut named = expected_names(input.expected.as_ref());
        named.all(input.attribute_updates.iter().flat_map(BTreeMap::keys));
        let access = single::Access {
            action: "dynamodb:UpdateItem",
            table: &input.table_name,
            key: &input.key,
            legacy: named,
            expressions: Expressions {
                condition: input.condition_expression.as_ref(),
                update: input.update_expression.as_ref(),
                names: input.expression_attribute_names.as_ref(),
                values: input.expression_attribute_values.as_ref(),
                ..Expressions::default()
            },
            capacity: input.return_consumed_capacity,
        };
        let all_old = input.return_values_on_condition_check_failure
            == Some(ReturnValuesOnConditionCheckFailure::AllOld);
        let values = return_values(input.return_values.map(ReturnValue::as_str), all_old);
        Ok(Access::Iam(vec![self.describe(access, caller)?.return_values(values).done()]))
    }

    async fn run(&self, call: Call<UpdateItem>) -> Result<UpdateItemOutput, Error> {
        let table = self.at(&call.input.table_name, call.caller()).checked()?;
        let (input, _) = call.into_parts();
        mixed(&input)?;
        let key = convert::item(input.key)?;
        let texts = Texts {
            update: input.update_expression,
            condition: input.condition_expression,
            names: input.expression_attribute_names,
            values: input.expression_attribute_values,
            ..Texts::default()
        };
        let parsed = texts.parse(&[Clause::Update, Clause::Condition])?;
        let expected = legacy::expected(input.expected, input.conditional_operator)?;
        let update = match parsed.update {
            Some(update) => Some(update),
            None => legacy::updates(input.attribute_updates)?,
        };
        let on_failure = input.return_values_on_condition_check_failure;
        let change = Change::Update(key, update.clone());
        let write = Write { table, change, condition: parsed.condition.or(expected) };
        let perform = move |tx: &mut casemate_store::WriteTx<'_>| {
            write.perform(tx).map_err(|refusal| refused(refusal, on_failure))
        };
        let written = self.env.store.write(perform).await?;
        let consumed = Consumed::write(&written, Rate::Ordinary, input.return_consumed_capacity);
        Ok(UpdateItemOutput {
            consumed_capacity: consumed.report(&written.table, input.return_consumed_capacity),
            attributes: answer(input.return_values, &written, update.as_ref()).map(convert::to_wire),
            item_collection_metrics: None,
        })
    }
}

fn mixed(input: &UpdateItemInput) -> Result<(), Error> {
    params::not_both(
        &[
            ("AttributeUpdates", input.attribute_updates.is_some()),
            ("Expected", input.expected.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
        ],
        &[
            ("UpdateExpression", input.update_expression.is_some()),
            ("ConditionExpression", input.condition_expression.is_some()),
        ],
    )
}

/// What `ReturnValues` wants to see.
fn answer(wanted: Option<ReturnValue>, written: &Written, update: Option<&Update>) -> Option<Item> {
    let (before, after) = (written.before.as_ref(), written.after.as_ref());
    match wanted.unwrap_or(ReturnValue::None) {
        ReturnValue::None => None,
        ReturnValue::AllOld => before.cloned(),
        ReturnValue::AllNew => after.cloned(),
        ReturnValue::UpdatedOld => Written::touched(before, update),
        ReturnValue::UpdatedNew => Written::touched(after, update),
    }
}
