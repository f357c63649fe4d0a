//! The policies that bind a user, group or role, as documents with a name for people: what simulations and lists of
//! granting policies are made from. The gate does not use this; see `directory.rs`.

use casemate_kernel::{Env, policy::Principal};
use casemate_names::{Arn, Scope};
use casemate_store::ReadTx;

use crate::{
    api::{Error, PolicyIdentifier, PolicySourceType},
    entity::Entity,
    holder::Holder,
    membership,
    rows::{GroupRow, RoleRow, UserRow, managed_document},
};

/// A document that denies everything, in place of one that is gone.
const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

/// Where a policy comes from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// `PolicyInputList.1`, `user_alice_inline`, or a managed policy's name.
    pub(crate) id: String,
    pub(crate) kind: PolicySourceType,
    /// Whose it is: noun and name. `None`: given with the request.
    pub(crate) owner: Option<(&'static str, String)>,
    /// Its name alone.
    pub(crate) name: String,
    /// Of a managed policy.
    pub(crate) arn: Option<String>,
    pub(crate) text: String,
}

/// A principal and what binds it.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// As whom it asks; a group asks for nothing.
    pub(crate) principal: Option<Principal>,
    pub(crate) sources: Vec<Source>,
    pub(crate) boundary: Option<Source>,
    /// The condition keys that the principal itself brings along, in lower case.
    pub(crate) facts: Vec<(String, String)>,
}

/// Documents given with a request, numbered from 1.
pub(crate) fn given(list: &str, texts: &[String]) -> Vec<Source> {
    texts
        .iter()
        .enumerate()
        .map(|(at, text)| {
            let id = format!("{list}.{}", at.saturating_add(1));
            let (name, kind) = (id.clone(), PolicySourceType::None);
            Source { id, kind, owner: None, name, arn: None, text: text.clone() }
        })
        .collect()
}

/// What binds the user, group or role of an ARN.
pub(crate) fn of_arn(tx: &ReadTx<'_>, env: &Env, scope: &Scope, text: &str) -> Result<Bound, Error> {
    match holder_of_arn(tx, scope, text)? {
        Holding::User(user) => of_user(tx, env, scope, &user),
        Holding::Role(role) => of_role(tx, env, scope, &role),
        Holding::Group(group) => of_group(tx, env, &group),
    }
}

/// A user, role or group.
#[derive(Debug)]
pub(crate) enum Holding {
    User(UserRow),
    Role(RoleRow),
    Group(GroupRow),
}

/// Which of them an ARN names, or AWS's complaint that it names none.
pub(crate) fn holder_of_arn(tx: &ReadTx<'_>, scope: &Scope, text: &str) -> Result<Holding, Error> {
    let arn = Arn::parse(text).ok().filter(|arn| arn.account() == scope.account.as_str());
    let resource = arn.as_ref().map_or("", |arn| arn.resource());
    let found = match (resource.split_once('/'), &arn) {
        (Some(("user", _)), Some(arn)) => UserRow::by_arn(tx, scope, arn)?.map(Holding::User),
        (Some(("role", _)), Some(arn)) => RoleRow::by_arn(tx, scope, arn)?.map(Holding::Role),
        (Some(("group", rest)), Some(arn)) => {
            let name = rest.rsplit('/').next().unwrap_or(rest);
            let group = GroupRow::find(tx, scope, name)?.filter(|group| group.arn(scope) == *arn);
            group.map(Holding::Group)
        }
        _ => None,
    };
    // AWS: text of NoSuchEntity.
    found.ok_or_else(|| Error::no_such_entity_exception(format!("The entity {text} cannot be found.")))
}

fn of_user(tx: &ReadTx<'_>, env: &Env, scope: &Scope, user: &UserRow) -> Result<Bound, Error> {
    let mut sources = held(tx, env, UserRow::NOUN, &user.name, &user.holder)?;
    for group in membership::groups_of(tx, scope, user)? {
        sources.extend(held(tx, env, GroupRow::NOUN, &group.name, &group.holder)?);
    }
    let (arn, account) = (user.arn(scope).as_str().to_owned(), scope.account.as_str().to_owned());
    let mut facts = facts(&arn, &account, "User", &user.unique_id, &user.holder);
    facts.push(("aws:username".to_owned(), user.name.clone()));
    Ok(Bound {
        principal: Some(Principal::User { arn, unique_id: user.unique_id.clone(), account }),
        sources,
        boundary: boundary(tx, env, &user.holder)?,
        facts,
    })
}

