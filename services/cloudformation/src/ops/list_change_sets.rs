//! `ListChangeSets`: the change sets of a stack.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{ChangeSetSummary, Error, ListChangeSets, ListChangeSetsInput, ListChangeSetsOutput},
};

impl Operation<ListChangeSets> for CloudFormation {
    fn access(&self, input: &ListChangeSetsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_stack("cloudformation:ListChangeSets", &input.stack_name, caller))
    }

    async fn run(&self, call: Call<ListChangeSets>) -> Result<ListChangeSetsOutput, Error> {
        let stack = self.stack(call.scope(), &call.input.stack_name)?;
        let rows = self.change_sets(call.scope(), &stack.id)?;
        let summaries = rows.into_iter().map(|row| ChangeSetSummary {
            stack_id: Some(stack.id.clone()),
            stack_name: Some(stack.name.clone()),
            execution_status: Some(row.execution()),
            status: Some(row.status()),
            status_reason: row.reason.clone(),
            creation_time: Some(row.created_at),
            description: row.description.clone(),
            change_set_id: Some(row.id),
            change_set_name: Some(row.name),
            ..ChangeSetSummary::default()
        });
        Ok(ListChangeSetsOutput { summaries: Some(summaries.collect()), next_token: None })
    }
}
