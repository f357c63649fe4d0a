//! `DeleteIntegrationResponse`: takes an integration response away.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{
        DeleteIntegrationResponse, DeleteIntegrationResponseInput, DeleteIntegrationResponseOutput, Error,
    },
    checks,
};

impl Operation<DeleteIntegrationResponse> for ApiGateway {
    fn access(&self, input: &DeleteIntegrationResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/integration/responses/{}",
                input.rest_api_id, input.resource_id, input.http_method, input.status_code
            ),
        ))
    }

    async fn run(
        &self,
        call: Call<DeleteIntegrationResponse>,
    ) -> Result<DeleteIntegrationResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let integration =
                checks::integration_of(&mut api.definition, &input.resource_id, &input.http_method)?;
            let removed = integration.responses.remove(&input.status_code);
            removed
                .map(|_| ())
                .ok_or_else(|| Error::not_found_exception("Invalid Response status code specified"))
        })
        .await?;
        Ok(DeleteIntegrationResponseOutput {})
    }
}
