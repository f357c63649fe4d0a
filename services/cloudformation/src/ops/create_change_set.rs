//! `CreateChangeSet`: works out what a template would do to a stack, and keeps it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{ChangeSetType, CreateChangeSet, CreateChangeSetInput, CreateChangeSetOutput, Error, StackStatus},
    change_set::NewChangeSet,
    ops::update_stack::is_updatable,
    stack,
    submit::busy,
    wanted::{self, Source, Wanted},
};

impl Operation<CreateChangeSet> for CloudFormation {
    fn access(&self, input: &CreateChangeSetInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on_stack("cloudformation:CreateChangeSet", &input.stack_name, caller);
        let access = access.with("cloudformation:ChangeSetName", input.change_set_name.clone());
        wanted::with_role_and_tags(access, input.role_arn.as_deref(), input.tags.as_deref())
    }

    async fn run(&self, call: Call<CreateChangeSet>) -> Result<CreateChangeSetOutput, Error> {
        let (input, permit) = call.into_parts();
        wanted::refuse(&[
            ("ResourcesToImport", input.resources_to_import.is_some()),
            ("ImportExistingResources", input.import_existing_resources == Some(true)),
            ("ChangeSetType IMPORT", input.change_set_type == Some(ChangeSetType::Import)),
            ("IncludeNestedStacks", input.include_nested_stacks == Some(true)),
            ("NotificationARNs", input.notification_arns.is_some_and(|arns| !arns.is_empty())),
            (
                "RollbackConfiguration",
                input.rollback_configuration.is_some_and(|c| c.rollback_triggers.is_some()),
            ),
            ("ResourceTypes", input.resource_types.is_some()),
        ])?;
        let source = Source {
            body: input.template_body.as_ref(),
            url: input.template_url.as_ref(),
            previous: input.use_previous_template,
        };
        let wanted = Wanted {
            template: source.read()?,
            parameters: wanted::parameters(input.parameters)?,
            tags: wanted::tags(input.tags)?,
            capabilities: wanted::capabilities(input.capabilities),
            role_arn: input.role_arn,
            ..Wanted::default()
        };
        let scope = permit.scope().clone();
        let creates = input.change_set_type == Some(ChangeSetType::Create);
        let found = self.env.store.read(|tx| stack::find(tx, &scope, &input.stack_name))?;
        let stack = match (creates, found) {
            (true, None) => self.new_stack(&scope, &input.stack_name, StackStatus::ReviewInProgress, &permit),
            (true, Some(stack)) if stack.status() == StackStatus::ReviewInProgress => stack,
            (true, Some(stack)) => {
                // AWS: this sentence.
                let text = format!(
                    "Stack [{}] already exists and cannot be created again with the changeSet [{}].",
                    stack.name, input.change_set_name
                );
                return Err(Error::Validation(text));
            }
            (false, Some(stack)) if is_updatable(stack.status()) => stack,
            (false, Some(stack)) => return Err(busy(&stack, "updated")),
            (false, None) => {
                // AWS: this sentence.
                let text = format!("Stack [{}] does not exist", input.stack_name);
                return Err(Error::Validation(text));
            }
        };
        let new =
            NewChangeSet { name: input.change_set_name, description: input.description, creates, wanted };
        let row = self.propose(&permit, stack, new).await?;
        Ok(CreateChangeSetOutput { id: Some(row.id), stack_id: Some(row.stack_id) })
    }
}
