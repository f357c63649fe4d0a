//! `CreateStack`: checks a template and begins to make what it says.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{CreateStack, CreateStackInput, CreateStackOutput, Error, OnFailure},
    stack,
    wanted::{self, Source, Wanted},
};

impl Operation<CreateStack> for CloudFormation {
    fn access(&self, input: &CreateStackInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on_stack("cloudformation:CreateStack", &input.stack_name, caller);
        wanted::with_role_and_tags(access, input.role_arn.as_deref(), input.tags.as_deref())
    }

    async fn run(&self, call: Call<CreateStack>) -> Result<CreateStackOutput, Error> {
        let (input, permit) = call.into_parts();
        wanted::refuse(&[
            ("StackPolicyBody", input.stack_policy_body.is_some()),
            ("StackPolicyURL", input.stack_policy_url.is_some()),
            ("NotificationARNs", input.notification_arns.is_some_and(|arns| !arns.is_empty())),
            (
                "RollbackConfiguration",
                input.rollback_configuration.is_some_and(|c| c.rollback_triggers.is_some()),
            ),
            ("TimeoutInMinutes", input.timeout_in_minutes.is_some()),
            ("ResourceTypes", input.resource_types.is_some()),
        ])?;
        let source =
            Source { body: input.template_body.as_ref(), url: input.template_url.as_ref(), previous: None };
        if input.on_failure.is_some() && input.disable_rollback == Some(true) {
            // AWS: this sentence.
            let text = "Cannot specify both DisableRollback and OnFailure";
            return Err(Error::Validation(text.to_owned()));
        }
        let wanted = Wanted {
            template: source.read()?,
            parameters: wanted::parameters(input.parameters)?,
            tags: wanted::tags(input.tags)?,
            capabilities: wanted::capabilities(input.capabilities),
            role_arn: input.role_arn,
            on_failure: on_failure(input.on_failure, input.disable_rollback),
            protected: input.enable_termination_protection,
        };
        let scope = permit.scope().clone();
        if self.env.store.read(|tx| stack::find(tx, &scope, &input.stack_name))?.is_some() {
            // AWS: this sentence.
            let text = format!("Stack [{}] already exists", input.stack_name);
            return Err(Error::already_exists_exception(text));
        }
        let id = self.begin_create(permit, &input.stack_name, wanted, None).await?;
        Ok(CreateStackOutput { stack_id: Some(id), ..CreateStackOutput::default() })
    }
}

fn on_failure(given: Option<OnFailure>, disable_rollback: Option<bool>) -> stack::OnFailure {
    match (given, disable_rollback) {
        (Some(OnFailure::DoNothing), _) | (None, Some(true)) => stack::OnFailure::Keep,
        (Some(OnFailure::Delete), _) => stack::OnFailure::Delete,
        (Some(OnFailure::Rollback) | None, _) => stack::OnFailure::Rollback,
    }
}
