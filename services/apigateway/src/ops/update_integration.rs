//! `UpdateIntegration`: changes what is behind a method.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateIntegration, UpdateIntegrationInput, UpdateIntegrationOutput},
    checks,
    definition::Integration,
    passing::{patched_value, with_passed_roles},
    patch::{self, ENTRY, Patch, Paths, REPLACE},
    view,
};

impl Operation<UpdateIntegration> for ApiGateway {
    fn access(&self, input: &UpdateIntegrationInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on(
            "apigateway:PATCH",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/integration",
                input.rest_api_id, input.resource_id, input.http_method
            ),
        );
        Ok(with_passed_roles(access, patched_value(input.patch_operations.as_ref(), "/credentials")))
    }

    async fn run(&self, call: Call<UpdateIntegration>) -> Result<UpdateIntegrationOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let (resource_id, verb) = (input.resource_id, input.http_method);
        self.edit(&scope, &input.rest_api_id, move |api| {
            let found = checks::integration_of(&mut api.definition, &resource_id, &verb)?;
            patches.iter().try_for_each(|patch| apply(found, patch))?;
            checks::integration(found)?;
            Ok(view::integration(found))
        })
        .await
    }
}

const PATHS: Paths = &[
    (REPLACE, "/uri"),
    (REPLACE, "/httpMethod"),
    (REPLACE, "/credentials"),
    (REPLACE, "/passthroughBehavior"),
    (REPLACE, "/timeoutInMillis"),
    (ENTRY, "/requestTemplates/{type}"),
];

fn apply(integration: &mut Integration, patch: &Patch) -> Result<(), Error> {
    match patch.pieces().as_slice() {
        ["uri"] => integration.uri = patch.optional(),
        ["httpMethod"] => integration.http_method = patch.optional(),
        ["credentials"] => integration.credentials = patch.optional(),
        ["passthroughBehavior"] => integration.passthrough_behavior = patch.text(),
        ["timeoutInMillis"] => integration.timeout_ms = patch.number()?,
        ["requestTemplates", kind] => patch.entry(&mut integration.request_templates, kind, patch.text()),
        _ => {}
    }
    Ok(())
}
