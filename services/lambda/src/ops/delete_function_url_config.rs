//! `DeleteFunctionUrlConfig`: the address leads nowhere from now on, and is not given again.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{DeleteFunctionUrlConfig, DeleteFunctionUrlConfigInput, DeleteFunctionUrlConfigOutput, Error},
    function_url, refusal,
};

impl Operation<DeleteFunctionUrlConfig> for Lambda {
    fn access(&self, input: &DeleteFunctionUrlConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![self.existing_url_ask("lambda:DeleteFunctionUrlConfig", &at, caller)?]))
    }

    async fn run(&self, call: Call<DeleteFunctionUrlConfig>) -> Result<DeleteFunctionUrlConfigOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        function_url::check_qualifier(&at)?;
        let there = self.env.store.write(move |tx| function_url::remove(tx, &at.qualified_key())).await?;
        if !there {
            return Err(refusal::no_resource());
        }
        Ok(DeleteFunctionUrlConfigOutput {})
    }
}
