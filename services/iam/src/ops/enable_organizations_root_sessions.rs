//! `EnableOrganizationsRootSessions`: from now on the management account may unlock members' resources as their root.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        EnableOrganizationsRootSessions, EnableOrganizationsRootSessionsInput,
        EnableOrganizationsRootSessionsOutput, Error,
    },
    root_access::{Feature, Switch},
};

impl Operation<EnableOrganizationsRootSessions> for Iam {
    fn access(
        &self,
        _input: &EnableOrganizationsRootSessionsInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:EnableOrganizationsRootSessions"))
    }

    async fn run(
        &self,
        call: Call<EnableOrganizationsRootSessions>,
    ) -> Result<EnableOrganizationsRootSessionsOutput, Error> {
        let features = self.switch(call.caller(), Feature::RootSessions, Switch::On).await?;
        Ok(EnableOrganizationsRootSessionsOutput {
            organization_id: Some(features.organization),
            enabled_features: Some(features.enabled),
        })
    }
}
