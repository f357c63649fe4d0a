//! `GetFunctionConcurrency`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, GetFunctionConcurrency, GetFunctionConcurrencyInput, GetFunctionConcurrencyOutput},
    ask,
};

impl Operation<GetFunctionConcurrency> for Lambda {
    fn access(&self, input: &GetFunctionConcurrencyInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetFunctionConcurrency", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<GetFunctionConcurrency>) -> Result<GetFunctionConcurrencyOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        let reserved = self.latest(&at)?.reserved.and_then(|reserved| i32::try_from(reserved).ok());
        Ok(GetFunctionConcurrencyOutput { reserved_concurrent_executions: reserved })
    }
}
