//! `PutFunctionRecursionConfig`: whether requests that come back to the function in a circle are stopped.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, PutFunctionRecursionConfig, PutFunctionRecursionConfigInput, PutFunctionRecursionConfigOutput,
        RecursiveLoop,
    },
    ask,
    function::Function,
    refusal,
};

impl Operation<PutFunctionRecursionConfig> for Lambda {
    fn access(&self, input: &PutFunctionRecursionConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:PutFunctionRecursionConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<PutFunctionRecursionConfig>,
    ) -> Result<PutFunctionRecursionConfigOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        let asked = call.input.recursive_loop;
        self.env
            .store
            .write(move |tx| {
                let mut function = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                function.loops_allowed = asked == RecursiveLoop::Allow;
                tx.put(&at.key(), &function)?;
                Ok::<_, Error>(())
            })
            .await?;
        Ok(PutFunctionRecursionConfigOutput { recursive_loop: Some(asked) })
    }
}
