//! `CreateResource`: adds a path part under a resource.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{CreateResource, CreateResourceInput, CreateResourceOutput, Error},
    checks,
    definition::{Definition, Resource},
    route::PathPart,
    view,
};

impl Operation<CreateResource> for ApiGateway {
    fn access(&self, input: &CreateResourceInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:POST",
            caller,
            &format!("/restapis/{}/resources/{}", input.rest_api_id, input.parent_id),
        ))
    }

    async fn run(&self, call: Call<CreateResource>) -> Result<CreateResourceOutput, Error> {
        let id = self.id("apigateway.resource", 6);
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let made = self
            .edit(&scope, &input.rest_api_id, move |api| {
                let definition = &mut api.definition;
                check_place(definition, &input.parent_id, &input.path_part, None)?;
                if definition.resources.len() >= RESOURCES_MAX {
                    // AWS: text of the service.
                    let text = "Maximum number of Resources for this API has been reached. Please contact AWS if you need additional Resources.";
                    return Err(Error::limit_exceeded_exception(text));
                }
                let resource = Resource {
                    id: id.clone(),
                    parent_id: Some(input.parent_id.clone()),
                    path_part: input.path_part.clone(),
                    methods: BTreeMap::new(),
                };
                if definition.resources.insert(id.clone(), resource.clone()).is_some() {
                    return Err(Error::conflict_exception("The resource identifier was drawn twice; try again"));
                }
                Ok(view::resource(definition, &resource, false))
            })
            .await?;
        Ok(made)
    }
}

/// AWS: resources of one API (quota).
const RESOURCES_MAX: usize = 300;

/// May a resource (`but`, if it exists already) stand here under this name?
// AWS: texts of the service.
pub(super) fn check_place(
    definition: &Definition,
    parent_id: &str,
    path_part: &str,
    but: Option<&str>,
) -> Result<(), Error> {
    let parent = definition.resources.get(parent_id).ok_or_else(|| checks::missing("Resource"))?;
    if PathPart::parse(path_part).is_none() {
        return Err(checks::bad(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.",
        ));
    }
    if matches!(PathPart::parse(&parent.path_part), Some(PathPart::Greedy(_))) {
        return Err(checks::bad(format!(
            "Cannot create a child of a resource with a greedy path variable: {}",
            parent.path_part
        )));
    }
    if definition.has_child(parent_id, path_part, but) {
        return Err(Error::conflict_exception(format!(
            "Another resource with the same parent already has this name: {path_part}"
        )));
    }
    if path_part.starts_with('{') {
        let sibling = definition.resources.values().find(|resource| {
            let same_kind = resource.path_part.ends_with("+}") == path_part.ends_with("+}");
            let here = resource.parent_id.as_deref() == Some(parent_id) && Some(resource.id.as_str()) != but;
            here && resource.path_part.starts_with('{') && same_kind
        });
        if let Some(sibling) = sibling {
            return Err(checks::bad(format!(
                "A sibling ({}) of this resource already has a variable path part -- only one is allowed",
                sibling.path_part
            )));
        }
    }
    Ok(())
}
