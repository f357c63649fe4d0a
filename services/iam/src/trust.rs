//! Trust policies: whom they name is bound to unique ids when they are written.

use std::{collections::BTreeMap, sync::Arc};

use casemate_kernel::{
    Env, NamedPrincipal, enforced_principals,
    policy::{Kind, Policy},
    principal_ids, shown_principals,
};
use casemate_names::Arn;
use casemate_store::ReadTx;

use crate::{
    api::Error,
    documents,
    entity::Entity,
    rows::{RoleRow, UserRow},
};

/// The unique ids of those whom a trust policy names by ARN. Naming a user or role that does not exist is refused, as AWS
/// refuses it.
pub(crate) fn resolve(tx: &ReadTx<'_>, env: &Env, text: &str) -> Result<BTreeMap<String, String>, Error> {
    principal_ids(text, &mut |named| unique_id_of(tx, env, named), |name| {
        Error::malformed_policy_document_exception(format!("Invalid principal in policy: \"AWS\":\"{name}\""))
    })
}

/// The trust policy of a role, compiled: everybody by unique id.
pub(crate) fn compiled(role: &RoleRow) -> Result<Arc<Policy>, Error> {
    Ok(documents::compiled(&enforced_principals(&role.trust, &role.trust_ids), Kind::Trust)?)
}

/// The trust policy as answers show it: those who are gone appear by unique id.
pub(crate) fn shown(tx: &ReadTx<'_>, env: &Env, role: &RoleRow) -> Result<String, Error> {
    let find = &mut |named: &NamedPrincipal| unique_id_of(tx, env, named);
    Ok(documents::percent_encoded(&shown_principals(&role.trust, &role.trust_ids, find)?))
}

/// The unique id of a user or role, or of the role behind a session.
fn unique_id_of(tx: &ReadTx<'_>, env: &Env, named: &NamedPrincipal) -> Result<Option<String>, Error> {
    match named {
        NamedPrincipal::Entity(arn) => unique_id(tx, env, arn),
        NamedPrincipal::Session { session, .. } if session.is_empty() => Ok(None),
        NamedPrincipal::Session { arn, role: name, .. } => {
            let Some(account) = arn.account_id() else { return Ok(None) };
            let role = RoleRow::find(tx, &env.scope_of(&account), name)?;
            // Names are found in whatever case; an ARN has one spelling.
            let named = |role: &RoleRow| role.name == *name && arn.partition() == env.site.scope.partition;
            Ok(role.filter(named).map(|role| role.unique_id))
        }
    }
}

/// The unique id of a user or role.
pub(crate) fn unique_id(tx: &ReadTx<'_>, env: &Env, arn: &Arn) -> Result<Option<String>, Error> {
    let scope = env.scope_of_arn(arn);
    let user = UserRow::by_arn(tx, &scope, arn)?.map(|user| user.unique_id);
    match user {
        Some(id) => Ok(Some(id)),
        None => Ok(RoleRow::by_arn(tx, &scope, arn)?.map(|role| role.unique_id)),
    }
}
