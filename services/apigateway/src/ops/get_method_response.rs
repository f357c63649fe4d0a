//! `GetMethodResponse`: shows one declared answer.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetMethodResponse, GetMethodResponseInput, GetMethodResponseOutput},
    checks, view,
};

impl Operation<GetMethodResponse> for ApiGateway {
    fn access(&self, input: &GetMethodResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/responses/{}",
                input.rest_api_id, input.resource_id, input.http_method, input.status_code
            ),
        ))
    }

    async fn run(&self, call: Call<GetMethodResponse>) -> Result<GetMethodResponseOutput, Error> {
        let input = &call.input;
        let mut api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let method = checks::method_of(&mut api.definition, &input.resource_id, &input.http_method)?;
        let found = method.responses.get(&input.status_code);
        let found =
            found.ok_or_else(|| Error::not_found_exception("Invalid Response status code specified"))?;
        Ok(view::method_response(&input.status_code, found))
    }
}
