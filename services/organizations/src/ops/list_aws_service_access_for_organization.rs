//! `ListAWSServiceAccessForOrganization`: services that act in the whole organisation.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        EnabledServicePrincipal, Error, ListAWSServiceAccessForOrganization,
        ListAWSServiceAccessForOrganizationInput, ListAWSServiceAccessForOrganizationOutput,
    },
    page,
};

impl Operation<ListAWSServiceAccessForOrganization> for Organizations {
    fn access(
        &self,
        _input: &ListAWSServiceAccessForOrganizationInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:ListAWSServiceAccessForOrganization"))
    }

    async fn run(
        &self,
        call: Call<ListAWSServiceAccessForOrganization>,
    ) -> Result<ListAWSServiceAccessForOrganizationOutput, Error> {
        let input = &call.input;
        let (shown, next_token) = self.read(call.scope(), |_, organization| {
            let services = organization.services.iter().map(|(name, since)| {
                let shown = EnabledServicePrincipal {
                    service_principal: Some(name.clone()),
                    date_enabled: Some(since),
                };
                (name.clone(), shown)
            });
            page::cut(services, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListAWSServiceAccessForOrganizationOutput { enabled_service_principals: Some(shown), next_token })
    }
}
