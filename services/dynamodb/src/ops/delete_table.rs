//! `DeleteTable`: removes a table with all it holds.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::api::{DeleteTable, DeleteTableInput, DeleteTableOutput, Error, TableStatus};
use crate::jobs::Job;
use crate::rows::Counts;
use crate::table::{self, Table};
use crate::{DynamoDb, describe, key, rows, ttl};

impl Operation<DeleteTable> for DynamoDb {
    fn access(&self, input: &DeleteTableInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on("dynamodb:DeleteTable", self.at(&input.table_name, caller).arn()))
    }

    async fn run(&self, call: Call<DeleteTable>) -> Result<DeleteTableOutput, Error> {
        let at = self.at(&call.input.table_name, call.caller()).checked()?;
        let description = self
            .env
            .store
            .write(move |tx| {
                let table = table::load_named(tx, &at)?;
                // AWS: text as the service words it.
                if table.deletion_protected {
                    return Err(Error::Validation(
                        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                         protection first."
                            .to_owned(),
                    ));
                }
                let counts = rows::counts(tx, &at.scope, &table)?;
                tx.delete::<Table>(&table::row_key(&at.scope, &at.name))?;
                tx.delete::<Counts>(&key::table_prefix(&at.scope, &table))?;
                ttl::forget(tx, &table)?;
                Job::purge_items(&at.scope, &table).enqueue(tx)?;
                for index in &table.indexes {
                    Job::purge_index(&at.scope, &table, &index.id).enqueue(tx)?;
                }
                Ok::<_, Error>(describe::table(&at.scope, &table, &counts, TableStatus::Deleting))
            })
            .await?;
        self.work_off_some().await?;
        Ok(DeleteTableOutput { table_description: Some(description) })
    }
}
