//! `GetGatewayResponses`: lists the gateway's own answers.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{
        Error, GatewayResponseType, GetGatewayResponses, GetGatewayResponsesInput, GetGatewayResponsesOutput,
    },
    page, view,
};

impl Operation<GetGatewayResponses> for ApiGateway {
    fn access(&self, input: &GetGatewayResponsesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, &format!("/restapis/{}/gatewayresponses", input.rest_api_id)))
    }

    async fn run(&self, call: Call<GetGatewayResponses>) -> Result<GetGatewayResponsesOutput, Error> {
        let input = &call.input;
        let api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let customised = &api.definition.gateway_responses;
        let mut kinds: Vec<GatewayResponseType> = GatewayResponseType::ALL.to_vec();
        kinds.sort_by_key(|kind| kind.as_str());
        let all = kinds.into_iter().map(|kind| (kind.as_str().to_owned(), kind));
        let (items, position) = page::page(all, input.limit, input.position.as_deref())?;
        let items = items.into_iter().map(|kind| view::gateway_response(kind, customised.get(kind.as_str())));
        Ok(GetGatewayResponsesOutput { position, items: Some(items.collect()) })
    }
}
