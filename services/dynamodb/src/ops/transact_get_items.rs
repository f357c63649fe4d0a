//! `TransactGetItems`: reads up to a hundred items as of one moment.

use std::collections::{BTreeMap, BTreeSet};

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{
    Error, ItemResponse, TransactGetItem, TransactGetItems, TransactGetItemsInput, TransactGetItemsOutput,
};
use crate::capacity::{Consumed, Rate};
use crate::condition_keys::select_of_get;
use crate::expression::Clause;
use crate::ops::batch_write_item::reports;
use crate::single::{self, Reading, Texts};
use crate::table::Table;
use crate::value::item_size;
use crate::{DynamoDb, convert, key, rows, table};

impl Operation<TransactGetItems> for DynamoDb {
    fn access(&self, input: &TransactGetItemsInput, caller: &Caller) -> Result<Access, Error> {
        if input.transact_items.is_empty() {
            return Ok(Access::on_any("dynamodb:GetItem"));
        }
        let ask = |item: &TransactGetItem| {
            let access = single::Access::of_get(&item.get, input.return_consumed_capacity);
            let select = select_of_get(item.get.projection_expression.is_some());
            Ok(self.describe(access, caller)?.select(select).enclosed_by("TransactGetItems").done())
        };
        Ok(Access::Iam(input.transact_items.iter().map(ask).collect::<Result<_, Error>>()?))
    }

    async fn run(&self, call: Call<TransactGetItems>) -> Result<TransactGetItemsOutput, Error> {
        let wanted = call.input.return_consumed_capacity;
        let mut readings = Vec::new();
        for item in &call.input.transact_items {
            let get = item.get.clone();
            let texts = Texts {
                projection: get.projection_expression,
                names: get.expression_attribute_names,
                ..Texts::default()
            };
            readings.push(Reading {
                table: self.at(&get.table_name, call.caller()).checked()?,
                key: convert::item(get.key)?,
                projection: texts.parse(&[Clause::Projection])?.projection,
            });
        }
        let (responses, capacity) = self.env.store.read(|tx| {
            let (mut responses, mut seen) = (Vec::new(), BTreeSet::new());
            let mut capacity: BTreeMap<String, (Table, Consumed)> = BTreeMap::new();
            for reading in &readings {
                let table = table::load(tx, &reading.table)?;
                let key = key::of_key(&table, &reading.key)?;
                if !seen.insert((table.id.clone(), key.clone())) {
                    return Err(Error::Validation(
                        "Transaction request cannot include multiple operations on one item".to_owned(),
                    ));
                }
                let item = rows::fetch(tx, &reading.table.scope, &table, &key)?;
                let consumed =
                    Consumed::read(item.as_ref().map_or(0, item_size), true, Rate::Transaction, None);
                let sum = capacity.entry(table.id.clone()).or_insert_with(|| (table, Consumed::default()));
                sum.1.add(consumed);
                let shown = item.map(|item| match &reading.projection {
                    Some(projection) => projection.of(&item),
                    None => item,
                });
                responses.push(ItemResponse { item: shown.map(convert::to_wire) });
            }
            Ok((responses, capacity))
        })?;
        Ok(TransactGetItemsOutput {
            responses: Some(responses),
            consumed_capacity: reports(&capacity, wanted),
        })
    }
}
