//! `DeleteFunction`: the function with all that is its own, or one published version of it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{DeleteFunction, DeleteFunctionInput, DeleteFunctionOutput, Error},
    ask, removal,
    resource::LATEST,
    variables_key,
    version::Version,
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
        let function = at.clone();
        let gone = match at.explicit() {
            None => self.packages.abandon(move |tx| removal::function(tx, &at)).await?,
            Some(qualifier) => {
                let Some(Version::Published(number)) = Version::parse(qualifier) else {
                    // AWS: text as the service words it.
                    return Err(Error::invalid_parameter_value_exception(
                        "Deletion of aliases is not currently supported.",
                    ));
                };
                self.packages.abandon(move |tx| removal::version(tx, &at, number)).await?
            }
        };
        for gone in &gone {
            self.invoker.retire(&gone.arn);
        }
        let sealed = gone.into_iter().filter_map(|gone| gone.settings.sealed);
        variables_key::end_unused(&self.env, call.permit(), &function, sealed).await?;
        Ok(DeleteFunctionOutput { status_code: Some(204) })
    }
}
