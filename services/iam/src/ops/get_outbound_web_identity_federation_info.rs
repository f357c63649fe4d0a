//! `GetOutboundWebIdentityFederationInfo`: the account's token issuer. While it is switched off there is none to tell of.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, GetOutboundWebIdentityFederationInfo, GetOutboundWebIdentityFederationInfoInput,
        GetOutboundWebIdentityFederationInfoOutput,
    },
    outbound,
};

impl Operation<GetOutboundWebIdentityFederationInfo> for Iam {
    fn access(
        &self,
        _input: &GetOutboundWebIdentityFederationInfoInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GetOutboundWebIdentityFederationInfo"))
    }

    async fn run(
        &self,
        call: Call<GetOutboundWebIdentityFederationInfo>,
    ) -> Result<GetOutboundWebIdentityFederationInfoOutput, Error> {
        let issuer = self.read(|tx| outbound::enabled(tx, call.scope()))?;
        Ok(GetOutboundWebIdentityFederationInfoOutput {
            issuer_identifier: Some(outbound::identifier(&self.env, &issuer.id)),
            jwt_vending_enabled: Some(issuer.enabled),
        })
    }
}
