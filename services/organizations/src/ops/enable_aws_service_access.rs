//! `EnableAWSServiceAccess`: lets a service act in the whole organisation.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{EnableAWSServiceAccess, EnableAWSServiceAccessInput, EnableAWSServiceAccessOutput, Error},
};

impl Operation<EnableAWSServiceAccess> for Organizations {
    fn access(&self, input: &EnableAWSServiceAccessInput, _caller: &Caller) -> Result<Access, Error> {
        let access = Access::on_any("organizations:EnableAWSServiceAccess");
        Ok(access.with("organizations:ServicePrincipal", input.service_principal.clone()))
    }

    async fn run(&self, call: Call<EnableAWSServiceAccess>) -> Result<EnableAWSServiceAccessOutput, Error> {
        let now = call.now();
        let service = call.input.service_principal.clone();
        self.change(call.scope(), move |_, organization| organization.services.enable(&service, now)).await?;
        Ok(EnableAWSServiceAccessOutput {})
    }
}
