//! `DeleteLogGroup`: removes a group with its streams and events.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Logs,
    api::{DeleteLogGroup, DeleteLogGroupInput, DeleteLogGroupOutput, Error},
    resource, rows, sweep,
};

/// Stream rows removed in one transaction.
const STREAMS_AT_A_TIME: usize = 1_000;

impl Operation<DeleteLogGroup> for Logs {
    fn access(&self, input: &DeleteLogGroupInput, caller: &Caller) -> Result<Access, Error> {
        let arn = resource::whole_group_arn(&self.scope(caller), &input.log_group_name);
        Ok(Access::on("logs:DeleteLogGroup", arn))
    }

    async fn run(&self, call: Call<DeleteLogGroup>) -> Result<DeleteLogGroupOutput, Error> {
        let (scope, name) = (call.scope().clone(), call.input.log_group_name.clone());
        let id = self
            .env
            .store
            .write(move |tx| {
                let group = rows::group(tx, &scope, &name)?;
                if group.deletion_protected {
                    return Err(Error::validation_exception(
                        "The log group cannot be deleted because deletion protection is enabled.",
                    ));
                }
                tx.delete::<rows::Group>(&rows::group_key(&scope, &name))?;
                sweep::discard(tx, &rows::group_batches_key(&scope, &group.id))?;
                Ok(group.id)
            })
            .await?;
        // Nothing leads to streams and batches any more; what a crash leaves of them is harmless.
        let streams = rows::streams_key(call.scope(), &id);
        loop {
            let prefix = streams.clone();
            let removed = self
                .env
                .store
                .write(move |tx| {
                    let keys = tx.keys::<rows::Stream>(&prefix, None, STREAMS_AT_A_TIME)?;
                    keys.iter().try_for_each(|key| tx.delete::<rows::Stream>(key))?;
                    Ok::<_, Error>(keys.len())
                })
                .await?;
            if removed < STREAMS_AT_A_TIME {
                break;
            }
        }
        sweep::batches(&self.env.store, rows::group_batches_key(call.scope(), &id)).await?;
        Ok(DeleteLogGroupOutput {})
    }
}
