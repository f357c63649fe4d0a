//! `DisableOrganizationsRootSessions`: the management account unlocks nothing any more.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        DisableOrganizationsRootSessions, DisableOrganizationsRootSessionsInput,
        DisableOrganizationsRootSessionsOutput, Error,
    },
    root_access::{Feature, Switch},
};

impl Operation<DisableOrganizationsRootSessions> for Iam {
    fn access(
        &self,
        _input: &DisableOrganizationsRootSessionsInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:DisableOrganizationsRootSessions"))
    }

    async fn run(
        &self,
        call: Call<DisableOrganizationsRootSessions>,
    ) -> Result<DisableOrganizationsRootSessionsOutput, Error> {
        let features = self.switch(call.caller(), Feature::RootSessions, Switch::Off).await?;
        Ok(DisableOrganizationsRootSessionsOutput {
            organization_id: Some(features.organization),
            enabled_features: Some(features.enabled),
        })
    }
}
