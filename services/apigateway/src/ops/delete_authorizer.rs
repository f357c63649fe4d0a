//! `DeleteAuthorizer`: deletes an authorizer that no method uses.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteAuthorizer, DeleteAuthorizerInput, DeleteAuthorizerOutput, Error},
    checks,
};

impl Operation<DeleteAuthorizer> for ApiGateway {
    fn access(&self, input: &DeleteAuthorizerInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!("/restapis/{}/authorizers/{}", input.rest_api_id, input.authorizer_id),
        ))
    }

    async fn run(&self, call: Call<DeleteAuthorizer>) -> Result<DeleteAuthorizerOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.edit(&scope, &input.rest_api_id, move |api| {
            let definition = &mut api.definition;
            let used = definition.resources.values().flat_map(|resource| resource.methods.values());
            let mut used = used.filter_map(|method| method.authorizer_id.as_ref());
            if used.any(|id| *id == input.authorizer_id) {
                // A method whose authorizer is gone could not be served any more.
                return Err(Error::conflict_exception("The authorizer is used by a method of this API"));
            }
            let removed = definition.authorizers.remove(&input.authorizer_id);
            removed.map(|_| ()).ok_or_else(|| checks::missing("Authorizer"))
        })
        .await?;
        Ok(DeleteAuthorizerOutput {})
    }
}
