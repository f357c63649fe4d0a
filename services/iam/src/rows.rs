//! What is stored, and under which keys. Names are keys in lower case: AWS does not let two differ only by case.

use std::collections::BTreeMap;

use casemate_kernel::Env;
use casemate_names::{AccountId, Arn, Scope, Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{api::Error, holder::Holder, resource::entity_arn, resource::path_and_name};

/// Names longer than any that can exist are not looked up: access declarations see inputs before they are checked.
// AWS: `policyNameType` and the like allow at most 128.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) name: String,
    /// Begins and ends with a slash.
    pub(crate) path: String,
    /// `AIDA…`
    pub(crate) unique_id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) holder: Holder,
    /// Ids of its access keys, at most two.
    pub(crate) access_keys: Vec<String>,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RoleRow {
    pub(crate) name: String,
    /// Begins and ends with a slash.
    pub(crate) path: String,
    /// `AROA…`
    pub(crate) unique_id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) holder: Holder,
    pub(crate) description: Option<String>,
    /// The trust policy as it was given.
    pub(crate) trust: String,
    /// The unique ids that the users and roles named in the trust policy had when it was written, by ARN.
    pub(crate) trust_ids: BTreeMap<String, String>,
    pub(crate) session_s_max: i64,
}

/// A customer-managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PolicyRow {
    pub(crate) name: String,
    /// Begins and ends with a slash.
    pub(crate) path: String,
    /// `ANPA…`
    pub(crate) unique_id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
    /// Oldest first.
    pub(crate) versions: Vec<Version>,
    /// The number of the version in force.
    pub(crate) default_version: u32,
    /// The number of the next version; numbers are not used twice.
    pub(crate) next_version: u32,
}

/// One version of a managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) document: String,
    pub(crate) created_at: Timestamp,
}

/// A long-term access key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessKeyRow {
    pub(crate) secret: Secret<String>,
    pub(crate) active: bool,
    pub(crate) account: AccountId,
    /// `None`: the account's root.
    pub(crate) user: Option<String>,
    pub(crate) created_at: Timestamp,
}

/// The root of an account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RootRow {
    /// Ids of its access keys, at most two.
    pub(crate) access_keys: Vec<String>,
}

/// A group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    pub(crate) name: String,
    /// Begins and ends with a slash.
    pub(crate) path: String,
    /// `AGPA…`
    pub(crate) unique_id: String,
    pub(crate) created_at: Timestamp,
    /// A group has neither boundary nor tags.
    pub(crate) holder: Holder,
}

/// Notes that an entity uses a managed policy: the reverse of [`Holder::attached`] and [`Holder::boundary`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UseRow {
    pub(crate) name: String,
    pub(crate) unique_id: String,
    pub(crate) path: String,
}

/// How a managed policy is used by an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Attached: it grants.
    Permissions,
    /// Set as permissions boundary: it limits.
    Boundary,
}

macro_rules! rows {
    ($($row:ty => $table:literal),* $(,)?) => {$(
        impl Row for $row {
            const TABLE: &'static str = $table;
            const VERSION: u16 = 1;
        }
    )*};
}

rows! {
    UserRow => "iam.users",
    RoleRow => "iam.roles",
    GroupRow => "iam.groups",
    PolicyRow => "iam.policies",
    AccessKeyRow => "iam.access-keys",
    RootRow => "iam.roots",
    UseRow => "iam.policy-uses",
}

impl PolicyRow {
    /// The policy of an ARN of its own account.
    pub(crate) fn by_arn(tx: &ReadTx<'_>, scope: &Scope, arn: &Arn) -> Result<Option<Self>, Error> {
        let Some((_, name)) = path_and_name(arn, "policy").filter(|(_, name)| name.len() <= NAME_BYTES_MAX)
        else {
            return Ok(None);
        };
        let found: Option<Self> = tx.get(&name_key(scope, name))?;
        Ok(found.filter(|policy| policy.arn(scope) == *arn))
    }

    pub(crate) fn arn(&self, scope: &Scope) -> Arn {
        entity_arn(scope, "policy", &self.path, &self.name)
    }

    pub(crate) fn save(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), StoreError> {
        tx.put(&name_key(scope, &self.name), self)
    }

    pub(crate) fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }
}

impl UserRow {
    /// The user of an ARN.
    pub(crate) fn by_arn(tx: &ReadTx<'_>, scope: &Scope, arn: &Arn) -> Result<Option<Self>, Error> {
        let Some((_, name)) = path_and_name(arn, "user").filter(|(_, name)| name.len() <= NAME_BYTES_MAX)
        else {
            return Ok(None);
        };
        let found: Option<Self> = tx.get(&name_key(scope, name))?;
        Ok(found.filter(|user| entity_arn(scope, "user", &user.path, &user.name) == *arn))
    }
}

impl RoleRow {
    /// The role of an ARN, which must have the role's path and spelling.
    pub(crate) fn by_arn(tx: &ReadTx<'_>, scope: &Scope, arn: &Arn) -> Result<Option<Self>, Error> {
        let Some((_, name)) = path_and_name(arn, "role").filter(|(_, name)| name.len() <= NAME_BYTES_MAX)
        else {
            return Ok(None);
        };
        let found: Option<Self> = tx.get(&name_key(scope, name))?;
        Ok(found.filter(|role| entity_arn(scope, "role", &role.path, &role.name) == *arn))
    }
}

/// The key of a user, group, role or policy.
pub(crate) fn name_key(scope: &Scope, name: &str) -> Key {
    Key::of_account(scope).text(&name.to_ascii_lowercase())
}

/// The key of an access key: they are looked up before the account is known.
pub(crate) fn access_key_key(id: &str) -> Key {
    Key::global().text(id)
}

/// The key of one use of a managed policy; without an entity, of all uses of one sort.
pub(crate) fn use_key(scope: &Scope, policy_arn: &str, usage: Usage, entity: Option<(&str, &str)>) -> Key {
    let usage = match usage {
        Usage::Permissions => "permissions",
        Usage::Boundary => "boundary",
    };
    let key = Key::of_account(scope).text(policy_arn).text(usage);
    match entity {
        Some((noun, name)) => key.text(noun).text(&name.to_ascii_lowercase()),
        None => key,
    }
}

/// The document in force of a managed policy: the customer's or one of AWS's. `None`: there is no such policy.
pub(crate) fn managed_document(tx: &ReadTx<'_>, env: &Env, arn: &str) -> Result<Option<String>, Error> {
    if let Some(policy) = casemate_managed::find(arn) {
        return Ok(Some(policy.document.to_owned()));
    }
    let Ok(arn) = Arn::parse(arn) else { return Ok(None) };
    let policy = PolicyRow::by_arn(tx, &env.scope_of_arn(&arn), &arn)?;
    Ok(policy
        .and_then(|policy| policy.version(policy.default_version).map(|version| version.document.clone())))
}
