//! `UpdateRestApi`: changes the settings of an API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateRestApi, UpdateRestApiInput, UpdateRestApiOutput},
    checks,
    definition::RestApi,
    passing,
    patch::{self, ELEMENT, Patch, Paths, REPLACE},
    resource, view,
};

impl Operation<UpdateRestApi> for ApiGateway {
    fn access(&self, input: &UpdateRestApiInput, caller: &Caller) -> Result<Access, Error> {
        let path = format!("/restapis/{}", input.rest_api_id);
        let access = self.on("apigateway:PATCH", caller, &path);
        // AWS: a policy needs a permission of its own (service authorization reference).
        let patches = input.patch_operations.iter().flatten();
        if patches.filter_map(|patch| patch.path.as_deref()).any(|path| path.starts_with("/policy")) {
            let arn = resource::arn(&self.scope(caller), &path);
            return Ok(access.and(passing::ask("apigateway:UpdateRestApiPolicy", arn)));
        }
        Ok(access)
    }

    async fn run(&self, call: Call<UpdateRestApi>) -> Result<UpdateRestApiOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        // Looked up before, not within, the transaction.
        let put = patches.iter().rev().find(|patch| patch.pieces() == ["policy"]).map(Patch::optional);
        let ids = put.map(|text| checks::policy_ids(&self.env, text.as_deref())).transpose()?;
        let api = self
            .edit(&scope.clone(), &input.rest_api_id, move |api| {
                patches.iter().try_for_each(|patch| apply(api, patch))?;
                if let Some(ids) = &ids {
                    api.definition.policy_ids.clone_from(ids);
                }
                checks::policy(&scope, &api.id, api.definition.policy.as_deref())?;
                Ok(api.clone())
            })
            .await?;
        Ok(view::rest_api(&api))
    }
}

const PATHS: Paths = &[
    (REPLACE, "/name"),
    (REPLACE, "/description"),
    (REPLACE, "/version"),
    (REPLACE, "/policy"),
    (REPLACE, "/disableExecuteApiEndpoint"),
    (ELEMENT, "/binaryMediaTypes/{type}"),
];

fn apply(api: &mut RestApi, patch: &Patch) -> Result<(), Error> {
    match patch.pieces().as_slice() {
        ["name"] => api.name = patch.optional().ok_or_else(|| patch.refused_value("it must not be empty"))?,
        ["description"] => api.description = patch.optional(),
        ["version"] => api.version = patch.optional(),
        ["policy"] => api.definition.policy = patch.optional(),
        ["disableExecuteApiEndpoint"] => api.definition.disable_execute_api_endpoint = patch.boolean()?,
        ["binaryMediaTypes", kind] => patch.element(&mut api.definition.binary_media_types, kind),
        _ => {}
    }
    Ok(())
}
