//! `UpdateResource`: renames or moves a resource.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateResource, UpdateResourceInput, UpdateResourceOutput},
    checks,
    ops::create_resource::check_place,
    patch::{self, Paths, REPLACE},
    route::PathPart,
    view,
};

impl Operation<UpdateResource> for ApiGateway {
    fn access(&self, input: &UpdateResourceInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!("/restapis/{}/resources/{}", input.rest_api_id, input.resource_id),
        ))
    }

    async fn run(&self, call: Call<UpdateResource>) -> Result<UpdateResourceOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let resource_id = input.resource_id;
        self.edit(&scope, &input.rest_api_id, move |api| {
            let definition = &mut api.definition;
            let mut changed = checks::resource_of(definition, &resource_id)?.clone();
            let parent_id = changed.parent_id.as_mut();
            // AWS: text of the service.
            let parent_id = parent_id.ok_or_else(|| checks::bad("Root resource cannot be changed"))?;
            for patch in &patches {
                match patch.pieces().as_slice() {
                    ["parentId"] => *parent_id = patch.text(),
                    _ => changed.path_part = patch.text(),
                }
            }
            if definition.subtree(&resource_id).contains(parent_id) {
                return Err(checks::bad("A resource cannot be moved under itself"));
            }
            if PathPart::parse(&changed.path_part).is_some_and(|part| matches!(part, PathPart::Greedy(_)))
                && definition.subtree(&resource_id).len() > 1
            {
                return Err(checks::bad("A resource with children cannot have a greedy path variable"));
            }
            check_place(definition, parent_id, &changed.path_part, Some(&resource_id))?;
            definition.resources.insert(resource_id.clone(), changed.clone());
            Ok(view::resource(definition, &changed, false))
        })
        .await
    }
}

const PATHS: Paths = &[(REPLACE, "/pathPart"), (REPLACE, "/parentId")];
