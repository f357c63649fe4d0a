//! `DeleteGatewayResponse`: puts one of the gateway's own answers back to its default.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteGatewayResponse, DeleteGatewayResponseInput, DeleteGatewayResponseOutput, Error},
};

impl Operation<DeleteGatewayResponse> for ApiGateway {
    fn access(&self, input: &DeleteGatewayResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!("/restapis/{}/gatewayresponses/{}", input.rest_api_id, input.response_type.as_str()),
        ))
    }

    async fn run(&self, call: Call<DeleteGatewayResponse>) -> Result<DeleteGatewayResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let removed = api.definition.gateway_responses.remove(input.response_type.as_str());
            // AWS: text of the service.
            removed
                .map(|_| ())
                .ok_or_else(|| Error::not_found_exception("Gateway response type not defined on api"))
        })
        .await?;
        Ok(DeleteGatewayResponseOutput {})
    }
}
