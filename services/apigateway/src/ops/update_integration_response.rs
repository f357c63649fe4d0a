//! `UpdateIntegrationResponse`: changes an integration response.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{
        Error, UpdateIntegrationResponse, UpdateIntegrationResponseInput, UpdateIntegrationResponseOutput,
    },
    checks,
    patch::{self, ENTRY, Paths, REPLACE},
    view,
};

impl Operation<UpdateIntegrationResponse> for ApiGateway {
    fn access(&self, input: &UpdateIntegrationResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/integration/responses/{}",
                input.rest_api_id, input.resource_id, input.http_method, input.status_code
            ),
        ))
    }

    async fn run(
        &self,
        call: Call<UpdateIntegrationResponse>,
    ) -> Result<UpdateIntegrationResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let (resource_id, verb, code) = (input.resource_id, input.http_method, input.status_code);
        self.edit(&scope, &input.rest_api_id, move |api| {
            let integration = checks::integration_of(&mut api.definition, &resource_id, &verb)?;
            let found = integration.responses.get_mut(&code);
            let found =
                found.ok_or_else(|| Error::not_found_exception("Invalid Response status code specified"))?;
            for patch in &patches {
                match patch.pieces().as_slice() {
                    ["selectionPattern"] => found.selection_pattern = patch.optional(),
                    ["responseParameters", name] => patch.entry(&mut found.parameters, name, patch.text()),
                    ["responseTemplates", kind] => patch.entry(&mut found.templates, kind, patch.text()),
                    _ => {}
                }
            }
            let changed = found.clone();
            checks::integration_response(
                checks::method_of(&mut api.definition, &resource_id, &verb)?,
                &code,
            )?;
            Ok(view::integration_response(&code, &changed))
        })
        .await
    }
}

const PATHS: Paths = &[
    (REPLACE, "/selectionPattern"),
    (ENTRY, "/responseParameters/{name}"),
    (ENTRY, "/responseTemplates/{type}"),
];
