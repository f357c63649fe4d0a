//! `DeleteLogStream`: removes a stream with its events.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Logs,
    api::{DeleteLogStream, DeleteLogStreamInput, DeleteLogStreamOutput, Error},
    resource, rows, sweep,
};

impl Operation<DeleteLogStream> for Logs {
    fn access(&self, input: &DeleteLogStreamInput, caller: &Caller) -> Result<Access, Error> {
        let arn = resource::stream_arn(&self.scope(caller), &input.log_group_name, &input.log_stream_name);
        Ok(Access::on("logs:DeleteLogStream", arn))
    }

    async fn run(&self, call: Call<DeleteLogStream>) -> Result<DeleteLogStreamOutput, Error> {
        let scope = call.scope().clone();
        let (group_name, name) = (call.input.log_group_name.clone(), call.input.log_stream_name.clone());
        let batches = self
            .env
            .store
            .write(move |tx| {
                let group = rows::group(tx, &scope, &group_name)?;
                if group.deletion_protected {
                    return Err(Error::validation_exception(
                        "The log stream cannot be deleted because deletion protection is enabled on the log group.",
                    ));
                }
                let stream = rows::stream(tx, &scope, &group, &name)?;
                tx.delete::<rows::Stream>(&rows::stream_key(&scope, &group.id, &name))?;
                let batches = rows::batches_key(&scope, &group.id, stream.number);
                sweep::discard(tx, &batches)?;
                Ok(batches)
            })
            .await?;
        sweep::batches(&self.env.store, batches).await?;
        Ok(DeleteLogStreamOutput {})
    }
}
