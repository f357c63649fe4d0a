//! `ExecuteChangeSet`: begins to do what a change set says.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{
        Error, ExecuteChangeSet, ExecuteChangeSetInput, ExecuteChangeSetOutput, ExecutionStatus, StackStatus,
    },
    ops::update_stack::is_updatable,
    stack::OnFailure,
    submit::busy,
    wanted,
};

impl Operation<ExecuteChangeSet> for CloudFormation {
    fn access(&self, input: &ExecuteChangeSetInput, caller: &Caller) -> Result<Access, Error> {
        let stack = self.stack_of_change_set(input.stack_name.as_deref(), &input.change_set_name, caller)?;
        let access = self.on_stack("cloudformation:ExecuteChangeSet", &stack, caller);
        Ok(access.with("cloudformation:ChangeSetName", input.change_set_name.clone()))
    }

    async fn run(&self, call: Call<ExecuteChangeSet>) -> Result<ExecuteChangeSetOutput, Error> {
        let (input, permit) = call.into_parts();
        let scope = permit.scope().clone();
        let mut row = self.change_set(&scope, input.stack_name.as_deref(), &input.change_set_name)?;
        if row.execution() != ExecutionStatus::Available {
            // AWS: this sentence.
            let text = format!(
                "ChangeSet [{}] cannot be executed in its current status of [{}]",
                row.id,
                row.status().as_str()
            );
            return Err(Error::invalid_change_set_status_exception(text));
        }
        let mut stack = self.stack(&scope, &row.stack_id)?;
        let mut wanted = row.wanted.clone();
        if input.disable_rollback == Some(true) {
            if !row.creates {
                return wanted::refuse(&[("DisableRollback", true)]).map(|()| ExecuteChangeSetOutput {});
            }
            wanted.on_failure = OnFailure::Keep;
        }
        let name = stack.name.clone();
        stack.change_set_id = Some(row.id.clone());
        match stack.status() {
            StackStatus::ReviewInProgress => self.begin_create(permit, &name, wanted, Some(stack)).await?,
            status if is_updatable(status) => self.begin_update(permit, stack, wanted).await?,
            _ => return Err(busy(&stack, "updated")),
        };
        row.set_execution(ExecutionStatus::ExecuteComplete);
        self.update_change_set(&scope, row.clone()).await?;
        // AWS: the other change sets of the stack cannot be executed any more.
        for mut other in self.change_sets(&scope, &row.stack_id)? {
            if other.id != row.id && other.execution() == ExecutionStatus::Available {
                other.set_execution(ExecutionStatus::Obsolete);
                self.update_change_set(&scope, other).await?;
            }
        }
        Ok(ExecuteChangeSetOutput {})
    }
}
