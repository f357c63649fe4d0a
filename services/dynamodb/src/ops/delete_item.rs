//! `DeleteItem`: removes one item.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{
    DeleteItem, DeleteItemInput, DeleteItemOutput, Error, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use crate::capacity::{Consumed, Rate};
use crate::condition_keys::{Expressions, return_values};
use crate::expression::Clause;
use crate::single::{self, Texts, expected_names, refused};
use crate::write::{Change, Write};
use crate::{DynamoDb, convert, legacy, params};

impl Operation<DeleteItem> for DynamoDb {
    fn access(&self, input: &DeleteItemInput, caller: &Caller) -> Result<Access, Error> {
        let access = single::Access {
            action: "dynamodb:DeleteItem",
            table: &input.table_name,
            key: &input.key,
            legacy: expected_names(input.expected.as_ref()),
            expressions: Expressions {
                condition: input.condition_expression.as_ref(),
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

    async fn run(&self, call: Call<DeleteItem>) -> Result<DeleteItemOutput, Error> {
        let table = self.at(&call.input.table_name, call.caller()).checked()?;
        let (input, _) = call.into_parts();
        if !matches!(input.return_values, None | Some(ReturnValue::None | ReturnValue::AllOld)) {
            return Err(Error::Validation("ReturnValues can only be ALL_OLD or NONE".to_owned()));
        }
        params::not_both(
            &[
                ("Expected", input.expected.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            &[("ConditionExpression", input.condition_expression.is_some())],
        )?;
        let key = convert::item(input.key)?;
        let texts = Texts {
            condition: input.condition_expression,
            names: input.expression_attribute_names,
            values: input.expression_attribute_values,
            ..Texts::default()
        };
        let parsed = texts.parse(&[Clause::Condition])?;
        let expected = legacy::expected(input.expected, input.conditional_operator)?;
        let on_failure = input.return_values_on_condition_check_failure;
        let write = Write { table, change: Change::Delete(key), condition: parsed.condition.or(expected) };
        let perform = move |tx: &mut casemate_store::WriteTx<'_>| {
            write.perform(tx).map_err(|refusal| refused(refusal, on_failure))
        };
        let written = self.env.store.write(perform).await?;
        let consumed = Consumed::write(&written, Rate::Ordinary, input.return_consumed_capacity);
        let old = written.before.filter(|_| input.return_values == Some(ReturnValue::AllOld));
        Ok(DeleteItemOutput {
            attributes: old.map(convert::to_wire),
            consumed_capacity: consumed.report(&written.table, input.return_consumed_capacity),
            item_collection_metrics: None,
        })
    }
}
