//! Takes work on: checks what is wanted against what is there, writes the first status, and hands over to the engine.

use std::collections::BTreeMap;

use casemate_kernel::{Fault, Permit};
use casemate_names::{Scope, uuid};

use crate::{
    CloudFormation,
    api::{Error, StackStatus},
    engine::{Task, Work},
    packages,
    plan::{Basis, Identity, Plan},
    resource::stack_arn,
    stack::{self, Announced, EventRow, NewStack, StackRow},
    wanted::Wanted,
};

impl CloudFormation {
    /// Begins to make a stack; `review` is the empty one a change set made for it.
    pub(crate) async fn begin_create(
        &self,
        permit: Permit,
        name: &str,
        wanted: Wanted,
        review: Option<StackRow>,
    ) -> Result<String, Error> {
        let scope = permit.scope().clone();
        let mut stack =
            review.unwrap_or_else(|| self.new_stack(&scope, name, StackStatus::CreateInProgress, &permit));
        let text = wanted.template.clone().unwrap_or_default();
        let plan = self.plan(&scope, &stack, &text, &wanted)?;
        let tags = wanted.tags.clone().unwrap_or_default();
        announce(&mut stack, &plan, &wanted, tags);
        stack.order = plan.resources.iter().map(|resource| resource.logical_id.clone()).collect();
        stack.role_arn = wanted.role_arn;
        stack.on_failure = wanted.on_failure;
        stack.protected = wanted.protected.unwrap_or(false);
        let task = Task::Create(Box::new(plan));
        self.begin(permit, scope, stack, StackStatus::CreateInProgress, task).await
    }

    /// Begins to change a stack.
    pub(crate) async fn begin_update(
        &self,
        permit: Permit,
        mut stack: StackRow,
        wanted: Wanted,
    ) -> Result<String, Error> {
        let scope = permit.scope().clone();
        let text = wanted.template.clone().unwrap_or_else(|| stack.template.clone());
        let plan = self.plan(&scope, &stack, &text, &wanted)?;
        let tags = wanted.tags.clone().unwrap_or_else(|| stack.tags.clone());
        if plan.fingerprint(&tags) == stack.fingerprint && stack.status() != StackStatus::UpdateRollbackFailed
        {
            // AWS: this sentence.
            return Err(Error::Validation("No updates are to be performed.".to_owned()));
        }
        stack.previous = Some(Box::new(stack.announced()));
        announce(&mut stack, &plan, &wanted, tags);
        stack.role_arn = wanted.role_arn.or(stack.role_arn);
        stack.updated_at = Some(permit.now());
        let task = Task::Update(Box::new(plan));
        self.begin(permit, scope, stack, StackStatus::UpdateInProgress, task).await
    }

    /// Begins to delete a stack.
    pub(crate) async fn begin_delete(&self, permit: Permit, stack: StackRow) -> Result<String, Error> {
        let scope = permit.scope().clone();
        self.begin(permit, scope, stack, StackStatus::DeleteInProgress, Task::Delete).await
    }

    /// A stack without anything, under a new ARN.
    pub(crate) fn new_stack(
        &self,
        scope: &Scope,
        name: &str,
        status: StackStatus,
        permit: &Permit,
    ) -> StackRow {
        let id =
            stack_arn(scope, name, &uuid(&*self.env.entropy, "cloudformation.stack")).as_str().to_owned();
        StackRow::new(NewStack { id, name: name.to_owned(), status, now: permit.now() })
    }

    /// The plan, capabilities acknowledged and packages present.
    pub(crate) fn plan(
        &self,
        scope: &Scope,
        stack: &StackRow,
        text: &str,
        wanted: &Wanted,
    ) -> Result<Plan, Error> {
        let identity = Identity {
            name: stack.name.clone(),
            id: stack.id.clone(),
            scope: scope.clone(),
            endpoint: self.env.site.endpoint.clone(),
        };
        let basis =
            Basis { text, given: &wanted.parameters, previous: &stack.parameters, identity: &identity };
        let plan = Plan::of(&self.env, &self.models, &basis)?;
        let missing = plan.missing_capabilities(&wanted.capabilities);
        if !missing.is_empty() {
            // AWS: this sentence, with the blank before the colon.
            let text = format!("Requires capabilities : [{}]", missing.join(", "));
            return Err(Error::insufficient_capabilities_exception(text));
        }
        packages::check(&self.env.store, scope, &plan)?;
        Ok(plan)
    }

    async fn begin(
        &self,
        permit: Permit,
        scope: Scope,
        mut stack: StackRow,
        status: StackStatus,
        task: Task,
    ) -> Result<String, Error> {
        let slot = self.queue.clone().try_reserve_owned().map_err(|_| {
            Error::Internal(Fault::coded(
                "Throttling",
                400,
                "Too many stack operations are waiting; try again.",
            ))
        })?;
        let was = stack.status();
        stack.set_status(status, Some("User Initiated".to_owned()));
        let event = EventRow {
            id: uuid(&*self.env.entropy, "cloudformation.event"),
            at: permit.now(),
            logical_id: stack.name.clone(),
            physical_id: Some(stack.id.clone()),
            kind: "AWS::CloudFormation::Stack".to_owned(),
            status: status.as_str().to_owned(),
            reason: stack.reason.clone(),
        };
        let (row, at) = (stack.clone(), scope.clone());
        let stack = self
            .env
            .store
            .write(move |tx| {
                let mut row = row.clone();
                match stack::find(tx, &at, &row.name)? {
                    Some(current) if current.id != row.id => {
                        // AWS: "Stack [name] already exists".
                        return Err(Error::already_exists_exception(format!(
                            "Stack [{}] already exists",
                            row.name
                        )));
                    }
                    // Somebody else was faster.
                    Some(current) if current.status() != was => return Err(busy(&current, "updated")),
                    Some(current) => row.events = current.events,
                    None => {}
                }
                stack::add_event(tx, &at, &mut row, &event)?;
                stack::put(tx, &at, &row)?;
                Ok(row)
            })
            .await?;
        let id = stack.id.clone();
        slot.send(Work { permit, scope, stack, task });
        Ok(id)
    }
}

/// A stack that something is being done to.
pub(crate) fn busy(stack: &StackRow, what: &str) -> Error {
    // AWS: "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated."
    let text = format!("Stack:{} is in {} state and can not be {what}.", stack.id, stack.status().as_str());
    Error::Validation(text)
}

fn announce(stack: &mut StackRow, plan: &Plan, wanted: &Wanted, tags: Vec<(String, String)>) {
    let parameters: BTreeMap<String, String> = plan.parameters.clone();
    stack.announce(Announced {
        template: plan.text.clone(),
        parameters,
        hidden: plan.hidden.clone(),
        fingerprint: plan.fingerprint(&tags),
        tags,
        capabilities: wanted.capabilities.clone(),
        description: plan.description.clone(),
    });
}
