//! `DeleteStack`: begins to delete a stack's resources, last made first.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{DeleteStack, DeleteStackInput, DeleteStackOutput, Error, StackStatus},
    stack::{self, ResourceRow},
    submit::busy,
    template::Deletion,
    wanted,
};

impl Operation<DeleteStack> for CloudFormation {
    fn access(&self, input: &DeleteStackInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on_stack("cloudformation:DeleteStack", &input.stack_name, caller);
        wanted::with_role_and_tags(access, input.role_arn.as_deref(), None)
    }

    async fn run(&self, call: Call<DeleteStack>) -> Result<DeleteStackOutput, Error> {
        let (input, permit) = call.into_parts();
        let scope = permit.scope().clone();
        let found = self.env.store.read(|tx| stack::find(tx, &scope, &input.stack_name))?;
        // AWS: deleting what is not there, or is gone already, succeeds.
        let Some(mut row) = found.filter(|stack| !stack.is_deleted()) else {
            return Ok(DeleteStackOutput {});
        };
        if row.protected {
            // AWS: this sentence.
            let text =
                format!("Stack [{}] cannot be deleted while TerminationProtection is enabled", row.name);
            return Err(Error::Validation(text));
        }
        if row.status() == StackStatus::DeleteInProgress {
            return Ok(DeleteStackOutput {});
        }
        if row.is_busy() {
            return Err(busy(&row, "deleted"));
        }
        let retain = input.retain_resources.unwrap_or_default();
        if !retain.is_empty() && row.status() != StackStatus::DeleteFailed {
            // AWS: this sentence.
            let text = format!(
                "Invalid operation on stack [{}]. Only stacks in DELETE_FAILED state can specify resources to retain",
                row.id
            );
            return Err(Error::Validation(text));
        }
        self.retain(&scope, &row.id, retain).await?;
        row.role_arn = input.role_arn.or(row.role_arn);
        self.begin_delete(permit, row).await?;
        Ok(DeleteStackOutput {})
    }
}

impl CloudFormation {
    /// Marks resources that shall stay.
    async fn retain(&self, scope: &casemate_names::Scope, id: &str, names: Vec<String>) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let (scope, id) = (scope.clone(), id.to_owned());
        self.env
            .store
            .write(move |tx| {
                let rows = stack::resources(tx, &scope, &id)?;
                for row in rows.into_iter().filter(|row| names.contains(&row.logical_id)) {
                    let mut row: ResourceRow = row;
                    row.deletion = Deletion::Retain;
                    stack::put_resource(tx, &scope, &id, &row)?;
                }
                Ok(())
            })
            .await
    }
}
