//! `DeleteFunction`: the function, its policy, its package, its waiting events and its idle environments.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{DeleteFunction, DeleteFunctionInput, DeleteFunctionOutput, Error},
    ask,
    function::Function,
    permission::Permissions,
    refusal,
    resource::LATEST,
};

impl Operation<DeleteFunction> for Lambda {
    fn access(&self, input: &DeleteFunctionInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:DeleteFunction", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<DeleteFunction>) -> Result<DeleteFunctionOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        if at.qualifier.as_deref() == Some(LATEST) {
            // AWS: text as the service words it.
            return Err(Error::invalid_parameter_value_exception(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        at.check(&self.env)?;
        let arn = at.arn();
        self.packages
            .abandon(move |tx| {
                let function = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                tx.delete::<Function>(&at.key())?;
                tx.delete::<Permissions>(&at.key())?;
                Ok(function.code)
            })
            .await?;
        self.invoker.retire(&arn);
        Ok(DeleteFunctionOutput { status_code: Some(204) })
    }
}
