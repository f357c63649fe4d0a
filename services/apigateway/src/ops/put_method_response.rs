//! `PutMethodResponse`: declares an answer of a method.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, PutMethodResponse, PutMethodResponseInput, PutMethodResponseOutput},
    checks,
    definition::MethodResponse,
    view,
};

impl Operation<PutMethodResponse> for ApiGateway {
    fn access(&self, input: &PutMethodResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PUT",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/responses/{}",
                input.rest_api_id, input.resource_id, input.http_method, input.status_code
            ),
        ))
    }

    async fn run(&self, call: Call<PutMethodResponse>) -> Result<PutMethodResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let response = MethodResponse {
            parameters: input.response_parameters.unwrap_or_default(),
            models: input.response_models.unwrap_or_default(),
        };
        let (resource_id, verb, code) = (input.resource_id, input.http_method, input.status_code);
        self.edit(&scope, &input.rest_api_id, move |api| {
            checks::method_response(&api.definition, &code, &response)?;
            let method = checks::method_of(&mut api.definition, &resource_id, &verb)?;
            if method.responses.contains_key(&code) {
                // AWS: text of the service.
                return Err(Error::conflict_exception("Response already exists for this resource"));
            }
            method.responses.insert(code.clone(), response.clone());
            Ok(view::method_response(&code, &response))
        })
        .await
    }
}
