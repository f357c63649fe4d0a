//! `CreateRequestValidator`: adds a request validator to an API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{CreateRequestValidator, CreateRequestValidatorInput, CreateRequestValidatorOutput, Error},
    definition::RequestValidator,
    view,
};

impl Operation<CreateRequestValidator> for ApiGateway {
    fn access(&self, input: &CreateRequestValidatorInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:POST", caller, &format!("/restapis/{}/requestvalidators", input.rest_api_id)))
    }

    async fn run(&self, call: Call<CreateRequestValidator>) -> Result<CreateRequestValidatorOutput, Error> {
        let id = self.id("apigateway.request-validator", 6);
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let validator = RequestValidator {
            id,
            name: input.name.unwrap_or_default(),
            body: input.validate_request_body.unwrap_or(false),
            parameters: input.validate_request_parameters.unwrap_or(false),
        };
        self.edit(&scope, &input.rest_api_id, move |api| {
            api.definition.validators.insert(validator.id.clone(), validator.clone());
            Ok(view::validator(&validator))
        })
        .await
    }
}
