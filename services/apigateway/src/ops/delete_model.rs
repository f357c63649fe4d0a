//! `DeleteModel`: deletes a model that no method uses.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteModel, DeleteModelInput, DeleteModelOutput, Error},
};

impl Operation<DeleteModel> for ApiGateway {
    fn access(&self, input: &DeleteModelInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!("/restapis/{}/models/{}", input.rest_api_id, input.model_name),
        ))
    }

    async fn run(&self, call: Call<DeleteModel>) -> Result<DeleteModelOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let definition = &mut api.definition;
            let used = definition.resources.values().flat_map(|resource| resource.methods.values());
            let mut used = used.flat_map(|method| method.request_models.values());
            if used.any(|name| *name == input.model_name) {
                // AWS: text of the service.
                let text =
                    format!("Cannot delete model '{}', is referenced in method request", input.model_name);
                return Err(Error::conflict_exception(text));
            }
            let removed = definition.models.remove(&input.model_name);
            let missing =
                || Error::not_found_exception(format!("Invalid model name specified: {}", input.model_name));
            removed.map(|_| ()).ok_or_else(missing)
        })
        .await?;
        Ok(DeleteModelOutput {})
    }
}
