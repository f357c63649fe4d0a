//! `GetProvisionedConcurrencyConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, GetProvisionedConcurrencyConfig, GetProvisionedConcurrencyConfigInput,
        GetProvisionedConcurrencyConfigOutput,
    },
    ask,
    provisioned::{self, Provisioned},
};

impl Operation<GetProvisionedConcurrencyConfig> for Lambda {
    fn access(&self, input: &GetProvisionedConcurrencyConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, Some(&input.qualifier), caller);
        Ok(Access::Iam(vec![ask::on("lambda:GetProvisionedConcurrencyConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<GetProvisionedConcurrencyConfig>,
    ) -> Result<GetProvisionedConcurrencyConfigOutput, Error> {
        let at = self.at(&call.input.function_name, Some(&call.input.qualifier), call.caller());
        at.check(&self.env)?;
        let found = self.env.store.read(|tx| {
            provisioned::check_place(tx, &at)?;
            Ok::<_, Error>(tx.get::<Provisioned>(&at.qualified_key())?)
        })?;
        let shown = self.provisioned_shown(&found.ok_or_else(provisioned::none)?)?;
        Ok(GetProvisionedConcurrencyConfigOutput {
            requested_provisioned_concurrent_executions: shown.requested_provisioned_concurrent_executions,
            available_provisioned_concurrent_executions: shown.available_provisioned_concurrent_executions,
            allocated_provisioned_concurrent_executions: shown.allocated_provisioned_concurrent_executions,
            status: shown.status,
            status_reason: shown.status_reason,
            last_modified: shown.last_modified,
        })
    }
}
