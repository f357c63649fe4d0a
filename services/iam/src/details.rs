//! Everything an account has of identities, as `GetAccountAuthorizationDetails` shows it. Entries are named by kind and
//! name, and read only when they are on the page.

use casemate_kernel::Env;
use casemate_names::Scope;
use casemate_store::{Key, ReadTx, Row};

use crate::{
    api::{
        EntityType, Error, GroupDetail, ManagedPolicyDetail, PolicyDetail, PolicyVersion, RoleDetail,
        UserDetail,
    },
    documents::percent_encoded,
    entity::Entity,
    holder::{Holder, attached_policy},
    last_accessed, membership, profiles,
    rows::{GroupRow, PolicyRow, RoleRow, Usage, UserRow},
    show::{self, AnyPolicy, Detail},
    tags, trust,
};

/// Rows of one kind that are listed; the quotas are below.
const LISTED_MAX: usize = 10_000;

/// One entry, not yet read.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A user's name.
    User(String),
    /// A group's name.
    Group(String),
    /// A role's name.
    Role(String),
    /// A managed policy's ARN.
    Policy(String),
}

/// The entries of some kinds, each with the name that markers carry. Without a filter, of all kinds.
pub(crate) fn entries(
    tx: &ReadTx<'_>,
    scope: &Scope,
    filter: Option<&[EntityType]>,
) -> Result<Vec<(String, Entry)>, Error> {
    let wanted = |kind: EntityType| filter.is_none_or(|kinds| kinds.is_empty() || kinds.contains(&kind));
    let mut all = Vec::new();
    if wanted(EntityType::User) {
        all.extend(names::<UserRow>(tx, scope)?.into_iter().map(|n| (format!("user/{n}"), Entry::User(n))));
    }
    if wanted(EntityType::Group) {
        all.extend(
            names::<GroupRow>(tx, scope)?.into_iter().map(|n| (format!("group/{n}"), Entry::Group(n))),
        );
    }
    if wanted(EntityType::Role) {
        all.extend(names::<RoleRow>(tx, scope)?.into_iter().map(|n| (format!("role/{n}"), Entry::Role(n))));
    }
    let mut arns = Vec::new();
    if wanted(EntityType::LocalManagedPolicy) {
        let own = tx.scan::<PolicyRow>(&Key::of_account(scope), None, LISTED_MAX)?;
        arns.extend(own.into_iter().map(|(_, row)| row.arn(scope).as_str().to_owned()));
    }
    if wanted(EntityType::AWSManagedPolicy) {
        // AWS: of its own policies those that something in the account uses.
        for policy in casemate_managed::all() {
            let arn = policy.arn();
            let uses = show::count(tx, scope, &arn, Usage::Permissions)?.saturating_add(show::count(
                tx,
                scope,
                &arn,
                Usage::Boundary,
            )?);
            if uses > 0 {
                arns.push(arn);
            }
        }
    }
    all.extend(arns.into_iter().map(|arn| (arn.clone(), Entry::Policy(arn))));
    Ok(all)
}

fn names<T: Row>(tx: &ReadTx<'_>, scope: &Scope) -> Result<Vec<String>, Error> {
    let keys = tx.keys::<T>(&Key::of_account(scope), None, LISTED_MAX)?;
    Ok(keys.into_iter().filter_map(|key| key.text_at(0)).collect())
}

/// A user with everything it holds.
pub(crate) fn user(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<UserDetail, Error> {
    let row = UserRow::fetch(tx, scope, name)?;
    let groups = membership::groups_of(tx, scope, &row)?;
    Ok(UserDetail {
        arn: Some(row.arn(scope).as_str().to_owned()),
        user_policy_list: Some(inline(&row.holder)).filter(|list| !list.is_empty()),
        group_list: Some(groups.into_iter().map(|group| group.name).collect()),
        attached_managed_policies: Some(attached(&row.holder)),
        permissions_boundary: row.holder.shown_boundary(),
        tags: Some(tags::shown(&row.holder.tags)),
        create_date: Some(row.created_at),
        path: Some(row.path),
        user_name: Some(row.name),
        user_id: Some(row.unique_id),
    })
}

/// A group with everything it holds.
pub(crate) fn group(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<GroupDetail, Error> {
    let row = GroupRow::fetch(tx, scope, name)?;
    Ok(GroupDetail {
        arn: Some(row.arn(scope).as_str().to_owned()),
        group_policy_list: Some(inline(&row.holder)),
        attached_managed_policies: Some(attached(&row.holder)),
        create_date: Some(row.created_at),
        path: Some(row.path),
        group_name: Some(row.name),
        group_id: Some(row.unique_id),
    })
}

/// A role with everything it holds and the instance profiles that hold it.
pub(crate) fn role(tx: &ReadTx<'_>, env: &Env, scope: &Scope, name: &str) -> Result<RoleDetail, Error> {
    let row = RoleRow::fetch(tx, scope, name)?;
    let profiles = profiles::of_role(tx, scope, &row)?;
    let shown = profiles.iter().map(|profile| profile.shown(tx, env, scope, Detail::Listed));
    let last_used = last_accessed::of_role(env, scope, &row)?;
    Ok(RoleDetail {
        arn: Some(row.arn(scope).as_str().to_owned()),
        assume_role_policy_document: Some(trust::shown(tx, env, &row)?),
        instance_profile_list: Some(shown.collect::<Result<_, _>>()?),
        role_policy_list: Some(inline(&row.holder)),
        attached_managed_policies: Some(attached(&row.holder)),
        permissions_boundary: row.holder.shown_boundary(),
        tags: Some(tags::shown(&row.holder.tags)),
        create_date: Some(row.created_at),
        path: Some(row.path),
        role_name: Some(row.name),
        role_id: Some(row.unique_id),
        role_last_used: Some(last_used),
    })
}

/// A managed policy with the documents of its versions.
pub(crate) fn policy(tx: &ReadTx<'_>, scope: &Scope, arn: &str) -> Result<ManagedPolicyDetail, Error> {
    let found = AnyPolicy::fetch(tx, scope, arn)?;
    let shown = found.shown(tx, scope, Detail::Full)?;
    let versions = found.versions().into_iter().map(|version| {
        let id = version.version_id.as_deref().unwrap_or_default();
        found.version(arn, id)
    });
    let versions: Vec<PolicyVersion> = versions.collect::<Result<_, Error>>()?;
    Ok(ManagedPolicyDetail {
        policy_name: shown.policy_name,
        policy_id: shown.policy_id,
        arn: shown.arn,
        path: shown.path,
        default_version_id: shown.default_version_id,
        attachment_count: shown.attachment_count,
        permissions_boundary_usage_count: shown.permissions_boundary_usage_count,
        is_attachable: shown.is_attachable,
        description: shown.description,
        create_date: shown.create_date,
        update_date: shown.update_date,
        policy_version_list: Some(versions),
    })
}

fn inline(holder: &Holder) -> Vec<PolicyDetail> {
    let shown = |(name, text): (&String, &String)| PolicyDetail {
        policy_name: Some(name.clone()),
        policy_document: Some(percent_encoded(text)),
    };
    holder.inline.iter().map(shown).collect()
}

fn attached(holder: &Holder) -> Vec<crate::api::AttachedPolicy> {
    holder.attached.iter().map(|arn| attached_policy(arn)).collect()
}
