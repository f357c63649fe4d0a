//! `DescribeTable`: a table's definition and counts.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{DescribeTable, DescribeTableInput, DescribeTableOutput, Error, TableStatus};
use crate::{DynamoDb, describe, rows, table};

impl Operation<DescribeTable> for DynamoDb {
    fn access(&self, input: &DescribeTableInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on("dynamodb:DescribeTable", self.at(&input.table_name, caller).arn()))
    }

    async fn run(&self, call: Call<DescribeTable>) -> Result<DescribeTableOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        self.env.store.read(|tx| {
            let table = table::load_named(tx, &at)?;
            let counts = rows::counts(tx, &at.scope, &table)?;
            let description = describe::table(&at.scope, &table, &counts, TableStatus::Active);
            Ok(DescribeTableOutput { table: Some(description) })
        })
    }
}
