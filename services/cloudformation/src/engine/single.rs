//! One resource: made, changed, deleted, with its events.

use casemate_kernel::Fault;

use super::{Worker, ledger::Keep};
use crate::{
    api::ResourceStatus,
    intrinsic::Facts,
    provision::{self, Before, Failure, Job, Kind, Made},
    stack::ResourceRow,
    template::{Deletion, Node, Resource},
};

/// A resource could not be made or changed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Its service refused, or its properties came to nothing usable.
    Refused(String),
    /// The store failed: nothing more can be done.
    Store(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

impl Worker<'_> {
    /// Evaluates a resource's properties.
    pub(super) fn properties(facts: &Facts, resource: &Resource) -> Result<Node, Trouble> {
        let evaluated = facts.evaluate(&resource.properties);
        let evaluated =
            evaluated.map_err(|error| Trouble::Refused(error.of(&resource.logical_id).to_string()))?;
        Ok(evaluated.unwrap_or_else(|| Node::map(resource.line, [])))
    }

    /// Makes a resource that is not there yet.
    pub(super) async fn make(&self, resource: &Resource, properties: Node) -> Result<ResourceRow, Trouble> {
        let mut row = ResourceRow::new(&resource.logical_id, &resource.kind, properties, self.ledger.now());
        row.deletion = resource.deletion;
        self.ledger.resource(&mut row, ResourceStatus::CreateInProgress, None, Keep::Row).await?;
        let made = match kind(&row) {
            Ok(kind) => kind.provisioner.create(&self.job(kind, &row.logical_id, &row.properties)).await,
            Err(failure) => Err(failure),
        };
        match made {
            Ok(made) => {
                row.take_over(made);
                self.ledger.resource(&mut row, ResourceStatus::CreateComplete, None, Keep::Row).await?;
                Ok(row)
            }
            Err(failure) => {
                row.physical_id = failure.made;
                let reason = place(&failure.reason, resource);
                let status = ResourceStatus::CreateFailed;
                self.ledger.resource(&mut row, status, Some(reason.clone()), Keep::Row).await?;
                Err(Trouble::Refused(reason))
            }
        }
    }

    /// Changes a resource to other properties.
    pub(super) async fn change(
        &self,
        before: &ResourceRow,
        properties: Node,
        deletion: Deletion,
        line: Option<&Resource>,
    ) -> Result<ResourceRow, Trouble> {
        let mut row = before.clone();
        row.deletion = deletion;
        self.ledger.resource(&mut row, ResourceStatus::UpdateInProgress, None, Keep::Row).await?;
        row.properties = properties;
        let then = Before {
            id: before.physical_id.as_deref().unwrap_or_default(),
            properties: &before.properties,
            existing: &before.existing,
        };
        let changed = match kind(&row) {
            Ok(kind) => {
                kind.provisioner.update(&self.job(kind, &row.logical_id, &row.properties), &then).await
            }
            Err(failure) => Err(failure),
        };
        match changed {
            Ok(made) => {
                row.take_over(made);
                self.ledger.resource(&mut row, ResourceStatus::UpdateComplete, None, Keep::Row).await?;
                Ok(row)
            }
            Err(failure) => {
                let reason = line.map_or(failure.reason.clone(), |line| place(&failure.reason, line));
                let status = ResourceStatus::UpdateFailed;
                self.ledger.resource(&mut row, status, Some(reason.clone()), Keep::Row).await?;
                Err(Trouble::Refused(reason))
            }
        }
    }

    /// Deletes what a row stands for. `Ok(false)`: it could not be deleted, and the events say why.
    pub(super) async fn remove(&self, row: &ResourceRow, keep: Keep, spare: bool) -> Result<bool, Fault> {
        let mut row = row.clone();
        let Some(id) = row.physical_id.clone() else {
            self.ledger.resource(&mut row, ResourceStatus::DeleteComplete, None, keep).await?;
            return Ok(true);
        };
        if spare {
            self.ledger.resource(&mut row, ResourceStatus::DeleteSkipped, None, keep).await?;
            return Ok(true);
        }
        let during = if keep == Keep::Other { Keep::Other } else { Keep::Row };
        self.ledger.resource(&mut row, ResourceStatus::DeleteInProgress, None, during).await?;
        let deleted = match kind(&row) {
            Ok(kind) => kind.provisioner.delete(&self.job(kind, &row.logical_id, &row.properties), &id).await,
            Err(failure) => Err(failure),
        };
        match deleted {
            Ok(()) => {
                self.ledger.resource(&mut row, ResourceStatus::DeleteComplete, None, keep).await?;
                Ok(true)
            }
            Err(failure) => {
                let reason = Some(failure.reason);
                self.ledger.resource(&mut row, ResourceStatus::DeleteFailed, reason, during).await?;
                Ok(false)
            }
        }
    }

    fn job<'a>(&'a self, kind: &'static Kind, logical_id: &'a str, properties: &'a Node) -> Job<'a> {
        Job { hand: &self.hand, logical_id, kind, properties }
    }
}

impl ResourceRow {
    fn take_over(&mut self, made: Made) {
        self.physical_id = Some(made.id);
        self.existing = made.existing;
    }
}

fn kind(row: &ResourceRow) -> Result<&'static Kind, Failure> {
    provision::kind(&row.kind).ok_or_else(|| Failure::from("this type of resource is not known any more"))
}

/// The reason with the template's line.
fn place(reason: &str, resource: &Resource) -> String {
    if resource.line == 0 { reason.to_owned() } else { format!("{reason} (template line {})", resource.line) }
}
