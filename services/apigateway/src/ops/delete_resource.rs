//! `DeleteResource`: deletes a resource and everything under it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteResource, DeleteResourceInput, DeleteResourceOutput, Error},
    checks,
};

impl Operation<DeleteResource> for ApiGateway {
    fn access(&self, input: &DeleteResourceInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!("/restapis/{}/resources/{}", input.rest_api_id, input.resource_id),
        ))
    }

    async fn run(&self, call: Call<DeleteResource>) -> Result<DeleteResourceOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let definition = &mut api.definition;
            if checks::resource_of(definition, &input.resource_id)?.parent_id.is_none() {
                // AWS: text of the service.
                return Err(checks::bad("Root resource cannot be deleted"));
            }
            for id in definition.subtree(&input.resource_id) {
                definition.resources.remove(&id);
            }
            Ok(())
        })
        .await?;
        Ok(DeleteResourceOutput {})
    }
}
