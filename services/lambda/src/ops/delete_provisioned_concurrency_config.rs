//! `DeleteProvisionedConcurrencyConfig`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Lambda,
    api::{
        DeleteProvisionedConcurrencyConfig, DeleteProvisionedConcurrencyConfigInput,
        DeleteProvisionedConcurrencyConfigOutput, Error,
    },
    ask,
    provisioned::{self, Provisioned},
};

impl Operation<DeleteProvisionedConcurrencyConfig> for Lambda {
    fn access(
        &self,
        input: &DeleteProvisionedConcurrencyConfigInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let at = self.at(&input.function_name, Some(&input.qualifier), caller);
        Ok(Access::Iam(vec![ask::on(
            "lambda:DeleteProvisionedConcurrencyConfig",
            at.requested_arn(),
            caller,
        )]))
    }

    async fn run(
        &self,
        call: Call<DeleteProvisionedConcurrencyConfig>,
    ) -> Result<DeleteProvisionedConcurrencyConfigOutput, Error> {
        let at = self.at(&call.input.function_name, Some(&call.input.qualifier), call.caller());
        at.check(&self.env)?;
        let place = at.clone();
        self.env
            .store
            .write(move |tx| {
                provisioned::check_place(tx, &place)?;
                // AWS: deleting what is not there succeeds.
                tx.delete::<Provisioned>(&place.qualified_key())?;
                Ok::<_, Error>(())
            })
            .await?;
        self.provision(&at)?;
        Ok(DeleteProvisionedConcurrencyConfigOutput {})
    }
}
