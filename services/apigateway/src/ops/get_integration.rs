//! `GetIntegration`: shows what is behind a method.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetIntegration, GetIntegrationInput, GetIntegrationOutput},
    checks, view,
};

impl Operation<GetIntegration> for ApiGateway {
    fn access(&self, input: &GetIntegrationInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/integration",
                input.rest_api_id, input.resource_id, input.http_method
            ),
        ))
    }

    async fn run(&self, call: Call<GetIntegration>) -> Result<GetIntegrationOutput, Error> {
        let input = &call.input;
        let mut api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let found = checks::integration_of(&mut api.definition, &input.resource_id, &input.http_method)?;
        Ok(view::integration(found))
    }
}
