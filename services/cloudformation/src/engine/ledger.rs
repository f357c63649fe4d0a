//! Writes down what happens to one stack. Every entry is an event, and what the event is about changes with it.

use casemate_kernel::{Env, Fault};
use casemate_names::{Scope, uuid};

use crate::{
    api::{ResourceStatus, StackStatus},
    stack::{self, EventRow, ResourceRow, StackRow},
    view,
};

/// The type that events of the stack itself name.
const STACK_KIND: &str = "AWS::CloudFormation::Stack";

/// The book of one stack.
#[derive(Debug)]
pub(crate) struct Ledger {
    env: Env,
    scope: Scope,
    id: String,
    name: String,
    /// Values of parameters that are never shown; other services repeat them in their refusals.
    hidden: Vec<String>,
}

/// Shorter values are not looked for in reasons: they occur everywhere. Our own figure.
const HIDDEN_BYTES_MIN: usize = 4;

/// What becomes of a resource's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It stays.
    Row,
    /// It goes: the resource is no longer the stack's.
    Nothing,
    /// It is left as it is: the event is about another resource of the same name.
    Other,
}

impl Ledger {
    /// Opens the book.
    pub(crate) fn new(env: &Env, scope: &Scope, stack: &StackRow) -> Self {
        let mut hidden: Vec<String> =
            stack.hidden.iter().filter_map(|name| stack.parameters.get(name)).cloned().collect();
        let before = stack
            .previous
            .iter()
            .flat_map(|before| before.hidden.iter().filter_map(|name| before.parameters.get(name)));
        hidden.extend(before.cloned());
        hidden.retain(|value| value.len() >= HIDDEN_BYTES_MIN);
        // The longest first, or what is left of one that contains another would show.
        hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self {
            env: env.clone(),
            scope: scope.clone(),
            id: stack.id.clone(),
            name: stack.name.clone(),
            hidden,
        }
    }

    /// A reason as it may be shown.
    fn shown(&self, reason: Option<String>) -> Option<String> {
        reason.map(|text| {
            self.hidden.iter().fold(text, |text, value| text.replace(value.as_str(), view::HIDDEN))
        })
    }

    /// The stack enters a status.
    pub(crate) async fn status(&self, status: StackStatus, reason: Option<String>) -> Result<(), Fault> {
        self.finish(status, reason, |_| {}).await
    }

    /// The stack enters a status and changes otherwise too.
    pub(crate) async fn finish(
        &self,
        status: StackStatus,
        reason: Option<String>,
        change: impl Fn(&mut StackRow) + Send + Sync + 'static,
    ) -> Result<(), Fault> {
        let reason = self.shown(reason);
        let event =
            self.event(&self.name, STACK_KIND, Some(self.id.clone()), status.as_str(), reason.clone());
        let (scope, id, now) = (self.scope.clone(), self.id.clone(), event.at);
        self.env
            .store
            .write(move |tx| {
                let Some(mut row) = stack::by_id(tx, &scope, &id)? else { return Ok(()) };
                row.set_status(status, reason.clone());
                if status == StackStatus::DeleteComplete {
                    row.deleted_at = Some(now);
                }
                change(&mut row);
                stack::add_event(tx, &scope, &mut row, &event)?;
                stack::put(tx, &scope, &row).map_err(Fault::from)
            })
            .await
    }

    /// A resource enters a status.
    pub(crate) async fn resource(
        &self,
        row: &mut ResourceRow,
        status: ResourceStatus,
        reason: Option<String>,
        keep: Keep,
    ) -> Result<(), Fault> {
        let reason = self.shown(reason);
        let event =
            self.event(&row.logical_id, &row.kind, row.physical_id.clone(), status.as_str(), reason.clone());
        row.set_status(status, reason, event.at);
        let (scope, id, row) = (self.scope.clone(), self.id.clone(), row.clone());
        self.env
            .store
            .write(move |tx| {
                let Some(mut stack_row) = stack::by_id(tx, &scope, &id)? else { return Ok(()) };
                match keep {
                    Keep::Row => stack::put_resource(tx, &scope, &id, &row)?,
                    Keep::Nothing => stack::delete_resource(tx, &scope, &id, &row.logical_id)?,
                    Keep::Other => {}
                }
                stack::add_event(tx, &scope, &mut stack_row, &event)?;
                stack::put(tx, &scope, &stack_row).map_err(Fault::from)
            })
            .await
    }

    /// The stack's resources.
    pub(crate) fn resources(&self) -> Result<Vec<ResourceRow>, Fault> {
        self.env.store.read(|tx| stack::resources(tx, &self.scope, &self.id)).map_err(Fault::from)
    }

    /// The time.
    pub(crate) fn now(&self) -> casemate_names::Timestamp {
        self.env.clock.now()
    }

    fn event(
        &self,
        logical_id: &str,
        kind: &str,
        physical_id: Option<String>,
        status: &str,
        reason: Option<String>,
    ) -> EventRow {
        EventRow {
            id: uuid(&*self.env.entropy, "cloudformation.event"),
            at: self.env.clock.now(),
            logical_id: logical_id.to_owned(),
            physical_id,
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason,
        }
    }
}
