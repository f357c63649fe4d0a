//! What users and roles have in common: a name, a path, a unique id, and the policies they hold.

use casemate_names::{Arn, Scope};
use casemate_store::{ReadTx, Row, StoreError, WriteTx};

use crate::{
    api::Error,
    holder::Holder,
    resource::entity_arn,
    rows::{NAME_BYTES_MAX, RoleRow, UseRow, UserRow, name_key},
};

/// A user or a role.
pub(crate) trait Entity: Row + Clone {
    /// `user` or `role`.
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
    /// `AIDA…` or `AROA…`
    fn unique_id(&self) -> &str;
    /// Its policies, tags and boundary.
    fn holder(&self) -> &Holder;
    /// Its policies, tags and boundary.
    fn holder_mut(&mut self) -> &mut Holder;

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
}
