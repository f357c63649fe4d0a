//! `GetFunction`: configuration, tags and where the package is.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Concurrency, Error, FunctionCodeLocation, GetFunction, GetFunctionInput, GetFunctionOutput},
    ask, download,
    image::ImageUse,
    variables_key,
};

impl Operation<GetFunction> for Lambda {
    fn access(&self, input: &GetFunctionInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetFunction", at.requested_arn(), caller)]))
    }

    async fn run(&self, call: Call<GetFunction>) -> Result<GetFunctionOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        let function = self.function(&at)?;
        let shown = function.shown_as(&at.requested_arn());
        let location = download::of_function(&self.env, call.permit(), &function)?;
        Ok(GetFunctionOutput {
            configuration: Some(variables_key::reveal(call.permit(), &function, shown).await),
            // AWS: "S3", as clients expect it; where the link leads is said in `download.rs`.
            code: Some(function.image.as_ref().map_or_else(
                || FunctionCodeLocation {
                    repository_type: Some("S3".to_owned()),
                    location,
                    ..FunctionCodeLocation::default()
                },
                ImageUse::location,
            )),
            concurrency: function
                .reserved
                .map(|reserved| Concurrency { reserved_concurrent_executions: i32::try_from(reserved).ok() }),
            tags: Some(function.tags).filter(|tags| !tags.is_empty()),
            ..GetFunctionOutput::default()
        })
    }
}
