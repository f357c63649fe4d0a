//! `ListTables`: the names of the account's tables.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::DynamoDb;
use crate::api::{Error, ListTables, ListTablesInput, ListTablesOutput};
use crate::table::{self, Table};

/// Names per page, also the default. Source: DynamoDB API reference, ListTables.
const PAGE_MAX: usize = 100;

impl Operation<ListTables> for DynamoDb {
    fn access(&self, _input: &ListTablesInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("dynamodb:ListTables"))
    }

    async fn run(&self, call: Call<ListTables>) -> Result<ListTablesOutput, Error> {
        let limit =
            call.input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let after =
            call.input.exclusive_start_table_name.as_ref().map(|name| table::row_key(call.scope(), name));
        let tables = self.env.store.read(|tx| {
            Ok::<_, Error>(tx.scan::<Table>(
                &Key::of(call.scope()),
                after.as_ref(),
                limit.saturating_add(1),
            )?)
        })?;
        let more = tables.len() > limit;
        let names: Vec<String> = tables.into_iter().take(limit).map(|(_, table)| table.name).collect();
        Ok(ListTablesOutput {
            last_evaluated_table_name: names.last().filter(|_| more).cloned(),
            table_names: Some(names),
        })
    }
}
