//! The SAM transform: `AWS::Serverless::*` resources become plain ones, with the logical ids AWS gives them where it names them.
//! Knows the template only; what it cannot express it refuses with logical id and line.
//!
//! DIVERGES: an API becomes resources and methods of their own instead of an OpenAPI `Body`; their logical ids are ours.
//! DIVERGES: the tags `lambda:createdBy` and those SAM copies to roles are not added.

mod api;
mod auth;
mod cors;
mod events;
mod function;
mod globals;
mod layer_version;
mod policy_templates;
mod published;
mod resolved;
mod simple_table;
mod sources;

use std::collections::BTreeSet;

use crate::{
    intrinsic::Facts,
    template::{Node, Resource, Template, TemplateError},
};

/// The prefix of SAM's types.
const PREFIX: &str = "AWS::Serverless::";
/// AWS: the API that events without `RestApiId` belong to, and its stage.
const IMPLICIT_API: &str = "ServerlessRestApi";
const IMPLICIT_STAGE: &str = "Prod";

/// Expands a template.
pub(crate) fn expand(
    mut template: Template,
    facts: &Facts,
    stack_name: &str,
) -> Result<Template, TemplateError> {
    if !template.is_sam() {
        return without_transform(template);
    }
    let globals = globals::Globals::of(template.globals.as_ref())?;
    let resources = std::mem::take(&mut template.resources);
    let mut made = Vec::new();
    let mut apis = Vec::new();
    let mut events = Vec::new();
    for resource in resources {
        let id = resource.logical_id.clone();
        let of = |error: TemplateError| error.of(&id);
        match resource.kind.strip_prefix(PREFIX) {
            None => made.push(resource),
            Some("Function") => {
                let properties = globals.function(&resource.properties);
                let function = Resource { properties, ..resource };
                let expanded = function::expand(&function, stack_name, facts).map_err(of)?;
                made.extend(expanded.resources);
                events.extend(expanded.events);
            }
            Some("LayerVersion") => made.push(layer_version::expand(&resource).map_err(of)?),
            Some("SimpleTable") => {
                let properties = globals.simple_table(&resource.properties);
                made.push(simple_table::expand(&Resource { properties, ..resource }).map_err(of)?);
            }
            Some("Api") => {
                let properties = globals.api(&resource.properties);
                apis.push(Resource { properties, ..resource });
            }
            Some(_) => {
                let text = format!("{} is not supported", resource.kind);
                return Err(TemplateError::at(resource.line, text).of(&id));
            }
        }
    }
    if let Some(event) = events.iter().find(|event| event.api == IMPLICIT_API) {
        let mut properties = globals.api(&Node::map(event.line, []));
        properties.set("StageName", Node::text(event.line, IMPLICIT_STAGE));
        apis.push(Resource::made(IMPLICIT_API, event.line, "AWS::Serverless::Api", properties));
    }
    let known: BTreeSet<&str> = apis.iter().map(|api| api.logical_id.as_str()).collect();
    if let Some(event) = events.iter().find(|event| !known.contains(event.api.as_str())) {
        let text = format!(
            "RestApiId of event {} must refer to an AWS::Serverless::Api in this template",
            event.name
        );
        return Err(TemplateError::at(event.line, text).of(&event.function));
    }
    for resource in &apis {
        let own: Vec<&events::ApiEvent> =
            events.iter().filter(|event| event.api == resource.logical_id).collect();
        made.extend(api::expand(resource, &own, facts).map_err(|error| error.of(&resource.logical_id))?);
    }
    each_once(&made)?;
    template.resources = made;
    Ok(template)
}

/// Refuses a template that has a resource which is called as one of those the transform makes.
fn each_once(resources: &[Resource]) -> Result<(), TemplateError> {
    let mut seen = BTreeSet::new();
    let twice = resources.iter().find(|resource| !seen.insert(resource.logical_id.as_str()));
    twice.map_or(Ok(()), |resource| {
        let text = "the transform makes a resource with this logical id, and there is another of that name";
        Err(TemplateError::at(resource.line, text).of(&resource.logical_id))
    })
}

fn without_transform(template: Template) -> Result<Template, TemplateError> {
    let serverless = template.resources.iter().find(|resource| resource.kind.starts_with(PREFIX));
    if let Some(resource) = serverless {
        let text = format!(
            "{} needs the line \"Transform: {}\" in the template",
            resource.kind,
            crate::template::SAM_TRANSFORM
        );
        return Err(TemplateError::at(resource.line, text).of(&resource.logical_id));
    }
    if let Some(globals) = &template.globals {
        let text = "Template format error: Invalid template property or properties [Globals]";
        return Err(TemplateError::at(globals.line, text));
    }
    Ok(template)
}

/// Refuses entries that are not in `known`.
fn only(node: &Node, known: &[&str], what: &str) -> Result<(), TemplateError> {
    let unknown = node.entries().iter().find(|entry| !known.contains(&entry.key.as_str()));
    unknown.map_or(Ok(()), |entry| {
        let text = format!("Encountered unsupported property {} of {what}", entry.key);
        Err(TemplateError::at(entry.line, text))
    })
}

/// A map of tags as the list that plain resources take.
fn tag_list(node: &Node) -> Node {
    let tags = node.entries().iter().map(|entry| {
        Node::map(entry.line, [("Key", Node::text(entry.line, &entry.key)), ("Value", entry.node.clone())])
    });
    Node::list(node.line, tags.collect())
}

/// Copies entries that are called the same in the plain resource.
fn copy(from: &Node, to: &mut Node, names: &[&str]) {
    for name in names {
        if let Some(value) = from.get(name) {
            to.set(name, value.clone());
        }
    }
}

/// Text that a transform must know: literal, or computed from parameters.
fn known_text(facts: &Facts, node: &Node, what: &str) -> Result<String, TemplateError> {
    facts.text(node, what)
}

#[cfg(test)]
mod tests;
