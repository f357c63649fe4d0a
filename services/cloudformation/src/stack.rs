//! What is kept of stacks: the stack, its resources, its events. Knows how rows lie in the store and nothing of what they mean.

use std::collections::BTreeMap;

use casemate_names::{Scope, Timestamp};
use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::{ResourceStatus, StackStatus},
    intrinsic::Existing,
    template::{Deletion, Node},
};

/// A stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StackRow {
    /// ARN.
    pub(crate) id: String,
    /// Name.
    pub(crate) name: String,
    status: String,
    /// Why it has this status.
    pub(crate) reason: Option<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When its latest change began.
    pub(crate) updated_at: Option<Timestamp>,
    /// When its deletion ended.
    pub(crate) deleted_at: Option<Timestamp>,
    /// The template's description.
    pub(crate) description: Option<String>,
    /// The template as given.
    pub(crate) template: String,
    /// Parameters as given or defaulted.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Parameters that are never shown.
    pub(crate) hidden: Vec<String>,
    /// Tags.
    pub(crate) tags: Vec<(String, String)>,
    /// Capabilities acknowledged.
    pub(crate) capabilities: Vec<String>,
    /// The role that acts, if not the caller.
    pub(crate) role_arn: Option<String>,
    /// Outputs: key, value, description.
    pub(crate) outputs: Vec<(String, String, Option<String>)>,
    /// Logical ids in the order they were made.
    pub(crate) order: Vec<String>,
    /// What is wanted when creating fails.
    pub(crate) on_failure: OnFailure,
    /// Must not be deleted.
    pub(crate) protected: bool,
    /// Hash over everything an update could change.
    pub(crate) fingerprint: String,
    /// The change set executed last.
    pub(crate) change_set_id: Option<String>,
    /// Events so far.
    pub(crate) events: u64,
    /// What an update in progress would put back if it failed.
    pub(crate) previous: Option<Box<Announced>>,
}

/// What an update announces of a stack before it is done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Announced {
    /// The template as given.
    pub(crate) template: String,
    /// Parameters.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Parameters that are never shown.
    pub(crate) hidden: Vec<String>,
    /// Tags.
    pub(crate) tags: Vec<(String, String)>,
    /// Capabilities.
    pub(crate) capabilities: Vec<String>,
    /// Description.
    pub(crate) description: Option<String>,
    /// Hash over everything an update could change.
    pub(crate) fingerprint: String,
}

/// What is wanted when creating fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) enum OnFailure {
    /// Delete what was made.
    #[default]
    Rollback,
    /// Leave it for inspection.
    Keep,
    /// Delete the stack.
    Delete,
}

/// A resource of a stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ResourceRow {
    /// Its name in the template.
    pub(crate) logical_id: String,
    /// Its type.
    pub(crate) kind: String,
    /// Its physical id, once there is one.
    pub(crate) physical_id: Option<String>,
    /// What `Ref` and `Fn::GetAtt` answer.
    pub(crate) existing: Existing,
    /// Its properties, evaluated.
    pub(crate) properties: Node,
    /// What happens to it at the end.
    pub(crate) deletion: Deletion,
    status: String,
    /// Why it has this status.
    pub(crate) reason: Option<String>,
    /// Since when.
    pub(crate) updated_at: Timestamp,
}

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventRow {
    /// Its id.
    pub(crate) id: String,
    /// When.
    pub(crate) at: Timestamp,
    /// What it is about.
    pub(crate) logical_id: String,
    /// Its physical id.
    pub(crate) physical_id: Option<String>,
    /// Its type.
    pub(crate) kind: String,
    /// The status it entered.
    pub(crate) status: String,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// Which stack has a name now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NameRow {
    /// The stack's ARN.
    pub(crate) id: String,
}

impl Row for StackRow {
    const TABLE: &'static str = "cloudformation.stacks";
    const VERSION: u16 = 1;
}

