//! `GetFunctionCodeSigningConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, GetFunctionCodeSigningConfig, GetFunctionCodeSigningConfigInput,
        GetFunctionCodeSigningConfigOutput,
    },
    ask,
    signing::Use,
};

impl Operation<GetFunctionCodeSigningConfig> for Lambda {
    fn access(&self, input: &GetFunctionCodeSigningConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetFunctionCodeSigningConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<GetFunctionCodeSigningConfig>,
    ) -> Result<GetFunctionCodeSigningConfigOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        self.latest(&at)?;
        let found = self.env.store.read(|tx| tx.get::<Use>(&at.key()))?;
        // AWS: a function without configuration has an empty answer.
        Ok(found.map_or_else(GetFunctionCodeSigningConfigOutput::default, |Use(arn)| {
            GetFunctionCodeSigningConfigOutput {
                code_signing_config_arn: arn.as_str().to_owned(),
                function_name: at.name,
            }
        }))
    }
}
