//! `DeleteFunctionEventInvokeConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        DeleteFunctionEventInvokeConfig, DeleteFunctionEventInvokeConfigInput,
        DeleteFunctionEventInvokeConfigOutput, Error,
    },
    ask,
    event_config::{self, EventConfig},
};

impl Operation<DeleteFunctionEventInvokeConfig> for Lambda {
    fn access(&self, input: &DeleteFunctionEventInvokeConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:DeleteFunctionEventInvokeConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<DeleteFunctionEventInvokeConfig>,
    ) -> Result<DeleteFunctionEventInvokeConfigOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        self.env
            .store
            .write(move |tx| {
                if !tx.exists::<EventConfig>(&at.qualified_key())? {
                    return Err(event_config::none(&at));
                }
                tx.delete::<EventConfig>(&at.qualified_key())?;
                Ok(())
            })
            .await?;
        Ok(DeleteFunctionEventInvokeConfigOutput {})
    }
}
