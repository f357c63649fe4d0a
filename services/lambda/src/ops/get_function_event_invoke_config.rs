//! `GetFunctionEventInvokeConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, GetFunctionEventInvokeConfig, GetFunctionEventInvokeConfigInput,
        GetFunctionEventInvokeConfigOutput,
    },
    ask,
    event_config::{self, EventConfig},
};

impl Operation<GetFunctionEventInvokeConfig> for Lambda {
    fn access(&self, input: &GetFunctionEventInvokeConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetFunctionEventInvokeConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<GetFunctionEventInvokeConfig>,
    ) -> Result<GetFunctionEventInvokeConfigOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        let found = self.env.store.read(|tx| EventConfig::find(tx, &at))?;
        Ok(found.ok_or_else(|| event_config::none(&at))?.shown())
    }
}
