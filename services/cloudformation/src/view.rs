//! Stored rows as the API shows them.

use crate::{
    api,
    stack::{EventRow, OnFailure, ResourceRow, StackRow},
};

/// What stands for a value that is never shown.
pub(crate) const HIDDEN: &str = "****";

/// `Stack`
pub(crate) fn stack(row: &StackRow) -> api::Stack {
    api::Stack {
        stack_id: Some(row.id.clone()),
        stack_name: row.name.clone(),
        change_set_id: row.change_set_id.clone(),
        description: row.description.clone(),
        parameters: Some(parameters(row)),
        creation_time: row.created_at,
        deletion_time: row.deleted_at,
        last_updated_time: row.updated_at,
        stack_status: row.status(),
        stack_status_reason: row.reason.clone(),
        disable_rollback: Some(row.on_failure == OnFailure::Keep),
        capabilities: Some(row.capabilities.iter().filter_map(|name| api::Capability::parse(name)).collect()),
        outputs: Some(row.outputs.iter().map(output).collect()),
        role_arn: row.role_arn.clone(),
        tags: Some(tags(row)),
        enable_termination_protection: Some(row.protected),
        ..api::Stack::default()
    }
}

/// Its parameters; hidden ones as stars.
pub(crate) fn parameters(row: &StackRow) -> Vec<api::Parameter> {
    row.parameters
        .iter()
        .map(|(key, value)| {
            let shown = if row.hidden.contains(key) { HIDDEN } else { value };
            api::Parameter {
                parameter_key: Some(key.clone()),
                parameter_value: Some(shown.to_owned()),
                ..api::Parameter::default()
            }
        })
        .collect()
}

fn tags(row: &StackRow) -> Vec<api::Tag> {
    row.tags.iter().map(|(key, value)| api::Tag { key: key.clone(), value: value.clone() }).collect()
}

fn output((key, value, description): &(String, String, Option<String>)) -> api::Output {
    api::Output {
        output_key: Some(key.clone()),
        output_value: Some(value.clone()),
        description: description.clone(),
        export_name: None,
    }
}

/// `StackSummary`
pub(crate) fn summary(row: &StackRow) -> api::StackSummary {
    api::StackSummary {
        stack_id: Some(row.id.clone()),
        stack_name: row.name.clone(),
        template_description: row.description.clone(),
        creation_time: row.created_at,
        last_updated_time: row.updated_at,
        deletion_time: row.deleted_at,
        stack_status: row.status(),
        stack_status_reason: row.reason.clone(),
        ..api::StackSummary::default()
    }
}

/// `StackEvent`
pub(crate) fn event(stack: &StackRow, row: EventRow) -> api::StackEvent {
    api::StackEvent {
        stack_id: stack.id.clone(),
        stack_name: stack.name.clone(),
        event_id: row.id,
        logical_resource_id: Some(row.logical_id),
        physical_resource_id: row.physical_id,
        resource_type: Some(row.kind),
        timestamp: row.at,
        resource_status: resource_status(&row.status),
        resource_status_reason: row.reason,
        ..api::StackEvent::default()
    }
}

/// The status an event shows.
// DIVERGES: AWS's events also show UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, which its own model of events does not have; here
// the cleaning up is part of UPDATE_IN_PROGRESS.
fn resource_status(status: &str) -> Option<api::ResourceStatus> {
    let known = api::ResourceStatus::parse(status);
    known.or_else(|| status.starts_with("UPDATE_").then_some(api::ResourceStatus::UpdateInProgress))
}

/// `StackResource`
pub(crate) fn resource(stack: &StackRow, row: ResourceRow) -> api::StackResource {
    api::StackResource {
        stack_name: Some(stack.name.clone()),
        stack_id: Some(stack.id.clone()),
        resource_status: row.status(),
        logical_resource_id: row.logical_id,
        physical_resource_id: row.physical_id,
        resource_type: row.kind,
        timestamp: row.updated_at,
        resource_status_reason: row.reason,
        ..api::StackResource::default()
    }
}
