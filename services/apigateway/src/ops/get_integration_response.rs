//! `GetIntegrationResponse`: shows one integration response.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetIntegrationResponse, GetIntegrationResponseInput, GetIntegrationResponseOutput},
    checks, view,
};

impl Operation<GetIntegrationResponse> for ApiGateway {
    fn access(&self, input: &GetIntegrationResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/integration/responses/{}",
                input.rest_api_id, input.resource_id, input.http_method, input.status_code
            ),
        ))
    }

    async fn run(&self, call: Call<GetIntegrationResponse>) -> Result<GetIntegrationResponseOutput, Error> {
        let input = &call.input;
        let mut api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let integration =
            checks::integration_of(&mut api.definition, &input.resource_id, &input.http_method)?;
        let found = integration.responses.get(&input.status_code);
        let found =
            found.ok_or_else(|| Error::not_found_exception("Invalid Response status code specified"))?;
        Ok(view::integration_response(&input.status_code, found))
    }
}
