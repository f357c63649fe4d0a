//! `PutIntegrationResponse`: says how an integration's answer becomes the method's.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, PutIntegrationResponse, PutIntegrationResponseInput, PutIntegrationResponseOutput},
    checks,
    definition::IntegrationResponse,
    view,
};

impl Operation<PutIntegrationResponse> for ApiGateway {
    fn access(&self, input: &PutIntegrationResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PUT",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/integration/responses/{}",
                input.rest_api_id, input.resource_id, input.http_method, input.status_code
            ),
        ))
    }

    async fn run(&self, call: Call<PutIntegrationResponse>) -> Result<PutIntegrationResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        if input.content_handling.is_some() {
            return Err(checks::bad("contentHandling is not supported"));
        }
        let response = IntegrationResponse {
            selection_pattern: input.selection_pattern,
            parameters: input.response_parameters.unwrap_or_default(),
            templates: input.response_templates.unwrap_or_default(),
        };
        let (resource_id, verb, code) = (input.resource_id, input.http_method, input.status_code);
        self.edit(&scope, &input.rest_api_id, move |api| {
            let integration = checks::integration_of(&mut api.definition, &resource_id, &verb)?;
            integration.responses.insert(code.clone(), response.clone());
            checks::integration_response(
                checks::method_of(&mut api.definition, &resource_id, &verb)?,
                &code,
            )?;
            Ok(view::integration_response(&code, &response))
        })
        .await
    }
}
