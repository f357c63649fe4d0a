//! `BatchWriteItem`: up to twenty-five puts and deletes, each for itself, in any tables.

use std::collections::{BTreeMap, BTreeSet};

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::api::{
    BatchWriteItem, BatchWriteItemInput, BatchWriteItemOutput, ConsumedCapacity, Error,
    ReturnConsumedCapacity, WriteRequest,
};
use crate::capacity::{Consumed, Rate};
use crate::condition_keys::{Described, LeadingKeys, Names};
use crate::resource::TableRef;
use crate::single::refused;
use crate::table::{self, Table};
use crate::write::{Change, Write};
use crate::{DynamoDb, convert};

/// Writes per request. Source: DynamoDB API reference, BatchWriteItem.
const WRITES_MAX: usize = 25;
/// Bytes of items and index rows in one store transaction; a larger batch takes several. Ours.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

impl Operation<BatchWriteItem> for DynamoDb {
    fn access(&self, input: &BatchWriteItemInput, caller: &Caller) -> Result<Access, Error> {
        if input.request_items.is_empty() {
            return Ok(Access::on_any("dynamodb:BatchWriteItem"));
        }
        let ask = |(name, requests): (&String, &Vec<WriteRequest>)| -> Result<Ask, Error> {
            let at = self.at(name, caller);
            let table = self.known(&at)?;
            let keys = requests.iter().flat_map(|request| {
                let put = request.put_request.iter().map(|put| &put.item);
                put.chain(request.delete_request.iter().map(|delete| &delete.key))
            });
            let mut names = Names::default();
            names.all(keys.clone().flat_map(BTreeMap::keys));
            Ok(Described::on("dynamodb:BatchWriteItem", at.arn())
                .leading(&LeadingKeys::of(table.as_deref(), keys))
                .attributes(names)
                .capacity(input.return_consumed_capacity)
                .done())
        };
        Ok(Access::Iam(input.request_items.iter().map(ask).collect::<Result<_, _>>()?))
    }

    async fn run(&self, call: Call<BatchWriteItem>) -> Result<BatchWriteItemOutput, Error> {
        let count: usize = call.input.request_items.values().map(Vec::len).sum();
        if count > WRITES_MAX {
            return Err(Error::Validation("Too many items requested for the BatchWriteItem call".to_owned()));
        }
        let mut writes = Vec::new();
        for (name, requests) in &call.input.request_items {
            let at = self.at(name, call.caller()).checked()?;
            for request in requests {
                writes.push(parse(at.clone(), request)?);
            }
        }
        let wanted = call.input.return_consumed_capacity;
        // AWS: keys and sizes of all are checked before any is written.
        let weights = self.env.store.read(|tx| {
            let (mut seen, mut weights) = (BTreeSet::new(), Vec::new());
            for write in &writes {
                let table = table::load(tx, &write.table)?;
                let key = write.key(&table)?;
                weights.push(write.weight(&table));
                if !seen.insert((table.id, key)) {
                    return Err(Error::Validation(
                        "Provided list of item keys contains duplicates".to_owned(),
                    ));
                }
                write.check_size()?;
            }
            Ok(weights)
        })?;
        let mut capacity = BTreeMap::new();
        for group in groups(writes.into_iter().zip(weights).collect()) {
            let written = self.env.store.write(move |tx| perform(tx, &group, wanted)).await?;
            for (table, consumed) in written {
                let sum: &mut (Table, Consumed) =
                    capacity.entry(table.id.clone()).or_insert_with(|| (table, Consumed::default()));
                sum.1.add(consumed);
            }
        }
        Ok(BatchWriteItemOutput {
            unprocessed_items: Some(BTreeMap::new()),
            item_collection_metrics: None,
            consumed_capacity: reports(&capacity, wanted),
        })
    }
}

fn parse(table: TableRef, request: &WriteRequest) -> Result<Write, Error> {
    let change = match (&request.put_request, &request.delete_request) {
        (Some(put), None) => Change::Put(convert::item(put.item.clone())?),
        (None, Some(delete)) => Change::Delete(convert::item(delete.key.clone())?),
        _ => {
            return Err(Error::Validation(
                "Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest".to_owned(),
            ));
        }
    };
    Ok(Write { table, change, condition: None })
}

/// Cuts a batch into parts that each fit one store transaction.
fn groups(writes: Vec<(Write, usize)>) -> Vec<Vec<Write>> {
    let mut groups: Vec<Vec<Write>> = Vec::new();
    let mut bytes = 0;
    for (write, weight) in writes {
        bytes += weight;
        match groups.last_mut() {
            Some(group) if bytes <= GROUP_BYTES => group.push(write),
            _ => {
                bytes = weight;
                groups.push(vec![write]);
            }
        }
    }
    groups
}

fn perform(
    tx: &mut casemate_store::WriteTx<'_>,
    group: &[Write],
    wanted: Option<ReturnConsumedCapacity>,
) -> Result<Vec<(Table, Consumed)>, Error> {
    group
        .iter()
        .map(|write| {
            let written = write.perform(tx).map_err(|refusal| refused(refusal, None))?;
            let consumed = Consumed::write(&written, Rate::Ordinary, wanted);
            Ok((written.table, consumed))
        })
        .collect()
}

/// The reports of several tables, if wanted.
pub(super) fn reports(
    capacity: &BTreeMap<String, (Table, Consumed)>,
    wanted: Option<ReturnConsumedCapacity>,
) -> Option<Vec<ConsumedCapacity>> {
    let all: Vec<ConsumedCapacity> =
        capacity.values().filter_map(|(table, consumed)| consumed.report(table, wanted)).collect();
    (!all.is_empty()).then_some(all)
}
