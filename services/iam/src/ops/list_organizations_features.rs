//! `ListOrganizationsFeatures`: which features of central root access the caller's organisation has switched on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, ListOrganizationsFeatures, ListOrganizationsFeaturesInput, ListOrganizationsFeaturesOutput,
    },
};

impl Operation<ListOrganizationsFeatures> for Iam {
    fn access(&self, _input: &ListOrganizationsFeaturesInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:ListOrganizationsFeatures"))
    }

    async fn run(
        &self,
        call: Call<ListOrganizationsFeatures>,
    ) -> Result<ListOrganizationsFeaturesOutput, Error> {
        let features = self.features(call.caller())?;
        Ok(ListOrganizationsFeaturesOutput {
            organization_id: Some(features.organization),
            enabled_features: Some(features.enabled),
        })
    }
}
