//! Inline policies, attached policies, boundary and tags of a user, group or role: the same rules for all.

use std::collections::BTreeMap;

use casemate_kernel::Env;
use casemate_names::Scope;
use casemate_store::{ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::{AttachedPermissionsBoundary, AttachedPolicy, Error, PermissionsBoundaryAttachmentType, Tag},
    documents::{self, chars_without_space},
    entity::Entity,
    page::{Page, Paging, page_of},
    rows::{Usage, UseRow, managed_document, use_key},
    tags,
};

/// Managed policies on one user, group or role.
// AWS: IAM quotas, "Managed policies attached to a role" (default).
pub(crate) const ATTACHED_MAX: usize = 10;

/// What a user, group or role holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Inline policies by name.
    pub(crate) inline: BTreeMap<String, String>,
    /// ARNs of attached managed policies, in the order of attachment.
    pub(crate) attached: Vec<String>,
    /// ARN of the managed policy that is its permissions boundary.
    pub(crate) boundary: Option<String>,
    /// Keys and values.
    pub(crate) tags: Vec<(String, String)>,
}

impl Holder {
    /// The boundary as answers show it.
    pub(crate) fn shown_boundary(&self) -> Option<AttachedPermissionsBoundary> {
        self.boundary.clone().map(|arn| AttachedPermissionsBoundary {
            permissions_boundary_type: Some(PermissionsBoundaryAttachmentType::PermissionsBoundaryPolicy),
            permissions_boundary_arn: Some(arn),
        })
    }

    /// The tags as answers show them; absent when there are none.
    pub(crate) fn shown_tags(&self) -> Option<Vec<Tag>> {
        (!self.tags.is_empty()).then(|| tags::shown(&self.tags))
    }

    /// Refuses deletion while anything is attached.
    pub(crate) fn check_deletable(&self) -> Result<(), Error> {
        // AWS: texts of DeleteConflict.
        if !self.attached.is_empty() {
            return Err(Error::delete_conflict_exception(
                "Cannot delete entity, must detach all policies first.",
            ));
        }
        if !self.inline.is_empty() {
            return Err(Error::delete_conflict_exception(
                "Cannot delete entity, must delete policies first.",
            ));
        }
        Ok(())
    }
}

/// Adds or replaces an inline policy. The document has been checked.
pub(crate) fn put_inline<E: Entity>(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    entity: &str,
    name: &str,
    document: &str,
) -> Result<(), Error> {
    let mut found = E::fetch_to_change(tx, scope, entity)?;
    let holder = found.holder_mut();
    holder.inline.insert(name.to_owned(), document.to_owned());
    let chars: usize = holder.inline.values().map(|text| chars_without_space(text)).sum();
    if chars > E::INLINE_CHARS_MAX {
        // AWS: text of LimitExceeded.
        return Err(Error::limit_exceeded_exception(format!(
            "Maximum policy size of {} bytes exceeded for {} {entity}",
            E::INLINE_CHARS_MAX,
            E::NOUN
        )));
    }
    found.save(tx, scope)?;
    Ok(())
}

/// The entity's name and the document of one inline policy.
pub(crate) fn inline<E: Entity>(
    tx: &ReadTx<'_>,
    scope: &Scope,
    entity: &str,
    name: &str,
) -> Result<(String, String), Error> {
    let found = E::fetch(tx, scope, entity)?;
    let document = found.holder().inline.get(name).ok_or_else(|| no_inline::<E>(name))?;
    Ok((found.name().to_owned(), documents::percent_encoded(document)))
}

/// Removes an inline policy.
pub(crate) fn delete_inline<E: Entity>(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    entity: &str,
    name: &str,
) -> Result<(), Error> {
    let mut found = E::fetch_to_change(tx, scope, entity)?;
    found.holder_mut().inline.remove(name).ok_or_else(|| no_inline::<E>(name))?;
    found.save(tx, scope)?;
    Ok(())
}

