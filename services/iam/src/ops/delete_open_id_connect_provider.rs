//! `DeleteOpenIDConnectProvider`: its tokens are believed no more. One that does not exist is no error.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        DeleteOpenIDConnectProvider, DeleteOpenIDConnectProviderInput, DeleteOpenIDConnectProviderOutput,
        Error,
    },
    by_arn::ByArn,
    providers::OidcRow,
};

impl Operation<DeleteOpenIDConnectProvider> for Iam {
    fn access(&self, input: &DeleteOpenIDConnectProviderInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<OidcRow>(
            "iam:DeleteOpenIDConnectProvider",
            &input.open_id_connect_provider_arn,
            caller,
        ))
    }

    async fn run(
        &self,
        call: Call<DeleteOpenIDConnectProvider>,
    ) -> Result<DeleteOpenIDConnectProviderOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            // AWS: API reference: the operation is idempotent.
            match OidcRow::find(tx, &scope, &input.open_id_connect_provider_arn)? {
                Some(row) => row.remove(tx, &scope),
                None => Ok(()),
            }
        })
        .await?;
        Ok(DeleteOpenIDConnectProviderOutput {})
    }
}
