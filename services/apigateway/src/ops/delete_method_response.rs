//! `DeleteMethodResponse`: takes a declared answer away.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteMethodResponse, DeleteMethodResponseInput, DeleteMethodResponseOutput, Error},
    checks,
};

impl Operation<DeleteMethodResponse> for ApiGateway {
    fn access(&self, input: &DeleteMethodResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/responses/{}",
                input.rest_api_id, input.resource_id, input.http_method, input.status_code
            ),
        ))
    }

    async fn run(&self, call: Call<DeleteMethodResponse>) -> Result<DeleteMethodResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let method = checks::method_of(&mut api.definition, &input.resource_id, &input.http_method)?;
            let removed = method.responses.remove(&input.status_code);
            removed
                .map(|_| ())
                .ok_or_else(|| Error::not_found_exception("Invalid Response status code specified"))
        })
        .await?;
        Ok(DeleteMethodResponseOutput {})
    }
}
