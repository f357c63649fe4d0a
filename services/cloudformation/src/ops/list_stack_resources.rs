//! `ListStackResources`: summaries of a stack's resources.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{
        Error, ListStackResources, ListStackResourcesInput, ListStackResourcesOutput, StackResourceSummary,
    },
    stack,
};

/// Resources on one page. Our own figure; AWS pages by 1 MB.
const PAGE: usize = 100;

impl Operation<ListStackResources> for CloudFormation {
    fn access(&self, input: &ListStackResourcesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_stack("cloudformation:ListStackResources", &input.stack_name, caller))
    }

    async fn run(&self, call: Call<ListStackResources>) -> Result<ListStackResourcesOutput, Error> {
        let row = self.stack(call.scope(), &call.input.stack_name)?;
        let rows = self.env.store.read(|tx| stack::resources(tx, call.scope(), &row.id))?;
        let after = call.input.next_token.as_deref();
        let mut page: Vec<StackResourceSummary> = rows
            .into_iter()
            .filter(|resource| after.is_none_or(|after| resource.logical_id.as_str() > after))
            .take(PAGE + 1)
            .map(|resource| StackResourceSummary {
                resource_status: resource.status(),
                logical_resource_id: resource.logical_id,
                physical_resource_id: resource.physical_id,
                resource_type: resource.kind,
                last_updated_timestamp: resource.updated_at,
                resource_status_reason: resource.reason,
                ..StackResourceSummary::default()
            })
            .collect();
        let more = page.len() > PAGE;
        page.truncate(PAGE);
        let next_token = page.last().filter(|_| more).map(|last| last.logical_resource_id.clone());
        Ok(ListStackResourcesOutput { stack_resource_summaries: Some(page), next_token })
    }
}
