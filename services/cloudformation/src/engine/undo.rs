//! Taking a failed update back, step by step, last step first.

use casemate_kernel::Fault;

use super::{Worker, ledger::Keep, single::Trouble};
use crate::{
    api::{ResourceStatus, StackStatus},
    stack::{ResourceRow, StackRow},
};

/// Something an update did, or was about to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Made a resource that was not there.
    Made(String),
    /// Changed one in place; this is how it was.
    Changed(Box<ResourceRow>),
    /// Made another in its place; this is the old one, still there.
    Replaced(Box<ResourceRow>),
}

impl Step {
    /// The old resource, if this step replaced `logical_id`.
    pub(super) fn replaced(&self, logical_id: &str) -> Option<&ResourceRow> {
        match self {
            Self::Replaced(row) if row.logical_id == logical_id => Some(row),
            Self::Made(_) | Self::Changed(_) | Self::Replaced(_) => None,
        }
    }
}

impl Worker<'_> {
    /// Puts everything back.
    pub(super) async fn undo(&self, stack: &StackRow, steps: Vec<Step>, reason: String) -> Result<(), Fault> {
        self.ledger.status(StackStatus::UpdateRollbackInProgress, Some(reason)).await?;
        let now = self.ledger.resources()?;
        let row_now = |logical_id: &str| now.iter().find(|row| row.logical_id == logical_id);
        let mut failed = Vec::new();
        for step in steps.iter().rev() {
            let (logical_id, undone) = match step {
                Step::Made(logical_id) => {
                    let undone = match row_now(logical_id) {
                        Some(row) => self.remove(row, Keep::Nothing, false).await?,
                        None => true,
                    };
                    (logical_id.as_str(), undone)
                }
                Step::Changed(before) => {
                    let id = before.logical_id.as_str();
                    (id, self.change_back(row_now(id).unwrap_or(before), before).await?)
                }
                Step::Replaced(before) => {
                    let id = before.logical_id.as_str();
                    (id, self.bring_back(row_now(id), before).await?)
                }
            };
            if !undone {
                failed.push(logical_id.to_owned());
            }
        }
        let previous = stack.previous.clone();
        let put_back = move |row: &mut StackRow| {
            if let Some(previous) = previous.as_deref() {
                row.announce(previous.clone());
            }
        };
        if failed.is_empty() {
            return self.ledger.finish(StackStatus::UpdateRollbackComplete, None, put_back).await;
        }
        let text = format!("The following resource(s) failed to update: [{}]. ", failed.join(", "));
        self.ledger.finish(StackStatus::UpdateRollbackFailed, Some(text), put_back).await
    }

    async fn change_back(&self, row: &ResourceRow, before: &ResourceRow) -> Result<bool, Fault> {
        if row.properties == before.properties {
            let mut row = before.clone();
            self.ledger.resource(&mut row, ResourceStatus::UpdateComplete, None, Keep::Row).await?;
            return Ok(true);
        }
        match self.change(row, before.properties.clone(), before.deletion, None).await {
            Ok(_) => Ok(true),
            Err(Trouble::Refused(_)) => Ok(false),
            Err(Trouble::Store(fault)) => Err(fault),
        }
    }

    async fn bring_back(&self, row: Option<&ResourceRow>, before: &ResourceRow) -> Result<bool, Fault> {
        let same = row.and_then(|row| row.physical_id.as_ref()) == before.physical_id.as_ref();
        let removed = match row {
            Some(row) if !same => self.remove(row, Keep::Other, false).await?,
            _ => true,
        };
        let mut old = before.clone();
        self.ledger.resource(&mut old, ResourceStatus::UpdateComplete, None, Keep::Row).await?;
        Ok(removed)
    }
}
