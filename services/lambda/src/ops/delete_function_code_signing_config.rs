//! `DeleteFunctionCodeSigningConfig`: the function takes any package from now on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        DeleteFunctionCodeSigningConfig, DeleteFunctionCodeSigningConfigInput,
        DeleteFunctionCodeSigningConfigOutput, Error,
    },
    ask,
    signing::Use,
};

impl Operation<DeleteFunctionCodeSigningConfig> for Lambda {
    fn access(&self, input: &DeleteFunctionCodeSigningConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, None, caller);
        Ok(Access::Iam(vec![ask::on("lambda:DeleteFunctionCodeSigningConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<DeleteFunctionCodeSigningConfig>,
    ) -> Result<DeleteFunctionCodeSigningConfigOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        self.latest(&at)?;
        self.env.store.write(move |tx| tx.delete::<Use>(&at.key())).await?;
        Ok(DeleteFunctionCodeSigningConfigOutput {})
    }
}
