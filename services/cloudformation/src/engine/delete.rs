//! Deleting a stack: last made, first gone.

use casemate_kernel::Fault;

use super::{Worker, ledger::Keep};
use crate::{
    api::StackStatus,
    stack::{ResourceRow, StackRow},
    template::Deletion,
};

impl Worker<'_> {
    /// Deletes everything that can be deleted.
    pub(super) async fn delete(&self, stack: &StackRow) -> Result<(), Fault> {
        let mut rows = self.ledger.resources()?;
        let place = |row: &ResourceRow| stack.order.iter().position(|id| *id == row.logical_id);
        rows.sort_by_key(|row| std::cmp::Reverse(place(row)));
        let mut left = Vec::new();
        for row in &rows {
            if !self.remove(row, Keep::Nothing, row.deletion != Deletion::Delete).await? {
                left.push(row.logical_id.clone());
            }
        }
        if left.is_empty() {
            return self.ledger.status(StackStatus::DeleteComplete, None).await;
        }
        // AWS: this sentence.
        let reason = format!("The following resource(s) failed to delete: [{}]. ", left.join(", "));
        self.ledger.status(StackStatus::DeleteFailed, Some(reason)).await
    }
}
