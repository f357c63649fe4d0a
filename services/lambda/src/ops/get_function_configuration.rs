//! `GetFunctionConfiguration`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, GetFunctionConfiguration, GetFunctionConfigurationInput, GetFunctionConfigurationOutput},
    ask, variables_key,
};

impl Operation<GetFunctionConfiguration> for Lambda {
    fn access(&self, input: &GetFunctionConfigurationInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetFunctionConfiguration", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<GetFunctionConfiguration>,
    ) -> Result<GetFunctionConfigurationOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        let function = self.function(&at)?;
        let shown = function.shown_as(&at.requested_arn());
        Ok(variables_key::reveal(call.permit(), &function, shown).await)
    }
}
