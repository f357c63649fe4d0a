//! Changing a stack: first everything new and different, then, when all of that stands, what is no longer wanted goes.

use casemate_kernel::Fault;

use super::{
    Worker,
    create::{Outputs, outputs},
    ledger::Keep,
    single::Trouble,
    undo::Step,
};
use crate::{
    api::StackStatus,
    plan::Plan,
    provision,
    stack::{ResourceRow, StackRow},
    template::{Deletion, Node, Resource},
};

impl Worker<'_> {
    /// Makes the stack what the plan says, or puts everything back.
    pub(super) async fn update(&self, stack: &StackRow, mut plan: Plan) -> Result<(), Fault> {
        let rows = self.ledger.resources()?;
        let mut steps = Vec::new();
        match self.apply(&rows, &mut plan, &mut steps).await {
            Ok(outputs) => self.complete(stack, &plan, &rows, &steps, outputs).await,
            Err(Trouble::Store(fault)) => Err(fault),
            Err(Trouble::Refused(reason)) => self.undo(stack, steps, reason).await,
        }
    }

    async fn apply(
        &self,
        rows: &[ResourceRow],
        plan: &mut Plan,
        steps: &mut Vec<Step>,
    ) -> Result<Outputs, Trouble> {
        for resource in &plan.resources {
            let properties = Self::properties(&plan.facts, resource)?;
            let before = rows.iter().find(|row| row.logical_id == resource.logical_id);
            let row = self.bring_about(before, resource, properties, steps).await;
            let row = row.map_err(|trouble| match trouble {
                Trouble::Refused(_) => {
                    let verb = if before.is_some() { "update" } else { "create" };
                    // AWS: this sentence.
                    let text =
                        format!("The following resource(s) failed to {verb}: [{}]. ", resource.logical_id);
                    Trouble::Refused(text)
                }
                store @ Trouble::Store(_) => store,
            })?;
            plan.facts.resources.insert(resource.logical_id.clone(), row.existing);
        }
        outputs(plan)
    }

    async fn bring_about(
        &self,
        before: Option<&ResourceRow>,
        resource: &Resource,
        properties: Node,
        steps: &mut Vec<Step>,
    ) -> Result<ResourceRow, Trouble> {
        let Some(before) = before.filter(|row| row.physical_id.is_some()) else {
            steps.push(Step::Made(resource.logical_id.clone()));
            return self.make(resource, properties).await;
        };
        let kind = provision::kind(&resource.kind).filter(|kind| kind.name == before.kind);
        let changed = kind.map(|kind| kind.changed(&before.properties, &properties));
        match (kind, changed) {
            (Some(_), Some(changed)) if changed.is_empty() && before.deletion == resource.deletion => {
                Ok(before.clone())
            }
            (Some(_), Some(changed)) if !changed.iter().any(|property| property.replaces) => {
                steps.push(Step::Changed(Box::new(before.clone())));
                self.change(before, properties, resource.deletion, Some(resource)).await
            }
            (Some(kind), Some(_)) if has_same_name(kind, before, &properties) => {
                let name = before.physical_id.clone().unwrap_or_default();
                // AWS: this sentence.
                let text = format!(
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {name} and update the stack again."
                );
                steps.push(Step::Changed(Box::new(before.clone())));
                let mut row = before.clone();
                let status = crate::api::ResourceStatus::UpdateFailed;
                self.ledger.resource(&mut row, status, Some(text.clone()), Keep::Row).await?;
                Err(Trouble::Refused(text))
            }
            _ => {
                steps.push(Step::Replaced(Box::new(before.clone())));
                self.make(resource, properties).await
            }
        }
    }

    async fn complete(
        &self,
        stack: &StackRow,
        plan: &Plan,
        rows: &[ResourceRow],
        steps: &[Step],
        outputs: Outputs,
    ) -> Result<(), Fault> {
        let order: Vec<String> = plan.resources.iter().map(|r| r.logical_id.clone()).collect();
        let keep = order.clone();
        self.ledger
            .finish(StackStatus::UpdateCompleteCleanupInProgress, None, move |row| {
                row.outputs.clone_from(&outputs);
                row.order.clone_from(&keep);
            })
            .await?;
        for logical_id in stack.order.iter().rev() {
            let replaced = steps.iter().find_map(|step| step.replaced(logical_id));
            let gone = rows.iter().find(|row| row.logical_id == *logical_id && !order.contains(logical_id));
            if let Some((row, keep)) =
                replaced.map(|row| (row, Keep::Other)).or(gone.map(|row| (row, Keep::Nothing)))
            {
                // AWS: an update is complete even when something old could not be deleted; the events say so.
                self.remove(row, keep, row.deletion != Deletion::Delete).await?;
            }
        }
        self.ledger.status(StackStatus::UpdateComplete, None).await
    }
}

/// Would the replacement collide with what it replaces?
fn has_same_name(kind: &provision::Kind, before: &ResourceRow, properties: &Node) -> bool {
    kind.named_by.is_some_and(|name| {
        let given = properties.get(name);
        given.is_some() && before.properties.get(name) == given
    })
}
