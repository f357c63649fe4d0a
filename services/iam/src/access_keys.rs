//! Long-term access keys of users and of the account's root.

use casemate_kernel::{Call, Caller, OperationModel};
use casemate_names::{Entropy, Scope, Secret, Timestamp, alphanumeric, lower_alphanumeric};
use casemate_store::{Key, ReadTx, WriteTx};

use crate::{
    api::Error,
    entity::Entity,
    rows::{AccessKeyRow, RootRow, UserRow, access_key_key},
    uses,
};

/// Keys per user, and per root.
// AWS: IAM quotas, "Access keys assigned to an IAM user".
pub(crate) const KEYS_MAX: usize = 2;

/// Whose keys an operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The account's root.
    Root,
    /// A user, by name.
    User(String),
}

/// A fresh key: id and secret.
#[derive(Clone)]
pub(crate) struct Fresh {
    pub(crate) id: String,
    pub(crate) secret: Secret<String>,
}

impl Fresh {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let id = lower_alphanumeric(entropy, "iam.access-key.id", 16).to_ascii_uppercase();
        Self {
            id: format!("AKIA{id}"),
            secret: Secret::new(alphanumeric(entropy, "iam.access-key.secret", 40)),
        }
    }
}

impl Owner {
    /// Whom the caller means: the named user, or itself.
    // AWS: IAM API reference, CreateAccessKey, "If you do not specify a user name, IAM determines the user name
    // implicitly based on the AWS access key ID signing the request"; its text for other credentials.
    pub(crate) fn meant(named: Option<&str>, caller: &Caller) -> Result<Self, Error> {
        match (named, caller.actor()) {
            (Some(name), _) => Ok(Self::User(name.to_owned())),
            (None, Caller::User { name, .. }) => Ok(Self::User(name.clone())),
            (None, Caller::Root { .. }) => Ok(Self::Root),
            (None, _) => Err(Error::Validation(
                "Must specify userName when calling with non-User credentials".to_owned(),
            )),
        }
    }

    /// As [`Owner::meant`], for an admitted call.
    pub(crate) fn of_call<O: OperationModel>(named: Option<&str>, call: &Call<O>) -> Result<Self, Error> {
        Self::meant(named, call.caller())
    }

    /// The name answers show; root has none.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::User(name) => name.clone(),
        }
    }

    /// The ids of its keys.
    pub(crate) fn key_ids(&self, tx: &ReadTx<'_>, scope: &Scope) -> Result<Vec<String>, Error> {
        Ok(match self {
            Self::Root => tx.get::<RootRow>(&root_key(scope))?.unwrap_or_default().access_keys,
            Self::User(name) => UserRow::fetch(tx, scope, name)?.access_keys,
        })
    }

    fn set_key_ids(&self, tx: &mut WriteTx<'_>, scope: &Scope, ids: Vec<String>) -> Result<(), Error> {
        match self {
            Self::Root => tx.put(&root_key(scope), &RootRow { access_keys: ids })?,
            Self::User(name) => {
                let mut user = UserRow::fetch(tx, scope, name)?;
                user.access_keys = ids;
                user.save(tx, scope)?;
            }
        }
        Ok(())
    }
}

/// Adds a key. Answers the owner's name as it is spelt.
pub(crate) fn create(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    owner: &Owner,
    fresh: &Fresh,
    now: Timestamp,
) -> Result<String, Error> {
    let mut ids = owner.key_ids(tx, scope)?;
    if ids.len() >= KEYS_MAX {
        // AWS: text of LimitExceeded.
        return Err(Error::limit_exceeded_exception(format!(
            "Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}"
        )));
    }
    let user = match owner {
        Owner::Root => None,
        Owner::User(name) => Some(UserRow::fetch(tx, scope, name)?.name),
    };
    ids.push(fresh.id.clone());
    owner.set_key_ids(tx, scope, ids)?;
    let row = AccessKeyRow {
        secret: fresh.secret.clone(),
        active: true,
        account: scope.account.clone(),
        user: user.clone(),
        created_at: now,
    };
    tx.put(&access_key_key(&fresh.id), &row)?;
    Ok(user.unwrap_or_default())
}

/// The key, if it is the owner's.
pub(crate) fn fetch(tx: &ReadTx<'_>, scope: &Scope, owner: &Owner, id: &str) -> Result<AccessKeyRow, Error> {
    let owned = owner.key_ids(tx, scope)?.iter().any(|known| known == id);
    let row = if owned { tx.get(&access_key_key(id))? } else { None };
    // AWS: text of NoSuchEntity.
    row.ok_or_else(|| {
        Error::no_such_entity_exception(format!("The Access Key with id {id} cannot be found."))
    })
}

/// Switches a key on or off.
pub(crate) fn set_active(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    owner: &Owner,
    id: &str,
    active: bool,
) -> Result<(), Error> {
    let mut row = fetch(tx, scope, owner, id)?;
    row.active = active;
    tx.put(&access_key_key(id), &row)?;
    Ok(())
}

/// Removes a key.
pub(crate) fn delete(tx: &mut WriteTx<'_>, scope: &Scope, owner: &Owner, id: &str) -> Result<(), Error> {
    fetch(tx, scope, owner, id)?;
    let ids = owner.key_ids(tx, scope)?.into_iter().filter(|known| known != id).collect();
    owner.set_key_ids(tx, scope, ids)?;
    tx.delete::<AccessKeyRow>(&access_key_key(id))?;
    uses::forget(tx, id)
}

fn root_key(scope: &Scope) -> Key {
    Key::of_account(scope).text("root")
}
