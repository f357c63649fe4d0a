//! Trust policies: whom they name is bound to unique ids when they are written.

use std::{collections::BTreeMap, sync::Arc};

use casemate_kernel::{
    Env,
    policy::{Kind, Policy, rewrite_principals},
};
use casemate_names::Arn;
use casemate_store::ReadTx;

use crate::{
    api::Error,
    documents,
    entity::Entity,
    rows::{RoleRow, UserRow},
};

/// The unique ids of the users and roles that a trust policy names by ARN. Naming one that does not exist is refused, as
/// AWS refuses it.
pub(crate) fn resolve(tx: &ReadTx<'_>, env: &Env, text: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut ids = BTreeMap::new();
    rewrite_principals(text, &mut |name| {
        if let Some(arn) = named_entity(name) {
            let id = unique_id(tx, env, &arn)?.ok_or_else(|| {
                Error::malformed_policy_document_exception(format!(
                    "Invalid principal in policy: \"AWS\":\"{name}\""
                ))
            })?;
            ids.insert(name.to_owned(), id);
        }
        Ok::<_, Error>(None)
    })?;
    Ok(ids)
}

/// The trust policy of a role, compiled: each user and role by its unique id.
pub(crate) fn compiled(tx: &ReadTx<'_>, env: &Env, role: &RoleRow) -> Result<Arc<Policy>, Error> {
    let text = rewrite_principals(&role.trust, &mut |name| {
        let Some(id) = role.trust_ids.get(name) else { return Ok::<_, Error>(None) };
        // A session is named by ARN, which holds as long as its role is still the one that was meant.
        let session = Arn::parse(name).is_ok_and(|arn| arn.service() == "sts");
        let same = session
            && named_entity(name).map(|arn| unique_id(tx, env, &arn)).transpose()?.flatten().as_ref()
                == Some(id);
        Ok((!same).then(|| id.clone()))
    })?;
    Ok(documents::compiled(&text, Kind::Trust)?)
}

/// The trust policy as answers show it: those who are gone appear by unique id.
// AWS: IAM User Guide, "Principal": the ARN turns into the principal id when the principal is deleted.
pub(crate) fn shown(tx: &ReadTx<'_>, env: &Env, role: &RoleRow) -> Result<String, Error> {
    let text = rewrite_principals(&role.trust, &mut |name| {
        let (Some(id), Some(arn)) = (role.trust_ids.get(name), named_entity(name)) else {
            return Ok::<_, Error>(None);
        };
        Ok((unique_id(tx, env, &arn)?.as_ref() != Some(id)).then(|| id.clone()))
    })?;
    Ok(documents::percent_encoded(&text))
}

/// The user or role behind an ARN in a trust policy; `None` for accounts, ids and whatever else has no unique id here.
fn named_entity(name: &str) -> Option<Arn> {
    let arn = Arn::parse(name).ok()?;
    let kind = arn.resource().split('/').next()?;
    match (arn.service(), kind) {
        ("iam", "user" | "role") | ("sts", "assumed-role") => Some(arn),
        _ => None,
    }
}

/// The unique id of a user or role, or of the role behind a session.
pub(crate) fn unique_id(tx: &ReadTx<'_>, env: &Env, arn: &Arn) -> Result<Option<String>, Error> {
    let scope = env.scope_of_arn(arn);
    if arn.service() == "sts" {
        // The ARN of a session has the role's name without its path.
        let name = arn.resource().split('/').nth(1).unwrap_or("");
        return Ok(RoleRow::find(tx, &scope, name)?
            .filter(|role| role.name == name)
            .map(|role| role.unique_id));
    }
    let user = UserRow::by_arn(tx, &scope, arn)?.map(|user| user.unique_id);
    match user {
        Some(id) => Ok(Some(id)),
        None => Ok(RoleRow::by_arn(tx, &scope, arn)?.map(|role| role.unique_id)),
    }
}
