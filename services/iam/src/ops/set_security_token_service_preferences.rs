//! `SetSecurityTokenServicePreferences`: which version of session tokens the account gets. There is one version here.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, GlobalEndpointTokenVersion, SetSecurityTokenServicePreferences,
        SetSecurityTokenServicePreferencesInput, SetSecurityTokenServicePreferencesOutput,
    },
};

impl Operation<SetSecurityTokenServicePreferences> for Iam {
    fn access(
        &self,
        _input: &SetSecurityTokenServicePreferencesInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:SetSecurityTokenServicePreferences"))
    }

    async fn run(
        &self,
        call: Call<SetSecurityTokenServicePreferences>,
    ) -> Result<SetSecurityTokenServicePreferencesOutput, Error> {
        match call.input.global_endpoint_token_version {
            // What GetAccountSummary says, and what is in force.
            GlobalEndpointTokenVersion::V2Token => Ok(SetSecurityTokenServicePreferencesOutput {}),
            // DIVERGES: tokens that are refused in regions which an account must enable do not exist here; a promise that
            // they are would not be kept.
            GlobalEndpointTokenVersion::V1Token => Err(Error::Validation(
                "Session tokens are valid in every region: v1Token cannot be set.".to_owned(),
            )),
        }
    }
}
