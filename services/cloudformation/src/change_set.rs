//! Change sets: a plan kept to be looked at, and carried out later or never.

use casemate_kernel::Permit;
use casemate_names::{Scope, Timestamp, uuid};
use casemate_store::{Key, Row};
use serde::{Deserialize, Serialize};

use crate::{
    CloudFormation,
    api::{ChangeAction, ChangeSetStatus, Error, ExecutionStatus, Replacement},
    plan::Plan,
    provision,
    resource::change_set_arn,
    stack::{self, ResourceRow, StackRow},
    wanted::Wanted,
};

/// AWS: this sentence; tools look for it.
const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

/// A change set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChangeSetRow {
    /// ARN.
    pub(crate) id: String,
    /// Name.
    pub(crate) name: String,
    /// The stack's ARN.
    pub(crate) stack_id: String,
    /// Does it make the stack?
    pub(crate) creates: bool,
    status: String,
    execution: String,
    /// Why it has this status.
    pub(crate) reason: Option<String>,
    /// What is wanted.
    pub(crate) wanted: Wanted,
    /// What would happen.
    pub(crate) changes: Vec<PlannedChange>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// What it says of itself.
    pub(crate) description: Option<String>,
}

/// What would happen to one resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlannedChange {
    action: String,
    /// Its name in the template.
    pub(crate) logical_id: String,
    /// Its physical id.
    pub(crate) physical_id: Option<String>,
    /// Its type.
    pub(crate) kind: String,
    replacement: Option<String>,
}

/// Finds a change set by its ARN alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct IdRow {
    stack_id: String,
    name: String,
}

impl Row for ChangeSetRow {
    const TABLE: &'static str = "cloudformation.change-sets";
    const VERSION: u16 = 1;
}

impl Row for IdRow {
    const TABLE: &'static str = "cloudformation.change-set-ids";
    const VERSION: u16 = 1;
}

impl ChangeSetRow {
    /// Is it ready to be looked at?
    pub(crate) fn status(&self) -> ChangeSetStatus {
        ChangeSetStatus::parse(&self.status).unwrap_or_default()
    }

    /// Can it be carried out?
    pub(crate) fn execution(&self) -> ExecutionStatus {
        ExecutionStatus::parse(&self.execution).unwrap_or_default()
    }

    /// Sets whether it can be carried out.
    pub(crate) fn set_execution(&mut self, status: ExecutionStatus) {
        status.as_str().clone_into(&mut self.execution);
    }
}

impl PlannedChange {
    /// What happens.
    pub(crate) fn action(&self) -> Option<ChangeAction> {
        ChangeAction::parse(&self.action)
    }

    /// Is another resource made in its place?
    pub(crate) fn replacement(&self) -> Option<Replacement> {
        self.replacement.as_deref().and_then(Replacement::parse)
    }

    fn new(action: ChangeAction, logical_id: &str, kind: &str, row: Option<&ResourceRow>) -> Self {
        Self {
            action: action.as_str().to_owned(),
            logical_id: logical_id.to_owned(),
            physical_id: row.and_then(|row| row.physical_id.clone()),
            kind: kind.to_owned(),
            replacement: None,
        }
    }
}

/// A change set to be made.
#[derive(Debug)]
pub(crate) struct NewChangeSet {
    /// Its name.
    pub(crate) name: String,
    /// What it says of itself.
    pub(crate) description: Option<String>,
    /// Does it make the stack?
    pub(crate) creates: bool,
    /// What is wanted.
    pub(crate) wanted: Wanted,
}

impl CloudFormation {
    /// Makes a change set for `stack`.
    pub(crate) async fn propose(
        &self,
        permit: &Permit,
        stack: StackRow,
        new: NewChangeSet,
    ) -> Result<ChangeSetRow, Error> {
        let scope = permit.scope().clone();
        let text = new.wanted.template.clone().unwrap_or_else(|| stack.template.clone());
        let plan = self.plan(&scope, &stack, &text, &new.wanted)?;
        let rows = self.env.store.read(|tx| stack::resources(tx, &scope, &stack.id))?;
        let tags = new.wanted.tags.clone().unwrap_or_else(|| stack.tags.clone());
        let has_changes = new.creates || plan.fingerprint(&tags) != stack.fingerprint;
        let (status, execution) = if has_changes {
            (ChangeSetStatus::CreateComplete, ExecutionStatus::Available)
        } else {
            (ChangeSetStatus::Failed, ExecutionStatus::Unavailable)
        };
        let unique = uuid(&*self.env.entropy, "cloudformation.change-set");
        let row = ChangeSetRow {
            id: change_set_arn(&scope, &new.name, &unique).as_str().to_owned(),
            name: new.name,
            stack_id: stack.id.clone(),
            creates: new.creates,
            status: status.as_str().to_owned(),
            execution: execution.as_str().to_owned(),
            reason: (!has_changes).then(|| NO_CHANGES.to_owned()),
            changes: changes(&plan, &rows),
            wanted: Wanted { template: Some(text), ..new.wanted },
            created_at: permit.now(),
            description: new.description,
        };
        self.keep(scope, stack, row).await
    }

