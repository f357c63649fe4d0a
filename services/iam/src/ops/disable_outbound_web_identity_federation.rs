//! `DisableOutboundWebIdentityFederation`: the account issues no more tokens. Those it has issued stay verifiable to their end.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        DisableOutboundWebIdentityFederation, DisableOutboundWebIdentityFederationInput,
        DisableOutboundWebIdentityFederationOutput, Error,
    },
    outbound,
};

impl Operation<DisableOutboundWebIdentityFederation> for Iam {
    fn access(
        &self,
        _input: &DisableOutboundWebIdentityFederationInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:DisableOutboundWebIdentityFederation"))
    }

    async fn run(
        &self,
        call: Call<DisableOutboundWebIdentityFederation>,
    ) -> Result<DisableOutboundWebIdentityFederationOutput, Error> {
        let scope = call.scope().clone();
        self.change(move |tx| {
            let mut issuer = outbound::enabled(tx, &scope)?;
            issuer.enabled = false;
            issuer.save(tx, &scope)
        })
        .await?;
        Ok(DisableOutboundWebIdentityFederationOutput {})
    }
}
