//! `DisableAWSServiceAccess`: no longer lets a service act in the organisation.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DisableAWSServiceAccess, DisableAWSServiceAccessInput, DisableAWSServiceAccessOutput, Error},
};

impl Operation<DisableAWSServiceAccess> for Organizations {
    fn access(&self, input: &DisableAWSServiceAccessInput, _caller: &Caller) -> Result<Access, Error> {
        let access = Access::on_any("organizations:DisableAWSServiceAccess");
        Ok(access.with("organizations:ServicePrincipal", input.service_principal.clone()))
    }

    async fn run(&self, call: Call<DisableAWSServiceAccess>) -> Result<DisableAWSServiceAccessOutput, Error> {
        let service = call.input.service_principal.clone();
        self.change(call.scope(), move |_, organization| organization.services.disable(&service)).await?;
        Ok(DisableAWSServiceAccessOutput {})
    }
}
