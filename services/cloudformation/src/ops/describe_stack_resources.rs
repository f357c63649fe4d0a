//! `DescribeStackResources`: the resources of a stack, or those of the stack that a physical id belongs to.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DescribeStackResources, DescribeStackResourcesInput, DescribeStackResourcesOutput, Error},
    stack, view,
};

impl Operation<DescribeStackResources> for CloudFormation {
    fn access(&self, input: &DescribeStackResourcesInput, caller: &Caller) -> Result<Access, Error> {
        let name = input.stack_name.as_deref().unwrap_or("*");
        Ok(self.on_stack("cloudformation:DescribeStackResources", name, caller))
    }

    async fn run(&self, call: Call<DescribeStackResources>) -> Result<DescribeStackResourcesOutput, Error> {
        // DIVERGES: finding a stack by a physical id is not there yet.
        if call.input.physical_resource_id.is_some() {
            return Err(Error::Validation("PhysicalResourceId is not supported: give StackName".to_owned()));
        }
        let Some(name) = &call.input.stack_name else {
            return Err(Error::Validation("StackName must be specified".to_owned()));
        };
        let row = self.stack(call.scope(), name)?;
        let rows = self.env.store.read(|tx| stack::resources(tx, call.scope(), &row.id))?;
        let wanted = call.input.logical_resource_id.as_deref();
        let resources = rows
            .into_iter()
            .filter(|resource| wanted.is_none_or(|id| id == resource.logical_id))
            .map(|resource| view::resource(&row, resource))
            .collect();
        Ok(DescribeStackResourcesOutput { stack_resources: Some(resources) })
    }
}
