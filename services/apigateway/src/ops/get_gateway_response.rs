//! `GetGatewayResponse`: shows one of the gateway's own answers.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetGatewayResponse, GetGatewayResponseInput, GetGatewayResponseOutput},
    view,
};

impl Operation<GetGatewayResponse> for ApiGateway {
    fn access(&self, input: &GetGatewayResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!("/restapis/{}/gatewayresponses/{}", input.rest_api_id, input.response_type.as_str()),
        ))
    }

    async fn run(&self, call: Call<GetGatewayResponse>) -> Result<GetGatewayResponseOutput, Error> {
        let input = &call.input;
        let api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let custom = api.definition.gateway_responses.get(input.response_type.as_str());
        Ok(view::gateway_response(input.response_type, custom))
    }
}
