//! What users, groups and roles have in common: a name, a path, a unique id, and the policies they hold.

use casemate_names::{Arn, Scope};
use casemate_store::{ReadTx, Row, StoreError, WriteTx};

use crate::{
    api::Error,
    holder::Holder,
    resource::entity_arn,
    rows::{GroupRow, NAME_BYTES_MAX, RoleRow, UseRow, UserRow, name_key},
};

/// Roles below this path belong to services.
// AWS: IAM API reference, CreateServiceLinkedRole.
pub(crate) const SERVICE_LINKED_PATH: &str = "/aws-service-role/";

/// A user, a group or a role.
pub(crate) trait Entity: Row + Clone {
    /// `user`, `group` or `role`.
    const NOUN: &'static str;
    /// Characters of all its inline policies together, white space not counted.
    // AWS: IAM quotas, "Inline policies".
    const INLINE_CHARS_MAX: usize;
    /// The quota's name for attached policies.
    const ATTACHED_QUOTA: &'static str;

    /// The name as given.
    fn name(&self) -> &str;
    /// Begins and ends with a slash.
    fn path(&self) -> &str;
    /// `AIDA…`, `AGPA…` or `AROA…`
    fn unique_id(&self) -> &str;
    /// Its policies, tags and boundary.
    fn holder(&self) -> &Holder;
    /// Its policies, tags and boundary.
    fn holder_mut(&mut self) -> &mut Holder;
    /// Gives it another name and path.
    fn rename(&mut self, name: String, path: String);

    /// May nobody but its service change it?
    fn is_protected(&self) -> bool {
        false
    }

    /// Its ARN.
    fn arn(&self, scope: &Scope) -> Arn {
        entity_arn(scope, Self::NOUN, self.path(), self.name())
    }

    /// Looks it up; `None`: there is none.
    fn find(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<Option<Self>, StoreError> {
        if name.len() > NAME_BYTES_MAX { Ok(None) } else { tx.get(&name_key(scope, name)) }
    }

    /// Looks it up; an error if there is none.
    fn fetch(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<Self, Error> {
        // AWS: text of NoSuchEntity.
        Self::find(tx, scope, name)?.ok_or_else(|| {
            Error::no_such_entity_exception(format!("The {} with name {name} cannot be found.", Self::NOUN))
        })
    }

    /// Looks it up in order to change what it may do.
    fn fetch_to_change(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<Self, Error> {
        let found = Self::fetch(tx, scope, name)?;
        found.check_changeable()?;
        Ok(found)
    }

    /// Refuses changes to what belongs to a service.
    fn check_changeable(&self) -> Result<(), Error> {
        if !self.is_protected() {
            return Ok(());
        }
        // AWS: text of UnmodifiableEntity, as seen in rebuy-de/aws-nuke#331.
        Err(Error::unmodifiable_entity_exception(format!(
            "Cannot perform the operation on the protected {} '{}' - this {0} is only modifiable by AWS",
            Self::NOUN,
            self.name()
        )))
    }

    /// Stores it.
    fn save(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), StoreError> {
        tx.put(&name_key(scope, self.name()), self)
    }

    /// What the reverse index notes of it.
    fn as_use(&self) -> UseRow {
        UseRow {
            name: self.name().to_owned(),
            unique_id: self.unique_id().to_owned(),
            path: self.path().to_owned(),
        }
    }
}

impl Entity for UserRow {
    const NOUN: &'static str = "user";
    const INLINE_CHARS_MAX: usize = 2048;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerUser";

    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn unique_id(&self) -> &str {
        &self.unique_id
    }

    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn holder_mut(&mut self) -> &mut Holder {
        &mut self.holder
    }

    fn rename(&mut self, name: String, path: String) {
        self.name = name;
        self.path = path;
    }
}

impl Entity for GroupRow {
    const NOUN: &'static str = "group";
    const INLINE_CHARS_MAX: usize = 5120;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerGroup";

    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn unique_id(&self) -> &str {
        &self.unique_id
    }

    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn holder_mut(&mut self) -> &mut Holder {
        &mut self.holder
    }

    fn rename(&mut self, name: String, path: String) {
        self.name = name;
        self.path = path;
    }
}

impl Entity for RoleRow {
    const NOUN: &'static str = "role";
    const INLINE_CHARS_MAX: usize = 10_240;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerRole";

    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn unique_id(&self) -> &str {
        &self.unique_id
    }

    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn holder_mut(&mut self) -> &mut Holder {
        &mut self.holder
    }

    fn rename(&mut self, name: String, path: String) {
        self.name = name;
        self.path = path;
    }

    fn is_protected(&self) -> bool {
        self.path.starts_with(SERVICE_LINKED_PATH)
    }
}
