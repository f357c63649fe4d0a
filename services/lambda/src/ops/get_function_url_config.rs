//! `GetFunctionUrlConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{Error, GetFunctionUrlConfig, GetFunctionUrlConfigInput, GetFunctionUrlConfigOutput},
    function_url, refusal,
};

impl Operation<GetFunctionUrlConfig> for Lambda {
    fn access(&self, input: &GetFunctionUrlConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, input.qualifier.as_deref(), caller);
        Ok(Access::Iam(vec![self.existing_url_ask("lambda:GetFunctionUrlConfig", &at, caller)?]))
    }

    async fn run(&self, call: Call<GetFunctionUrlConfig>) -> Result<GetFunctionUrlConfigOutput, Error> {
        let at = self.at(&call.input.function_name, call.input.qualifier.as_deref(), call.caller());
        at.check(&self.env)?;
        function_url::check_qualifier(&at)?;
        let url = self.function_url(&at)?.ok_or_else(refusal::no_resource)?;
        let shown = url.shown(&self.env.site.endpoint);
        Ok(GetFunctionUrlConfigOutput {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            last_modified_time: shown.last_modified_time,
            invoke_mode: shown.invoke_mode,
        })
    }
}
