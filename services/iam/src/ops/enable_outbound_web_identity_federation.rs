//! `EnableOutboundWebIdentityFederation`: from now on the account issues tokens about its users and roles.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        EnableOutboundWebIdentityFederation, EnableOutboundWebIdentityFederationInput,
        EnableOutboundWebIdentityFederationOutput, Error,
    },
    outbound::{self, IssuerRow},
};

impl Operation<EnableOutboundWebIdentityFederation> for Iam {
    fn access(
        &self,
        _input: &EnableOutboundWebIdentityFederationInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(Access::on_any("iam:EnableOutboundWebIdentityFederation"))
    }

    async fn run(
        &self,
        call: Call<EnableOutboundWebIdentityFederation>,
    ) -> Result<EnableOutboundWebIdentityFederationOutput, Error> {
        let scope = call.scope().clone();
        let fresh = match self.read(|tx| outbound::issuer(tx, &scope))? {
            Some(issuer) => issuer,
            None => IssuerRow::new(&self.env).await?,
        };
        let id = self
            .change(move |tx| {
                // Whoever was first has made the account's only issuer.
                let mut issuer = outbound::issuer(tx, &scope)?;
                if issuer.as_ref().is_some_and(|issuer| issuer.enabled) {
                    return Err(Error::feature_enabled_exception(
                        "Outbound identity federation is already enabled for this account.",
                    ));
                }
                let issuer = issuer.get_or_insert_with(|| fresh.clone());
                issuer.enabled = true;
                issuer.save(tx, &scope)?;
                Ok(issuer.id.clone())
            })
            .await?;
        Ok(EnableOutboundWebIdentityFederationOutput {
            issuer_identifier: Some(outbound::identifier(&self.env, &id)),
        })
    }
}
