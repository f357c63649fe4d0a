//! `GetRequestValidator`: shows one request validator.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetRequestValidator, GetRequestValidatorInput, GetRequestValidatorOutput},
    checks, view,
};

impl Operation<GetRequestValidator> for ApiGateway {
    fn access(&self, input: &GetRequestValidatorInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!("/restapis/{}/requestvalidators/{}", input.rest_api_id, input.request_validator_id),
        ))
    }

    async fn run(&self, call: Call<GetRequestValidator>) -> Result<GetRequestValidatorOutput, Error> {
        let input = &call.input;
        let mut api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let found = api.definition.validators.remove(&input.request_validator_id);
        found.as_ref().map(view::validator).ok_or_else(|| checks::missing("Request Validator"))
    }
}
