//! `DeleteMethod`: takes a verb from a resource.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteMethod, DeleteMethodInput, DeleteMethodOutput, Error},
    checks,
};

impl Operation<DeleteMethod> for ApiGateway {
    fn access(&self, input: &DeleteMethodInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}",
                input.rest_api_id, input.resource_id, input.http_method
            ),
        ))
    }

    async fn run(&self, call: Call<DeleteMethod>) -> Result<DeleteMethodOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let resource = checks::resource_of(&mut api.definition, &input.resource_id)?;
            let removed = resource.methods.remove(&input.http_method);
            removed.map(|_| ()).ok_or_else(|| checks::missing("Method"))
        })
        .await?;
        Ok(DeleteMethodOutput {})
    }
}
