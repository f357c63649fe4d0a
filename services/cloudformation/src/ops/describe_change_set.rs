//! `DescribeChangeSet`: what a change set would do.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{
        Capability, Change, ChangeType, DescribeChangeSet, DescribeChangeSetInput, DescribeChangeSetOutput,
        Error, ResourceChange,
    },
    view,
};

impl Operation<DescribeChangeSet> for CloudFormation {
    fn access(&self, input: &DescribeChangeSetInput, caller: &Caller) -> Result<Access, Error> {
        let stack = self.stack_of_change_set(input.stack_name.as_deref(), &input.change_set_name, caller)?;
        let access = self.on_stack("cloudformation:DescribeChangeSet", &stack, caller);
        Ok(access.with("cloudformation:ChangeSetName", input.change_set_name.clone()))
    }

    async fn run(&self, call: Call<DescribeChangeSet>) -> Result<DescribeChangeSetOutput, Error> {
        let input = &call.input;
        let row = self.change_set(call.scope(), input.stack_name.as_deref(), &input.change_set_name)?;
        let stack = self.stack(call.scope(), &row.stack_id)?;
        let changes = row.changes.iter().map(|change| Change {
            r#type: Some(ChangeType::Resource),
            resource_change: Some(ResourceChange {
                action: change.action(),
                logical_resource_id: Some(change.logical_id.clone()),
                physical_resource_id: change.physical_id.clone(),
                resource_type: Some(change.kind.clone()),
                replacement: change.replacement(),
                ..ResourceChange::default()
            }),
            ..Change::default()
        });
        Ok(DescribeChangeSetOutput {
            changes: Some(changes.collect()),
            stack_id: Some(stack.id.clone()),
            parameters: Some(view::parameters(&stack)),
            stack_name: Some(stack.name),
            creation_time: Some(row.created_at),
            execution_status: Some(row.execution()),
            status: Some(row.status()),
            status_reason: row.reason.clone(),
            description: row.description.clone(),
            capabilities: Some(
                row.wanted.capabilities.iter().filter_map(|name| Capability::parse(name)).collect(),
            ),
            change_set_name: Some(row.name),
            change_set_id: Some(row.id),
            ..DescribeChangeSetOutput::default()
        })
    }
}