impl Row for ResourceRow {
    const TABLE: &'static str = "cloudformation.resources";
    const VERSION: u16 = 1;
}

impl Row for EventRow {
    const TABLE: &'static str = "cloudformation.events";
    const VERSION: u16 = 1;
}

impl Row for NameRow {
    const TABLE: &'static str = "cloudformation.names";
    const VERSION: u16 = 1;
}

/// What a new stack is made of.
#[derive(Debug)]
pub(crate) struct NewStack {
    /// ARN.
    pub(crate) id: String,
    /// Name.
    pub(crate) name: String,
    /// First status.
    pub(crate) status: StackStatus,
    /// Now.
    pub(crate) now: Timestamp,
}

impl StackRow {
    /// A stack without anything.
    pub(crate) fn new(new: NewStack) -> Self {
        Self {
            id: new.id,
            name: new.name,
            status: new.status.as_str().to_owned(),
            reason: None,
            created_at: new.now,
            updated_at: None,
            deleted_at: None,
            description: None,
            template: String::new(),
            parameters: BTreeMap::new(),
            hidden: Vec::new(),
            tags: Vec::new(),
            capabilities: Vec::new(),
            role_arn: None,
            outputs: Vec::new(),
            order: Vec::new(),
            on_failure: OnFailure::Rollback,
            protected: false,
            fingerprint: String::new(),
            change_set_id: None,
            events: 0,
            previous: None,
        }
    }

    /// What is announced now.
    pub(crate) fn announced(&self) -> Announced {
        Announced {
            template: self.template.clone(),
            parameters: self.parameters.clone(),
            hidden: self.hidden.clone(),
            tags: self.tags.clone(),
            capabilities: self.capabilities.clone(),
            description: self.description.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }

    /// Announces something else.
    pub(crate) fn announce(&mut self, new: Announced) {
        self.template = new.template;
        self.parameters = new.parameters;
        self.hidden = new.hidden;
        self.tags = new.tags;
        self.capabilities = new.capabilities;
        self.description = new.description;
        self.fingerprint = new.fingerprint;
    }

    /// Its status.
    pub(crate) fn status(&self) -> StackStatus {
        StackStatus::parse(&self.status).unwrap_or_default()
    }

    /// Sets its status.
    pub(crate) fn set_status(&mut self, status: StackStatus, reason: Option<String>) {
        status.as_str().clone_into(&mut self.status);
        self.reason = reason;
    }

    /// Is something being done to it?
    pub(crate) fn is_busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status() != StackStatus::ReviewInProgress
    }

    /// Is it gone?
    pub(crate) fn is_deleted(&self) -> bool {
        self.status() == StackStatus::DeleteComplete
    }
}

impl ResourceRow {
    /// A resource that is about to be made.
    pub(crate) fn new(logical_id: &str, kind: &str, properties: Node, now: Timestamp) -> Self {
        Self {
            logical_id: logical_id.to_owned(),
            kind: kind.to_owned(),
            physical_id: None,
            existing: Existing::default(),
            properties,
            deletion: Deletion::Delete,
            status: ResourceStatus::CreateInProgress.as_str().to_owned(),
            reason: None,
            updated_at: now,
        }
    }

    /// Its status.
    pub(crate) fn status(&self) -> ResourceStatus {
        ResourceStatus::parse(&self.status).unwrap_or_default()
    }

    /// Sets its status.
    pub(crate) fn set_status(&mut self, status: ResourceStatus, reason: Option<String>, now: Timestamp) {
        status.as_str().clone_into(&mut self.status);
        self.reason = reason;
        self.updated_at = now;
    }
}

fn stack_key(scope: &Scope, id: &str) -> Key {
    Key::of(scope).text(id)
}

/// The stack with this ARN.
pub(crate) fn by_id(tx: &ReadTx<'_>, scope: &Scope, id: &str) -> Result<Option<StackRow>, StoreError> {
    tx.get(&stack_key(scope, id))
}