fn no_inline<E: Entity>(name: &str) -> Error {
    // AWS: text of NoSuchEntity.
    Error::no_such_entity_exception(format!("The {} policy with name {name} cannot be found.", E::NOUN))
}

/// One page of inline policy names.
pub(crate) fn inline_names<E: Entity>(
    tx: &ReadTx<'_>,
    scope: &Scope,
    entity: &str,
    paging: &Paging,
) -> Result<Page<String>, Error> {
    let found = E::fetch(tx, scope, entity)?;
    page_of(found.holder().inline.keys().map(|name| (name.clone(), name.clone())).collect(), paging)
}

/// Attaches a managed policy; again is no error.
pub(crate) fn attach<E: Entity>(
    tx: &mut WriteTx<'_>,
    env: &Env,
    scope: &Scope,
    entity: &str,
    policy_arn: &str,
) -> Result<(), Error> {
    let mut found = E::fetch_to_change(tx, scope, entity)?;
    check_usable(tx, env, scope, policy_arn)?;
    if found.holder().attached.iter().any(|arn| arn == policy_arn) {
        return Ok(());
    }
    if found.holder().attached.len() >= ATTACHED_MAX {
        return Err(Error::limit_exceeded_exception(format!(
            "Cannot exceed quota for {}: {ATTACHED_MAX}",
            E::ATTACHED_QUOTA
        )));
    }
    found.holder_mut().attached.push(policy_arn.to_owned());
    found.save(tx, scope)?;
    let key = use_key(scope, policy_arn, Usage::Permissions, Some((E::NOUN, found.name())));
    tx.put(&key, &found.as_use())?;
    Ok(())
}

/// Detaches a managed policy.
pub(crate) fn detach<E: Entity>(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    entity: &str,
    policy_arn: &str,
) -> Result<(), Error> {
    let mut found = E::fetch_to_change(tx, scope, entity)?;
    let attached = &mut found.holder_mut().attached;
    let before = attached.len();
    attached.retain(|arn| arn != policy_arn);
    if attached.len() == before {
        return Err(no_policy(policy_arn));
    }
    found.save(tx, scope)?;
    tx.delete::<UseRow>(&use_key(scope, policy_arn, Usage::Permissions, Some((E::NOUN, found.name()))))?;
    Ok(())
}

/// One page of attached policies under a path.
pub(crate) fn attached<E: Entity>(
    tx: &ReadTx<'_>,
    scope: &Scope,
    entity: &str,
    path_prefix: Option<&str>,
    paging: &Paging,
) -> Result<Page<AttachedPolicy>, Error> {
    let found = E::fetch(tx, scope, entity)?;
    let below = |arn: &&String| {
        let path = arn.split_once(":policy").map_or("", |(_, path)| path);
        path_prefix.is_none_or(|prefix| path.starts_with(prefix))
    };
    page_of(
        found.holder().attached.iter().filter(below).map(|arn| (arn.clone(), attached_policy(arn))).collect(),
        paging,
    )
}

/// An attached policy as answers show it.
pub(crate) fn attached_policy(arn: &str) -> AttachedPolicy {
    AttachedPolicy {
        policy_name: arn.rsplit('/').next().map(str::to_owned),
        policy_arn: Some(arn.to_owned()),
    }
}

/// Sets the permissions boundary.
pub(crate) fn set_boundary<E: Entity>(
    tx: &mut WriteTx<'_>,
    env: &Env,
    scope: &Scope,
    entity: &str,
    policy_arn: &str,
) -> Result<(), Error> {
    let mut found = E::fetch_to_change(tx, scope, entity)?;
    check_usable(tx, env, scope, policy_arn)?;
    release_boundary(tx, scope, &found)?;
    found.holder_mut().boundary = Some(policy_arn.to_owned());
    note_boundary(tx, scope, &found)?;
    found.save(tx, scope)?;
    Ok(())
}

