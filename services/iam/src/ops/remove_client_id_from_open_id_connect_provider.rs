//! `RemoveClientIDFromOpenIDConnectProvider`: accepts an audience no more; one that is not accepted is no error.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, RemoveClientIDFromOpenIDConnectProvider, RemoveClientIDFromOpenIDConnectProviderInput,
        RemoveClientIDFromOpenIDConnectProviderOutput,
    },
    providers::OidcRow,
};

impl Operation<RemoveClientIDFromOpenIDConnectProvider> for Iam {
    fn access(
        &self,
        input: &RemoveClientIDFromOpenIDConnectProviderInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let action = "iam:RemoveClientIDFromOpenIDConnectProvider";
        Ok(self.ask_on_arn::<OidcRow>(action, &input.open_id_connect_provider_arn, caller))
    }

    async fn run(
        &self,
        call: Call<RemoveClientIDFromOpenIDConnectProvider>,
    ) -> Result<RemoveClientIDFromOpenIDConnectProviderOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change_by_arn::<OidcRow>(&scope, &input.open_id_connect_provider_arn, move |row| {
            row.client_ids.retain(|id| *id != input.client_id);
            Ok(())
        })
        .await?;
        Ok(RemoveClientIDFromOpenIDConnectProviderOutput {})
    }
}
