//! `DisableOrganizationsRootCredentialsManagement`: the credentials of members' roots are the members' business again.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        DisableOrganizationsRootCredentialsManagement, DisableOrganizationsRootCredentialsManagementInput,
        DisableOrganizationsRootCredentialsManagementOutput, Error,
    },
    root_access::{Feature, Switch},
};

impl Operation<DisableOrganizationsRootCredentialsManagement> for Iam {
    fn access(
        &self,
        _input: &DisableOrganizationsRootCredentialsManagementInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:DisableOrganizationsRootCredentialsManagement"))
    }

    async fn run(
        &self,
        call: Call<DisableOrganizationsRootCredentialsManagement>,
    ) -> Result<DisableOrganizationsRootCredentialsManagementOutput, Error> {
        let features = self.switch(call.caller(), Feature::RootCredentialsManagement, Switch::Off).await?;
        Ok(DisableOrganizationsRootCredentialsManagementOutput {
            organization_id: Some(features.organization),
            enabled_features: Some(features.enabled),
        })
    }
}
