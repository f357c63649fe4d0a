//! `PutMethod`: adds a verb to a resource.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, PutMethod, PutMethodInput, PutMethodOutput},
    checks,
    definition::{Authorization, Method},
    view,
};

impl Operation<PutMethod> for ApiGateway {
    fn access(&self, input: &PutMethodInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PUT",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}",
                input.rest_api_id, input.resource_id, input.http_method
            ),
        ))
    }

    async fn run(&self, call: Call<PutMethod>) -> Result<PutMethodOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        checks::no_api_key(input.api_key_required.unwrap_or(false))?;
        let authorization = Authorization::parse(&input.authorization_type).ok_or_else(|| {
            // AWS: text of the service.
            checks::bad("Invalid Authorization Type specified. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS")
        })?;
        let method = Method {
            authorization,
            authorizer_id: input.authorizer_id,
            authorization_scopes: input.authorization_scopes.unwrap_or_default(),
            operation_name: input.operation_name,
            request_parameters: input.request_parameters.unwrap_or_default(),
            request_models: input.request_models.unwrap_or_default(),
            request_validator_id: input.request_validator_id,
            responses: BTreeMap::new(),
            integration: None,
        };
        let (resource_id, verb) = (input.resource_id, input.http_method);
        self.edit(&scope, &input.rest_api_id, move |api| {
            checks::resource_of(&mut api.definition, &resource_id)?;
            checks::method(&api.definition, &verb, &method)?;
            let resource = checks::resource_of(&mut api.definition, &resource_id)?;
            if resource.methods.contains_key(&verb) {
                // AWS: text of the service.
                return Err(Error::conflict_exception("Method already exists for this resource"));
            }
            resource.methods.insert(verb.clone(), method.clone());
            Ok(view::method(&verb, &method))
        })
        .await
    }
}
