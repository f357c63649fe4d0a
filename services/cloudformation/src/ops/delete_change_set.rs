//! `DeleteChangeSet`: throws a change set away. An empty stack made for it goes with its last one.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DeleteChangeSet, DeleteChangeSetInput, DeleteChangeSetOutput, Error, StackStatus},
    stack,
};

impl Operation<DeleteChangeSet> for CloudFormation {
    fn access(&self, input: &DeleteChangeSetInput, caller: &Caller) -> Result<Access, Error> {
        let stack = self.stack_of_change_set(input.stack_name.as_deref(), &input.change_set_name, caller)?;
        let access = self.on_stack("cloudformation:DeleteChangeSet", &stack, caller);
        Ok(access.with("cloudformation:ChangeSetName", input.change_set_name.clone()))
    }

    async fn run(&self, call: Call<DeleteChangeSet>) -> Result<DeleteChangeSetOutput, Error> {
        let scope = call.scope().clone();
        let found = self.change_set(&scope, call.input.stack_name.as_deref(), &call.input.change_set_name);
        let row = match found {
            // AWS: deleting what is not there succeeds.
            Err(Error::ChangeSetNotFoundException(_)) => return Ok(DeleteChangeSetOutput {}),
            found => found?,
        };
        let stack_id = row.stack_id.clone();
        self.drop_change_set(&scope, row).await?;
        let stack = self.stack(&scope, &stack_id)?;
        if stack.status() == StackStatus::ReviewInProgress && self.change_sets(&scope, &stack_id)?.is_empty()
        {
            self.env.store.write(move |tx| stack::forget(tx, &scope, &stack).map_err(Error::from)).await?;
        }
        Ok(DeleteChangeSetOutput {})
    }
}
