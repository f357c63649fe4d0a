//! `DeleteSAMLProvider`: its assertions are believed no more.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteSAMLProvider, DeleteSAMLProviderInput, DeleteSAMLProviderOutput, Error},
    by_arn::ByArn,
    providers::SamlRow,
};

impl Operation<DeleteSAMLProvider> for Iam {
    fn access(&self, input: &DeleteSAMLProviderInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<SamlRow>("iam:DeleteSAMLProvider", &input.saml_provider_arn, caller))
    }

    async fn run(&self, call: Call<DeleteSAMLProvider>) -> Result<DeleteSAMLProviderOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| SamlRow::fetch(tx, &scope, &input.saml_provider_arn)?.remove(tx, &scope))
            .await?;
        Ok(DeleteSAMLProviderOutput {})
    }
}
