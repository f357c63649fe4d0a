//! `EnableOrganizationsRootCredentialsManagement`: from now on the management account may look at, take away and give back the
//! credentials of members' roots.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        EnableOrganizationsRootCredentialsManagement, EnableOrganizationsRootCredentialsManagementInput,
        EnableOrganizationsRootCredentialsManagementOutput, Error,
    },
    root_access::{Feature, Switch},
};

impl Operation<EnableOrganizationsRootCredentialsManagement> for Iam {
    fn access(
        &self,
        _input: &EnableOrganizationsRootCredentialsManagementInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:EnableOrganizationsRootCredentialsManagement"))
    }

    async fn run(
        &self,
        call: Call<EnableOrganizationsRootCredentialsManagement>,
    ) -> Result<EnableOrganizationsRootCredentialsManagementOutput, Error> {
        let features = self.switch(call.caller(), Feature::RootCredentialsManagement, Switch::On).await?;
        Ok(EnableOrganizationsRootCredentialsManagementOutput {
            organization_id: Some(features.organization),
            enabled_features: Some(features.enabled),
        })
    }
}
