//! `DescribeStackResource`: one resource of a stack.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{
        DescribeStackResource, DescribeStackResourceInput, DescribeStackResourceOutput, Error,
        StackResourceDetail,
    },
    stack,
};

impl Operation<DescribeStackResource> for CloudFormation {
    fn access(&self, input: &DescribeStackResourceInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_stack("cloudformation:DescribeStackResource", &input.stack_name, caller))
    }

    async fn run(&self, call: Call<DescribeStackResource>) -> Result<DescribeStackResourceOutput, Error> {
        let found = self.env.store.read(|tx| stack::find(tx, call.scope(), &call.input.stack_name))?;
        let row = found.ok_or_else(|| {
            // AWS: in quotation marks here.
            Error::Validation(format!("Stack '{}' does not exist", call.input.stack_name))
        })?;
        let rows = self.env.store.read(|tx| stack::resources(tx, call.scope(), &row.id))?;
        let wanted = &call.input.logical_resource_id;
        let resource = rows.into_iter().find(|resource| resource.logical_id == *wanted);
        let resource = resource.ok_or_else(|| {
            // AWS: this sentence.
            Error::Validation(format!("Resource {wanted} does not exist for stack {}", row.name))
        })?;
        let detail = StackResourceDetail {
            stack_name: Some(row.name),
            stack_id: Some(row.id),
            resource_status: resource.status(),
            logical_resource_id: resource.logical_id,
            physical_resource_id: resource.physical_id,
            resource_type: resource.kind,
            last_updated_timestamp: resource.updated_at,
            resource_status_reason: resource.reason,
            ..StackResourceDetail::default()
        };
        Ok(DescribeStackResourceOutput { stack_resource_detail: Some(detail) })
    }
}
