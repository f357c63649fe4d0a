//! `UpdateOpenIDConnectProviderThumbprint`: replaces the list of thumbprints.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, UpdateOpenIDConnectProviderThumbprint, UpdateOpenIDConnectProviderThumbprintInput,
        UpdateOpenIDConnectProviderThumbprintOutput,
    },
    providers::OidcRow,
};

impl Operation<UpdateOpenIDConnectProviderThumbprint> for Iam {
    fn access(
        &self,
        input: &UpdateOpenIDConnectProviderThumbprintInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let action = "iam:UpdateOpenIDConnectProviderThumbprint";
        Ok(self.ask_on_arn::<OidcRow>(action, &input.open_id_connect_provider_arn, caller))
    }

    async fn run(
        &self,
        call: Call<UpdateOpenIDConnectProviderThumbprint>,
    ) -> Result<UpdateOpenIDConnectProviderThumbprintOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change_by_arn::<OidcRow>(&scope, &input.open_id_connect_provider_arn, move |row| {
            row.set_thumbprints(input.thumbprint_list.clone())
        })
        .await?;
        Ok(UpdateOpenIDConnectProviderThumbprintOutput {})
    }
}
