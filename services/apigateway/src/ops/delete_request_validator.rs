//! `DeleteRequestValidator`: deletes a request validator that no method uses.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteRequestValidator, DeleteRequestValidatorInput, DeleteRequestValidatorOutput, Error},
    checks,
};

impl Operation<DeleteRequestValidator> for ApiGateway {
    fn access(&self, input: &DeleteRequestValidatorInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!("/restapis/{}/requestvalidators/{}", input.rest_api_id, input.request_validator_id),
        ))
    }

    async fn run(&self, call: Call<DeleteRequestValidator>) -> Result<DeleteRequestValidatorOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let definition = &mut api.definition;
            let used = definition.resources.values().flat_map(|resource| resource.methods.values());
            let mut used = used.filter_map(|method| method.request_validator_id.as_ref());
            if used.any(|id| *id == input.request_validator_id) {
                return Err(Error::conflict_exception(
                    "The request validator is used by a method of this API",
                ));
            }
            let removed = definition.validators.remove(&input.request_validator_id);
            removed.map(|_| ()).ok_or_else(|| checks::missing("Request Validator"))
        })
        .await?;
        Ok(DeleteRequestValidatorOutput {})
    }
}