/// The stack with this ARN, or the one that has this name now.
pub(crate) fn find(tx: &ReadTx<'_>, scope: &Scope, name_or_id: &str) -> Result<Option<StackRow>, StoreError> {
    if name_or_id.starts_with("arn:") {
        return by_id(tx, scope, name_or_id);
    }
    match tx.get::<NameRow>(&Key::of(scope).text(name_or_id))? {
        Some(name) => by_id(tx, scope, &name.id),
        None => Ok(None),
    }
}

/// Stacks after `after` (an ARN), at most `limit`.
pub(crate) fn list(
    tx: &ReadTx<'_>,
    scope: &Scope,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<StackRow>, StoreError> {
    let after = after.map(|id| stack_key(scope, id));
    Ok(tx.scan(&Key::of(scope), after.as_ref(), limit)?.into_iter().map(|(_, row)| row).collect())
}

/// Stacks of every account with their keys, after a key: for work that is nobody's request.
pub(crate) fn of_all(
    tx: &ReadTx<'_>,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<(Key, StackRow)>, StoreError> {
    tx.scan(&Key::every_scope(), after, limit)
}

/// Stores a stack and its name.
pub(crate) fn put(tx: &mut WriteTx<'_>, scope: &Scope, stack: &StackRow) -> Result<(), StoreError> {
    let name = Key::of(scope).text(&stack.name);
    if stack.is_deleted() {
        let current: Option<NameRow> = tx.get(&name)?;
        if current.is_some_and(|row| row.id == stack.id) {
            tx.delete::<NameRow>(&name)?;
        }
    } else {
        tx.put(&name, &NameRow { id: stack.id.clone() })?;
    }
    tx.put(&stack_key(scope, &stack.id), stack)
}

/// Removes a stack that never was more than a plan.
pub(crate) fn forget(tx: &mut WriteTx<'_>, scope: &Scope, stack: &StackRow) -> Result<(), StoreError> {
    tx.delete::<NameRow>(&Key::of(scope).text(&stack.name))?;
    tx.delete::<StackRow>(&stack_key(scope, &stack.id))
}

/// Resources of a stack, by logical id. AWS: a stack has at most 500.
pub(crate) fn resources(tx: &ReadTx<'_>, scope: &Scope, id: &str) -> Result<Vec<ResourceRow>, StoreError> {
    let rows = tx.scan(&stack_key(scope, id), None, RESOURCES_READ_MAX)?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// More than a template can have, transforms included.
const RESOURCES_READ_MAX: usize = 5_000;

/// Stores a resource.
pub(crate) fn put_resource(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    id: &str,
    row: &ResourceRow,
) -> Result<(), StoreError> {
    tx.put(&stack_key(scope, id).text(&row.logical_id), row)
}

/// Removes a resource.
pub(crate) fn delete_resource(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    id: &str,
    logical_id: &str,
) -> Result<(), StoreError> {
    tx.delete::<ResourceRow>(&stack_key(scope, id).text(logical_id))
}

/// Appends an event; the caller stores the stack, whose counter moves.
pub(crate) fn add_event(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    stack: &mut StackRow,
    event: &EventRow,
) -> Result<(), StoreError> {
    stack.events += 1;
    tx.put(&stack_key(scope, &stack.id).number(stack.events), event)
}

/// Events before number `before`, newest first, with their numbers.
pub(crate) fn events(
    tx: &ReadTx<'_>,
    scope: &Scope,
    id: &str,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, EventRow)>, StoreError> {
    let before = before.map(|number| stack_key(scope, id).number(number));
    let rows = tx.scan_reverse::<EventRow>(&stack_key(scope, id), before.as_ref(), limit)?;
    Ok(rows.into_iter().map(|(key, row)| (key.number_at(1).unwrap_or(0), row)).collect())
}
