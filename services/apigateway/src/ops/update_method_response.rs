//! `UpdateMethodResponse`: changes a declared answer.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateMethodResponse, UpdateMethodResponseInput, UpdateMethodResponseOutput},
    checks,
    patch::{self, ENTRY, Paths},
    view,
};

impl Operation<UpdateMethodResponse> for ApiGateway {
    fn access(&self, input: &UpdateMethodResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/responses/{}",
                input.rest_api_id, input.resource_id, input.http_method, input.status_code
            ),
        ))
    }

    async fn run(&self, call: Call<UpdateMethodResponse>) -> Result<UpdateMethodResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let (resource_id, verb, code) = (input.resource_id, input.http_method, input.status_code);
        self.edit(&scope, &input.rest_api_id, move |api| {
            let method = checks::method_of(&mut api.definition, &resource_id, &verb)?;
            let found = method.responses.get_mut(&code);
            let found =
                found.ok_or_else(|| Error::not_found_exception("Invalid Response status code specified"))?;
            for patch in &patches {
                match patch.pieces().as_slice() {
                    ["responseParameters", name] => {
                        let required = patch.boolean().unwrap_or(false);
                        patch.entry(&mut found.parameters, name, required);
                    }
                    ["responseModels", kind] => patch.entry(&mut found.models, kind, patch.text()),
                    _ => {}
                }
            }
            let changed = found.clone();
            checks::method_response(&api.definition, &code, &changed)?;
            Ok(view::method_response(&code, &changed))
        })
        .await
    }
}

const PATHS: Paths = &[(ENTRY, "/responseParameters/{name}"), (ENTRY, "/responseModels/{type}")];
