//! `UpdateFunctionEventInvokeConfig`: members that are not there stay as they are.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, UpdateFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfigInput,
        UpdateFunctionEventInvokeConfigOutput,
    },
    ask,
    event_config::{self, Change, EventConfig},
};

impl Operation<UpdateFunctionEventInvokeConfig> for Lambda {
    fn access(&self, input: &UpdateFunctionEventInvokeConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:UpdateFunctionEventInvokeConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<UpdateFunctionEventInvokeConfig>,
    ) -> Result<UpdateFunctionEventInvokeConfigOutput, Error> {
        let now = call.now();
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        let env = self.env.clone();
        let (input, _) = call.into_parts();
        let (retries, age_s) = (input.maximum_retry_attempts, input.maximum_event_age_in_seconds);
        event_config::check_wish(&env, &at, (retries, age_s), input.destination_config.as_ref(), now)?;
        self.env
            .store
            .write(move |tx| {
                let change = Change::of(tx, &env, &at, retries, age_s, input.destination_config.as_ref())?;
                let found = EventConfig::find(tx, &at)?.ok_or_else(|| event_config::none(&at))?;
                let config = found.changed(change, now);
                tx.put(&at.qualified_key(), &config)?;
                Ok(config.shown())
            })
            .await
    }
}
