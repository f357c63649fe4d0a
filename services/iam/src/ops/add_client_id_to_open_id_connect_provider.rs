//! `AddClientIDToOpenIDConnectProvider`: accepts a further audience; one that is accepted already is no error.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        AddClientIDToOpenIDConnectProvider, AddClientIDToOpenIDConnectProviderInput,
        AddClientIDToOpenIDConnectProviderOutput, Error,
    },
    providers::OidcRow,
};

impl Operation<AddClientIDToOpenIDConnectProvider> for Iam {
    fn access(
        &self,
        input: &AddClientIDToOpenIDConnectProviderInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let action = "iam:AddClientIDToOpenIDConnectProvider";
        Ok(self.ask_on_arn::<OidcRow>(action, &input.open_id_connect_provider_arn, caller))
    }

    async fn run(
        &self,
        call: Call<AddClientIDToOpenIDConnectProvider>,
    ) -> Result<AddClientIDToOpenIDConnectProviderOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change_by_arn::<OidcRow>(&scope, &input.open_id_connect_provider_arn, move |row| {
            let mut ids = row.client_ids.clone();
            if !ids.contains(&input.client_id) {
                ids.push(input.client_id.clone());
            }
            row.set_client_ids(ids)
        })
        .await?;
        Ok(AddClientIDToOpenIDConnectProviderOutput {})
    }
}