fn of_role(tx: &ReadTx<'_>, env: &Env, scope: &Scope, role: &RoleRow) -> Result<Bound, Error> {
    /// The name of the session that a simulation imagines.
    const SESSION: &str = "simulation";
    let (arn, account) = (role.arn(scope).as_str().to_owned(), scope.account.as_str().to_owned());
    let user_id = format!("{}:{SESSION}", role.unique_id);
    let session = Arn::global(scope, "sts", &format!("assumed-role/{}/{SESSION}", role.name));
    Ok(Bound {
        facts: facts(&arn, &account, "AssumedRole", &user_id, &role.holder),
        principal: Some(Principal::Session {
            role_arn: arn,
            role_unique_id: role.unique_id.clone(),
            session_arn: session.as_str().to_owned(),
            account,
        }),
        sources: held(tx, env, RoleRow::NOUN, &role.name, &role.holder)?,
        boundary: boundary(tx, env, &role.holder)?,
    })
}

fn of_group(tx: &ReadTx<'_>, env: &Env, group: &GroupRow) -> Result<Bound, Error> {
    let sources = held(tx, env, GroupRow::NOUN, &group.name, &group.holder)?;
    Ok(Bound { principal: None, sources, boundary: None, facts: Vec::new() })
}

fn facts(arn: &str, account: &str, kind: &str, user_id: &str, holder: &Holder) -> Vec<(String, String)> {
    let own = [
        ("aws:principalarn", arn),
        ("aws:principalaccount", account),
        ("aws:principaltype", kind),
        ("aws:userid", user_id),
    ];
    let tags = holder
        .tags
        .iter()
        .map(|(key, value)| (format!("aws:principaltag/{}", key.to_lowercase()), value.clone()));
    own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).chain(tags).collect()
}

/// What one entity holds itself: attached policies, then inline ones.
fn held(
    tx: &ReadTx<'_>,
    env: &Env,
    noun: &'static str,
    name: &str,
    holder: &Holder,
) -> Result<Vec<Source>, Error> {
    let kind = match noun {
        UserRow::NOUN => PolicySourceType::User,
        GroupRow::NOUN => PolicySourceType::Group,
        _ => PolicySourceType::Role,
    };
    let mut sources = Vec::new();
    for arn in &holder.attached {
        let source = managed_source(tx, env, arn)?;
        sources.push(Source { owner: Some((noun, name.to_owned())), ..source });
    }
    for (policy, text) in &holder.inline {
        sources.push(Source {
            id: format!("{noun}_{name}_{policy}"),
            kind,
            owner: Some((noun, name.to_owned())),
            name: policy.clone(),
            arn: None,
            text: text.clone(),
        });
    }
    Ok(sources)
}

fn boundary(tx: &ReadTx<'_>, env: &Env, holder: &Holder) -> Result<Option<Source>, Error> {
    holder.boundary.as_ref().map(|arn| managed_source(tx, env, arn)).transpose()
}

pub(crate) fn managed_source(tx: &ReadTx<'_>, env: &Env, arn: &str) -> Result<Source, Error> {
    let name = arn.rsplit('/').next().unwrap_or(arn).to_owned();
    let of_aws = casemate_managed::find(arn).is_some();
    let kind = if of_aws { PolicySourceType::AwsManaged } else { PolicySourceType::UserManaged };
    let text = managed_document(tx, env, arn)?.unwrap_or_else(|| DENY_ALL.to_owned());
    Ok(Source { id: name.clone(), kind, owner: None, name, arn: Some(arn.to_owned()), text })
}

impl Source {
    /// Is it the one that a request wants left out?
    pub(crate) fn is(&self, identifier: &PolicyIdentifier) -> bool {
        if let Some(arn) = &identifier.policy_arn {
            return self.arn.as_ref() == Some(arn);
        }
        let Some(inline) = &identifier.inline_policy_identifier else { return false };
        let owner = (inline.attachment_type.as_str().to_ascii_lowercase(), &inline.attachment_name);
        let owned = self
            .owner
            .as_ref()
            .is_some_and(|(noun, name)| *noun == owner.0 && name.eq_ignore_ascii_case(owner.1));
        self.arn.is_none() && owned && self.name == inline.policy_name
    }
}
