//! `UpdateMethod`: changes a method.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateMethod, UpdateMethodInput, UpdateMethodOutput},
    checks,
    definition::{Authorization, Method},
    patch::{self, ELEMENT, ENTRY, Patch, Paths, REPLACE},
    view,
};

impl Operation<UpdateMethod> for ApiGateway {
    fn access(&self, input: &UpdateMethodInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}",
                input.rest_api_id, input.resource_id, input.http_method
            ),
        ))
    }

    async fn run(&self, call: Call<UpdateMethod>) -> Result<UpdateMethodOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let (resource_id, verb) = (input.resource_id, input.http_method);
        self.edit(&scope, &input.rest_api_id, move |api| {
            let found = checks::method_of(&mut api.definition, &resource_id, &verb)?;
            patches.iter().try_for_each(|patch| apply(found, patch))?;
            let changed = found.clone();
            checks::method(&api.definition, &verb, &changed)?;
            Ok(view::method(&verb, &changed))
        })
        .await
    }
}

const PATHS: Paths = &[
    (REPLACE, "/authorizationType"),
    (REPLACE, "/authorizerId"),
    (REPLACE, "/apiKeyRequired"),
    (REPLACE, "/operationName"),
    (REPLACE, "/requestValidatorId"),
    (ELEMENT, "/authorizationScopes"),
    (ENTRY, "/requestParameters/{name}"),
    (ENTRY, "/requestModels/{type}"),
];

fn apply(method: &mut Method, patch: &Patch) -> Result<(), Error> {
    match patch.pieces().as_slice() {
        ["authorizationType"] => {
            let known = Authorization::parse(&patch.text());
            method.authorization = known.ok_or_else(|| patch.refused_value("it is no authorization type"))?;
        }
        ["authorizerId"] => method.authorizer_id = patch.optional(),
        ["apiKeyRequired"] => checks::no_api_key(patch.boolean()?)?,
        ["operationName"] => method.operation_name = patch.optional(),
        ["requestValidatorId"] => method.request_validator_id = patch.optional(),
        ["authorizationScopes"] => patch.element(&mut method.authorization_scopes, &patch.text()),
        ["requestParameters", name] => {
            let required = patch.boolean().unwrap_or(false);
            patch.entry(&mut method.request_parameters, name, required);
        }
        ["requestModels", kind] => patch.entry(&mut method.request_models, kind, patch.text()),
        _ => {}
    }
    Ok(())
}
