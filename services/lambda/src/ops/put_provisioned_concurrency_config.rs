//! `PutProvisionedConcurrencyConfig`: environments of a version that are ready before there are requests.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        Error, PutProvisionedConcurrencyConfig, PutProvisionedConcurrencyConfigInput,
        PutProvisionedConcurrencyConfigOutput,
    },
    ask,
    provisioned::{self, Provisioned},
    snapshot,
};

impl Operation<PutProvisionedConcurrencyConfig> for Lambda {
    fn access(&self, input: &PutProvisionedConcurrencyConfigInput, caller: &Caller) -> Result<Access, Error> {
        let at = self.at(&input.function_name, Some(&input.qualifier), caller);
        Ok(Access::Iam(vec![ask::on("lambda:PutProvisionedConcurrencyConfig", at.requested_arn(), caller)]))
    }

    async fn run(
        &self,
        call: Call<PutProvisionedConcurrencyConfig>,
    ) -> Result<PutProvisionedConcurrencyConfigOutput, Error> {
        let now = call.now();
        let at = self.at(&call.input.function_name, Some(&call.input.qualifier), call.caller());
        at.check(&self.env)?;
        let count = usize::try_from(call.input.provisioned_concurrent_executions).unwrap_or(usize::MAX);
        let place = at.clone();
        let row = self
            .env
            .store
            .write(move |tx| {
                let function = provisioned::check_place(tx, &place)?;
                snapshot::check_provisioned(&function)?;
                provisioned::check_count(tx, &place, &function, count)?;
                let row = Provisioned { function: place.requested_arn(), count, modified_at: now };
                tx.put(&place.qualified_key(), &row)?;
                Ok::<_, Error>(row)
            })
            .await?;
        self.provision(&at)?;
        let shown = self.provisioned_shown(&row)?;
        Ok(PutProvisionedConcurrencyConfigOutput {
            requested_provisioned_concurrent_executions: shown.requested_provisioned_concurrent_executions,
            available_provisioned_concurrent_executions: shown.available_provisioned_concurrent_executions,
            allocated_provisioned_concurrent_executions: shown.allocated_provisioned_concurrent_executions,
            status: shown.status,
            status_reason: shown.status_reason,
            last_modified: shown.last_modified,
        })
    }
}
