//! `PutGatewayResponse`: customises one of the gateway's own answers.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, PutGatewayResponse, PutGatewayResponseInput, PutGatewayResponseOutput},
    checks,
    definition::GatewayResponse,
    view,
};

impl Operation<PutGatewayResponse> for ApiGateway {
    fn access(&self, input: &PutGatewayResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PUT",
            caller,
            &format!("/restapis/{}/gatewayresponses/{}", input.rest_api_id, input.response_type.as_str()),
        ))
    }

    async fn run(&self, call: Call<PutGatewayResponse>) -> Result<PutGatewayResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let response = GatewayResponse {
            status: input.status_code.filter(|status| !status.is_empty()),
            parameters: input.response_parameters.unwrap_or_default(),
            templates: input.response_templates.unwrap_or_default(),
        };
        checks::gateway_response(&response)?;
        let kind = input.response_type;
        self.edit(&scope, &input.rest_api_id, move |api| {
            api.definition.gateway_responses.insert(kind.as_str().to_owned(), response.clone());
            Ok(view::gateway_response(kind, Some(&response)))
        })
        .await
    }
}
