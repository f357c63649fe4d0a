//! `DeleteIntegration`: takes away what is behind a method.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteIntegration, DeleteIntegrationInput, DeleteIntegrationOutput, Error},
    checks,
};

impl Operation<DeleteIntegration> for ApiGateway {
    fn access(&self, input: &DeleteIntegrationInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/integration",
                input.rest_api_id, input.resource_id, input.http_method
            ),
        ))
    }

    async fn run(&self, call: Call<DeleteIntegration>) -> Result<DeleteIntegrationOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let method = checks::method_of(&mut api.definition, &input.resource_id, &input.http_method)?;
            method.integration.take().map(|_| ()).ok_or_else(|| checks::missing("Integration"))
        })
        .await?;
        Ok(DeleteIntegrationOutput {})
    }
}
