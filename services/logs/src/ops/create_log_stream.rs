//! `CreateLogStream`: makes an empty stream in a group.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Logs,
    api::{CreateLogStream, CreateLogStreamInput, CreateLogStreamOutput, Error},
    resource, rows,
};

impl Operation<CreateLogStream> for Logs {
    fn access(&self, input: &CreateLogStreamInput, caller: &Caller) -> Result<Access, Error> {
        let arn = resource::stream_arn(&self.scope(caller), &input.log_group_name, &input.log_stream_name);
        Ok(Access::on("logs:CreateLogStream", arn))
    }

    async fn run(&self, call: Call<CreateLogStream>) -> Result<CreateLogStreamOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let (group_name, name) = (call.input.log_group_name.clone(), call.input.log_stream_name.clone());
        self.env
            .store
            .write(move |tx| {
                let mut group = rows::group(tx, &scope, &group_name)?;
                let key = rows::stream_key(&scope, &group.id, &name);
                if tx.exists::<rows::Stream>(&key)? {
                    // AWS: text of the service.
                    return Err(Error::resource_already_exists_exception(
                        "The specified log stream already exists",
                    ));
                }
                group.streams_made += 1;
                let stream = rows::Stream {
                    number: group.streams_made,
                    created_at: now,
                    first_and_last: None,
                    ingested_at: None,
                    batches_made: 0,
                    span_ms_max: 0,
                };
                tx.put(&key, &stream)?;
                Ok(tx.put(&rows::group_key(&scope, &group_name), &group)?)
            })
            .await?;
        Ok(CreateLogStreamOutput {})
    }
}
