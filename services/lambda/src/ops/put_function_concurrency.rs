//! `PutFunctionConcurrency`: how many requests of one function may run at once. Zero stops it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Concurrency, Error, PutFunctionConcurrency, PutFunctionConcurrencyInput, PutFunctionConcurrencyOutput,
    },
    ask,
    function::{Function, reserved_in_all},
    provisioned, refusal,
    resource::functions_key,
    throttle::{CONCURRENT_MAX, UNRESERVED_MIN},
};

impl Operation<PutFunctionConcurrency> for Lambda {
    fn access(&self, input: &PutFunctionConcurrencyInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:PutFunctionConcurrency", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<PutFunctionConcurrency>) -> Result<PutFunctionConcurrencyOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        let account = at.scope.account.clone();
        let asked = call.input.reserved_concurrent_executions;
        let reserved = usize::try_from(asked).unwrap_or_default();
        self.env
            .store
            .write(move |tx| {
                let mut function = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                let all = tx.scan::<Function>(&functions_key(&at.scope), None, usize::MAX)?;
                let others = reserved_in_all(all.iter().map(|(_, f)| f).filter(|f| f.arn != function.arn));
                if others.saturating_add(reserved).saturating_add(UNRESERVED_MIN) > CONCURRENT_MAX {
                    // AWS: text as the service words it.
                    return Err(Error::invalid_parameter_value_exception(format!(
                        "Specified ReservedConcurrentExecutions for function decreases account's \
                         UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
                    )));
                }
                let provisioned = provisioned::in_all(tx, &at)?;
                if reserved < provisioned {
                    // AWS: text as the service words it.
                    return Err(Error::invalid_parameter_value_exception(format!(
                        "ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned \
                         concurrency [{provisioned}]."
                    )));
                }
                function.reserved = Some(reserved);
                tx.put(&at.key(), &function)?;
                Ok(())
            })
            .await?;
        self.invoker.reservations_changed(&account);
        Ok(Concurrency { reserved_concurrent_executions: Some(asked) })
    }
}