    async fn keep(&self, scope: Scope, stack: StackRow, row: ChangeSetRow) -> Result<ChangeSetRow, Error> {
        self.env
            .store
            .write(move |tx| {
                let key = Key::of(&scope).text(&stack.id).text(&row.name);
                if tx.exists::<ChangeSetRow>(&key)? {
                    // AWS: this sentence.
                    let text = format!("ChangeSet {} already exists", row.name);
                    return Err(Error::already_exists_exception(text));
                }
                if stack::by_id(tx, &scope, &stack.id)?.is_none() {
                    stack::put(tx, &scope, &stack)?;
                }
                let id = IdRow { stack_id: stack.id.clone(), name: row.name.clone() };
                tx.put(&Key::of(&scope).text(&row.id), &id)?;
                tx.put(&key, &row)?;
                Ok(row.clone())
            })
            .await
    }

    /// The change set with this ARN, or with this name at a stack.
    pub(crate) fn change_set(
        &self,
        scope: &Scope,
        stack: Option<&str>,
        name_or_id: &str,
    ) -> Result<ChangeSetRow, Error> {
        // AWS: this sentence.
        let missing =
            || Error::change_set_not_found_exception(format!("ChangeSet [{name_or_id}] does not exist"));
        let key = if name_or_id.starts_with("arn:") {
            let id: Option<IdRow> = self.env.store.read(|tx| tx.get(&Key::of(scope).text(name_or_id)))?;
            let id = id.ok_or_else(missing)?;
            // INVARIANT: the gate was asked about the stack that was named; the change set must be one of its own.
            if let Some(stack) = stack {
                let named = self.env.store.read(|tx| stack::find(tx, scope, stack))?;
                if named.is_none_or(|named| named.id != id.stack_id) {
                    return Err(missing());
                }
            }
            Key::of(scope).text(&id.stack_id).text(&id.name)
        } else {
            let stack = stack.ok_or_else(|| {
                Error::Validation(
                    "StackName must be specified if ChangeSetName is not specified as an ARN.".to_owned(),
                )
            })?;
            let found = self.env.store.read(|tx| stack::find(tx, scope, stack))?;
            Key::of(scope).text(&found.ok_or_else(missing)?.id).text(name_or_id)
        };
        self.env.store.read(|tx| tx.get::<ChangeSetRow>(&key))?.ok_or_else(missing)
    }

    /// The stack to ask the gate about, for a change set's name or ARN.
    pub(crate) fn stack_of_change_set(
        &self,
        stack: Option<&str>,
        name_or_id: &str,
        caller: &casemate_kernel::Caller,
    ) -> Result<String, Error> {
        if let Some(stack) = stack {
            return Ok(stack.to_owned());
        }
        let key = Key::of(&self.scope(caller)).text(name_or_id);
        let id: Option<IdRow> = self.env.store.read(|tx| tx.get(&key))?;
        // A change set that is not there is asked about as one of any stack.
        Ok(id.map_or_else(|| "*".to_owned(), |row| row.stack_id))
    }

    /// The change sets of a stack.
    pub(crate) fn change_sets(&self, scope: &Scope, stack_id: &str) -> Result<Vec<ChangeSetRow>, Error> {
        let prefix = Key::of(scope).text(stack_id);
        let rows = self.env.store.read(|tx| tx.scan::<ChangeSetRow>(&prefix, None, CHANGE_SETS_MAX))?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Stores a change set that changed.
    pub(crate) async fn update_change_set(&self, scope: &Scope, row: ChangeSetRow) -> Result<(), Error> {
        let key = Key::of(scope).text(&row.stack_id).text(&row.name);
        self.env.store.write(move |tx| tx.put(&key, &row).map_err(Error::from)).await
    }

    /// Removes a change set.
    pub(crate) async fn drop_change_set(&self, scope: &Scope, row: ChangeSetRow) -> Result<(), Error> {
        let key = Key::of(scope).text(&row.stack_id).text(&row.name);
        let id = Key::of(scope).text(&row.id);
        self.env
            .store
            .write(move |tx| {
                tx.delete::<IdRow>(&id)?;
                tx.delete::<ChangeSetRow>(&key).map_err(Error::from)
            })
            .await
    }
}

/// Change sets read of one stack. Our own figure.
const CHANGE_SETS_MAX: usize = 1_000;

/// What a plan would do to what is there.
fn changes(plan: &Plan, rows: &[ResourceRow]) -> Vec<PlannedChange> {
    let mut facts = plan.facts.clone();
    for row in rows {
        facts.resources.insert(row.logical_id.clone(), row.existing.clone());
    }
    let mut changes = Vec::new();
    for resource in &plan.resources {
        let row = rows.iter().find(|row| row.logical_id == resource.logical_id);
        let Some(row) = row.filter(|row| row.physical_id.is_some()) else {
            changes.push(PlannedChange::new(ChangeAction::Add, &resource.logical_id, &resource.kind, None));
            continue;
        };
        let mut change =
            PlannedChange::new(ChangeAction::Modify, &resource.logical_id, &resource.kind, Some(row));
        let properties = facts.evaluate(&resource.properties).ok().flatten();
        let replacement = match (provision::kind(&resource.kind), properties) {
            (Some(kind), Some(properties)) if kind.name == row.kind => {
                let changed = kind.changed(&row.properties, &properties);
                if changed.is_empty() {
                    continue;
                }
                if changed.iter().any(|property| property.replaces) {
                    Replacement::True
                } else {
                    Replacement::False
                }
            }
            (_, None) => Replacement::Conditional,
            _ => Replacement::True,
        };
        change.replacement = Some(replacement.as_str().to_owned());
        changes.push(change);
    }
    let gone = rows.iter().filter(|row| !plan.resources.iter().any(|r| r.logical_id == row.logical_id));
    changes.extend(
        gone.map(|row| PlannedChange::new(ChangeAction::Remove, &row.logical_id, &row.kind, Some(row))),
    );
    changes
}
