//! `DeleteFunctionConcurrency`: the function shares the account's limit again.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        DeleteFunctionConcurrency, DeleteFunctionConcurrencyInput, DeleteFunctionConcurrencyOutput, Error,
    },
    ask,
    function::Function,
    refusal,
};

impl Operation<DeleteFunctionConcurrency> for Lambda {
    fn access(&self, input: &DeleteFunctionConcurrencyInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:DeleteFunctionConcurrency", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<DeleteFunctionConcurrency>,
    ) -> Result<DeleteFunctionConcurrencyOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        let account = at.scope.account.clone();
        self.env
            .store
            .write(move |tx| {
                let mut function = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                function.reserved = None;
                tx.put(&at.key(), &function)?;
                Ok::<_, Error>(())
            })
            .await?;
        self.invoker.reservations_changed(&account);
        Ok(DeleteFunctionConcurrencyOutput {})
    }
}