/// Removes the permissions boundary.
pub(crate) fn delete_boundary<E: Entity>(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    entity: &str,
) -> Result<(), Error> {
    let mut found = E::fetch_to_change(tx, scope, entity)?;
    if found.holder().boundary.is_none() {
        return Err(Error::no_such_entity_exception(format!(
            "The {} with name {entity} does not have a permissions boundary.",
            E::NOUN
        )));
    }
    release_boundary(tx, scope, &found)?;
    found.holder_mut().boundary = None;
    found.save(tx, scope)?;
    Ok(())
}

/// Notes in the reverse index which policy is the entity's boundary.
pub(crate) fn note_boundary<E: Entity>(tx: &mut WriteTx<'_>, scope: &Scope, entity: &E) -> Result<(), Error> {
    if let Some(arn) = &entity.holder().boundary {
        let key = use_key(scope, arn, Usage::Boundary, Some((E::NOUN, entity.name())));
        tx.put(&key, &entity.as_use())?;
    }
    Ok(())
}

/// Forgets in the reverse index which policy is the entity's boundary.
pub(crate) fn release_boundary<E: Entity>(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    entity: &E,
) -> Result<(), Error> {
    if let Some(arn) = &entity.holder().boundary {
        tx.delete::<UseRow>(&use_key(scope, arn, Usage::Boundary, Some((E::NOUN, entity.name()))))?;
    }
    Ok(())
}

/// A managed policy that this account may attach: one of AWS's or its own.
pub(crate) fn check_usable(tx: &ReadTx<'_>, env: &Env, scope: &Scope, policy_arn: &str) -> Result<(), Error> {
    // AWS: text of NoSuchEntity; another account's policy cannot be attached.
    let refused = || {
        Error::no_such_entity_exception(format!("Policy {policy_arn} does not exist or is not attachable."))
    };
    let own = casemate_names::Arn::parse(policy_arn).is_ok_and(|arn| arn.account() == scope.account.as_str());
    if casemate_managed::find(policy_arn).is_none() && !own {
        return Err(refused());
    }
    managed_document(tx, env, policy_arn)?.map(drop).ok_or_else(refused)?;
    if casemate_managed::find(policy_arn).is_some_and(casemate_managed::Managed::is_for_service_linked_roles)
    {
        // AWS: text of PolicyNotAttachable.
        return Err(Error::policy_not_attachable_exception(
            "Cannot attach a Service Role Policy to a Customer Role.",
        ));
    }
    Ok(())
}

/// AWS's text when a managed policy does not exist or is not attached.
pub(crate) fn no_policy(policy_arn: &str) -> Error {
    Error::no_such_entity_exception(format!("Policy {policy_arn} was not found."))
}

/// Adds or replaces tags.
pub(crate) fn tag<E: Entity>(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    entity: &str,
    given: &[(String, String)],
) -> Result<(), Error> {
    let mut found = E::fetch(tx, scope, entity)?;
    tags::add(&mut found.holder_mut().tags, given)?;
    found.save(tx, scope)?;
    Ok(())
}

/// Removes tags; keys that are not there are no error.
pub(crate) fn untag<E: Entity>(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    entity: &str,
    keys: &[String],
) -> Result<(), Error> {
    let mut found = E::fetch(tx, scope, entity)?;
    tags::remove(&mut found.holder_mut().tags, keys);
    found.save(tx, scope)?;
    Ok(())
}

/// One page of tags.
pub(crate) fn tag_page<E: Entity>(
    tx: &ReadTx<'_>,
    scope: &Scope,
    entity: &str,
    paging: &Paging,
) -> Result<Page<Tag>, Error> {
    tags::page(&E::fetch(tx, scope, entity)?.holder().tags, paging)
}

impl From<documents::Refused> for Error {
    fn from(refused: documents::Refused) -> Self {
        match refused {
            documents::Refused::Malformed(text) => Self::malformed_policy_document_exception(text),
            documents::Refused::TooLong(text) => Self::limit_exceeded_exception(text),
        }
    }
}
