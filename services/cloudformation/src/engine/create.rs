//! Making a stack.

use casemate_kernel::Fault;

use super::{Worker, ledger::Keep, single::Trouble};
use crate::{
    api::StackStatus,
    plan::{Plan, output_value},
    stack::{OnFailure, StackRow},
    template::Deletion,
};

/// Outputs: key, value, description.
pub(super) type Outputs = Vec<(String, String, Option<String>)>;

impl Worker<'_> {
    /// Makes everything, or takes it back.
    pub(super) async fn create(&self, stack: &StackRow, mut plan: Plan) -> Result<(), Fault> {
        match self.make_all(&mut plan).await {
            Ok(outputs) => {
                let order: Vec<String> = plan.resources.iter().map(|r| r.logical_id.clone()).collect();
                let done = StackStatus::CreateComplete;
                self.ledger
                    .finish(done, None, move |row| {
                        row.outputs.clone_from(&outputs);
                        row.order.clone_from(&order);
                    })
                    .await
            }
            Err(Trouble::Store(fault)) => Err(fault),
            Err(Trouble::Refused(reason)) => self.give_up(stack, &plan, reason).await,
        }
    }

    async fn make_all(&self, plan: &mut Plan) -> Result<Outputs, Trouble> {
        for resource in &plan.resources {
            let properties = Self::properties(&plan.facts, resource)?;
            let row = self.make(resource, properties).await.map_err(|trouble| match trouble {
                Trouble::Refused(_) => {
                    // AWS: this sentence.
                    let text =
                        format!("The following resource(s) failed to create: [{}]. ", resource.logical_id);
                    Trouble::Refused(text)
                }
                store @ Trouble::Store(_) => store,
            })?;
            plan.facts.resources.insert(resource.logical_id.clone(), row.existing);
        }
        outputs(plan)
    }

    async fn give_up(&self, stack: &StackRow, plan: &Plan, reason: String) -> Result<(), Fault> {
        let order: Vec<String> = plan.resources.iter().map(|r| r.logical_id.clone()).collect();
        let keep_order = move |row: &mut StackRow| row.order.clone_from(&order);
        match stack.on_failure {
            OnFailure::Keep => self.ledger.finish(StackStatus::CreateFailed, Some(reason), keep_order).await,
            OnFailure::Rollback | OnFailure::Delete => {
                let (doing, done, failed) = if stack.on_failure == OnFailure::Delete {
                    (StackStatus::DeleteInProgress, StackStatus::DeleteComplete, StackStatus::DeleteFailed)
                } else {
                    (
                        StackStatus::RollbackInProgress,
                        StackStatus::RollbackComplete,
                        StackStatus::RollbackFailed,
                    )
                };
                let text = format!("{reason}Rollback requested by user.");
                self.ledger.finish(doing, Some(text), keep_order).await?;
                let rows = self.ledger.resources()?;
                let mut left = Vec::new();
                for resource in plan.resources.iter().rev() {
                    let Some(row) = rows.iter().find(|row| row.logical_id == resource.logical_id) else {
                        continue;
                    };
                    if !self.remove(row, Keep::Nothing, row.deletion == Deletion::Retain).await? {
                        left.push(row.logical_id.clone());
                    }
                }
                if left.is_empty() {
                    return self.ledger.status(done, None).await;
                }
                let text = format!("The following resource(s) failed to delete: [{}]. ", left.join(", "));
                self.ledger.status(failed, Some(text)).await
            }
        }
    }
}

/// What the outputs come to, once everything is there.
pub(super) fn outputs(plan: &Plan) -> Result<Outputs, Trouble> {
    plan.outputs
        .iter()
        .map(|output| {
            let value = output_value(&plan.facts, output);
            let value = value.map_err(|error| Trouble::Refused(error.to_string()))?;
            Ok((output.key.clone(), value, output.description.clone()))
        })
        .collect()
}
