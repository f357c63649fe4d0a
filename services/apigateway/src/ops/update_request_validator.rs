//! `UpdateRequestValidator`: changes a request validator.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateRequestValidator, UpdateRequestValidatorInput, UpdateRequestValidatorOutput},
    checks,
    patch::{self, Paths, REPLACE},
    view,
};

impl Operation<UpdateRequestValidator> for ApiGateway {
    fn access(&self, input: &UpdateRequestValidatorInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!("/restapis/{}/requestvalidators/{}", input.rest_api_id, input.request_validator_id),
        ))
    }

    async fn run(&self, call: Call<UpdateRequestValidator>) -> Result<UpdateRequestValidatorOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let id = input.request_validator_id;
        self.edit(&scope, &input.rest_api_id, move |api| {
            let found = api.definition.validators.get_mut(&id);
            let found = found.ok_or_else(|| checks::missing("Request Validator"))?;
            for patch in &patches {
                match patch.pieces().as_slice() {
                    ["name"] => found.name = patch.text(),
                    ["validateRequestBody"] => found.body = patch.boolean()?,
                    _ => found.parameters = patch.boolean()?,
                }
            }
            Ok(view::validator(found))
        })
        .await
    }
}

const PATHS: Paths =
    &[(REPLACE, "/name"), (REPLACE, "/validateRequestBody"), (REPLACE, "/validateRequestParameters")];
