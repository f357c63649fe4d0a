//! `UpdateStack`: checks a template against a stack and begins to make the stack what it says.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CloudFormation,
    api::{Error, StackStatus, UpdateStack, UpdateStackInput, UpdateStackOutput},
    submit::busy,
    wanted::{self, Source, Wanted},
};

impl Operation<UpdateStack> for CloudFormation {
    fn access(&self, input: &UpdateStackInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on_stack("cloudformation:UpdateStack", &input.stack_name, caller);
        wanted::with_role_and_tags(access, input.role_arn.as_deref(), input.tags.as_deref())
    }

    async fn run(&self, call: Call<UpdateStack>) -> Result<UpdateStackOutput, Error> {
        let (input, permit) = call.into_parts();
        wanted::refuse(&[
            ("StackPolicyBody", input.stack_policy_body.is_some()),
            ("StackPolicyURL", input.stack_policy_url.is_some()),
            ("StackPolicyDuringUpdateBody", input.stack_policy_during_update_body.is_some()),
            ("StackPolicyDuringUpdateURL", input.stack_policy_during_update_url.is_some()),
            ("NotificationARNs", input.notification_arns.is_some_and(|arns| !arns.is_empty())),
            (
                "RollbackConfiguration",
                input.rollback_configuration.is_some_and(|c| c.rollback_triggers.is_some()),
            ),
            ("ResourceTypes", input.resource_types.is_some()),
            ("DisableRollback", input.disable_rollback == Some(true)),
        ])?;
        let stack = self.stack(permit.scope(), &input.stack_name)?;
        if !is_updatable(stack.status()) {
            return Err(busy(&stack, "updated"));
        }
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
        let id = self.begin_update(permit, stack, wanted).await?;
        Ok(UpdateStackOutput { stack_id: Some(id), ..UpdateStackOutput::default() })
    }
}

/// May a stack of this status be updated?
// DIVERGES: AWS wants ContinueUpdateRollback before a stack in UPDATE_ROLLBACK_FAILED may be updated again.
pub(crate) fn is_updatable(status: StackStatus) -> bool {
    matches!(
        status,
        StackStatus::CreateComplete
            | StackStatus::UpdateComplete
            | StackStatus::UpdateRollbackComplete
            | StackStatus::UpdateRollbackFailed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stacks_at_rest_are_updated() {
        assert!(is_updatable(StackStatus::CreateComplete));
        for status in
            [StackStatus::CreateInProgress, StackStatus::RollbackComplete, StackStatus::DeleteFailed]
        {
            assert!(!is_updatable(status), "{}", status.as_str());
        }
    }
}
