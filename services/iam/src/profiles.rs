//! Instance profiles: the containers in which roles are handed to instances. Names are keys in lower case.

use casemate_kernel::{Access, Ask, Caller, Env};
use casemate_names::{Arn, Scope, Timestamp};
use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    Iam,
    api::{Error, InstanceProfile},
    entity::Entity,
    resource::{entity_arn, path_and_name},
    rows::{NAME_BYTES_MAX, RoleRow, name_key},
    show::{self, Detail},
    tags,
};

/// What ARNs call an instance profile.
pub(crate) const NOUN: &str = "instance-profile";

/// Roles in one instance profile.
// AWS: IAM quotas, "Roles in an instance profile".
const ROLES_MAX: usize = 1;

/// Profiles of one role that are read; the account's quota of profiles is below.
const OF_ROLE_MAX: usize = 10_000;

/// An instance profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProfileRow {
    pub(crate) name: String,
    /// Begins and ends with a slash.
    pub(crate) path: String,
    /// `AIPA…`
    pub(crate) unique_id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Vec<(String, String)>,
    /// Names of its roles, at most one. A role in a profile cannot be deleted.
    pub(crate) roles: Vec<String>,
}

/// That a role is in a profile: the reverse of [`ProfileRow::roles`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProfileOfRoleRow {
    pub(crate) profile: String,
}

impl Row for ProfileRow {
    const TABLE: &'static str = "iam.instance-profiles";
    const VERSION: u16 = 1;
}

impl Row for ProfileOfRoleRow {
    const TABLE: &'static str = "iam.profiles-of-roles";
    const VERSION: u16 = 1;
}

impl ProfileRow {
    pub(crate) fn arn(&self, scope: &Scope) -> Arn {
        entity_arn(scope, NOUN, &self.path, &self.name)
    }

    /// Looks it up; `None`: there is none.
    pub(crate) fn find(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<Option<Self>, StoreError> {
        if name.len() > NAME_BYTES_MAX { Ok(None) } else { tx.get(&name_key(scope, name)) }
    }

    /// Looks it up; an error if there is none.
    pub(crate) fn fetch(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<Self, Error> {
        // AWS: text of NoSuchEntity.
        Self::find(tx, scope, name)?.ok_or_else(|| {
            Error::no_such_entity_exception(format!("Instance Profile {name} cannot be found."))
        })
    }

    /// The profile of an ARN.
    pub(crate) fn by_arn(tx: &ReadTx<'_>, scope: &Scope, arn: &Arn) -> Result<Option<Self>, Error> {
        let Some((_, name)) = path_and_name(arn, NOUN) else { return Ok(None) };
        Ok(Self::find(tx, scope, name)?.filter(|profile| profile.arn(scope) == *arn))
    }

    pub(crate) fn save(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), StoreError> {
        tx.put(&name_key(scope, &self.name), self)
    }

    /// As answers show it.
    pub(crate) fn shown(
        &self,
        tx: &ReadTx<'_>,
        env: &Env,
        scope: &Scope,
        detail: Detail,
    ) -> Result<InstanceProfile, Error> {
        let roles = self
            .roles
            .iter()
            .map(|name| show::role(tx, env, &RoleRow::fetch(tx, scope, name)?, scope, Detail::Listed));
        Ok(InstanceProfile {
            path: self.path.clone(),
            instance_profile_name: self.name.clone(),
            instance_profile_id: self.unique_id.clone(),
            arn: self.arn(scope).as_str().to_owned(),
            create_date: self.created_at,
            roles: roles.collect::<Result<_, Error>>()?,
            tags: tags::shown_if_any(&self.tags).filter(|_| detail == Detail::Full),
        })
    }
}

/// Puts a role into a profile.
pub(crate) fn add_role(tx: &mut WriteTx<'_>, scope: &Scope, profile: &str, role: &str) -> Result<(), Error> {
    let mut profile = ProfileRow::fetch(tx, scope, profile)?;
    let role = RoleRow::fetch_to_change(tx, scope, role)?;
    if profile.roles.len() >= ROLES_MAX {
        // AWS: text of LimitExceeded.
        return Err(Error::limit_exceeded_exception(format!(
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: {ROLES_MAX}"
        )));
    }
    profile.roles.push(role.name.clone());
    let reverse = ProfileOfRoleRow { profile: profile.name.clone() };
    tx.put(&of_role_key(scope, &role.name, Some(&profile.name)), &reverse)?;
    profile.save(tx, scope)?;
    Ok(())
}

/// Takes a role out of a profile.
pub(crate) fn remove_role(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    profile: &str,
    role: &str,
) -> Result<(), Error> {
    let mut profile = ProfileRow::fetch(tx, scope, profile)?;
    let role = RoleRow::fetch_to_change(tx, scope, role)?;
    if !profile.roles.contains(&role.name) {
        return Err(Error::no_such_entity_exception(format!(
            "Role {} in Instance Profile {} cannot be found.",
            role.name, profile.name
        )));
    }
    profile.roles.retain(|name| *name != role.name);
    tx.delete::<ProfileOfRoleRow>(&of_role_key(scope, &role.name, Some(&profile.name)))?;
    profile.save(tx, scope)?;
    Ok(())
}

/// The profiles that have a role, ordered by name.
pub(crate) fn of_role(tx: &ReadTx<'_>, scope: &Scope, role: &RoleRow) -> Result<Vec<ProfileRow>, Error> {
    let rows = tx.scan::<ProfileOfRoleRow>(&of_role_key(scope, &role.name, None), None, OF_ROLE_MAX)?;
    rows.into_iter().map(|(_, row)| ProfileRow::fetch(tx, scope, &row.profile)).collect()
}

/// The key of a profile's note under its role; without a profile, of all notes of the role.
pub(crate) fn of_role_key(scope: &Scope, role: &str, profile: Option<&str>) -> Key {
    let key = Key::of_account(scope).text(&role.to_ascii_lowercase());
    match profile {
        Some(profile) => key.text(&profile.to_ascii_lowercase()),
        None => key,
    }
}

impl Iam {
    /// What an operation on an instance profile asks for.
    pub(crate) fn ask_on_profile(
        &self,
        action: &'static str,
        name: &str,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let scope = self.scope(caller);
        let found = self.read(|tx| Ok(ProfileRow::find(tx, &scope, name)?))?;
        let arn = found.map_or_else(|| entity_arn(&scope, NOUN, "/", name), |profile| profile.arn(&scope));
        Ok(Access::Iam(vec![Ask::on(action, arn)]))
    }

    /// Asks for the right to pass a role of the caller's account to a service.
    pub(crate) fn ask_to_pass(&self, role: &str, service: &str, caller: &Caller) -> Result<Ask, Error> {
        let scope = self.scope(caller);
        let found = self.read(|tx| Ok(RoleRow::find(tx, &scope, role)?))?;
        let arn = found.map_or_else(|| entity_arn(&scope, RoleRow::NOUN, "/", role), |role| role.arn(&scope));
        Ok(Ask::on("iam:PassRole", arn).with("iam:PassedToService", service))
    }
}
