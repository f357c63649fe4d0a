//! Which users are in which groups. Kept twice, by user and by group, so that both can be listed; names are in lower case,
//! as everywhere in keys.

use casemate_names::Scope;
use casemate_store::{Key, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::Error,
    entity::Entity,
    page::{Page, Paging, page_of_rows},
    rows::{GroupRow, UserRow},
};

/// Groups that a user can be in.
// AWS: IAM quotas, "IAM groups that an IAM user can be a member of".
pub(crate) const GROUPS_PER_USER_MAX: usize = 10;

/// Members of one group that are read; the account's quota of users is below.
const MEMBERS_READ_MAX: usize = 10_000;

/// That a user is in a group, found by user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupOfUserRow {
    /// In lower case.
    group: String,
    group_id: String,
}

/// That a user is in a group, found by group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserOfGroupRow {
    /// In lower case.
    user: String,
    user_id: String,
}

impl casemate_store::Row for GroupOfUserRow {
    const TABLE: &'static str = "iam.groups-of-users";
    const VERSION: u16 = 1;
}

impl casemate_store::Row for UserOfGroupRow {
    const TABLE: &'static str = "iam.users-of-groups";
    const VERSION: u16 = 1;
}

/// Adds a user to a group; again is no error.
pub(crate) fn add(tx: &mut WriteTx<'_>, scope: &Scope, group: &str, user: &str) -> Result<(), Error> {
    let (group, user) = (GroupRow::fetch(tx, scope, group)?, UserRow::fetch(tx, scope, user)?);
    if tx.exists::<GroupOfUserRow>(&key(scope, &user.name, Some(&group.name)))? {
        return Ok(());
    }
    if groups_of(tx, scope, &user)?.len() >= GROUPS_PER_USER_MAX {
        // AWS: text of LimitExceeded.
        let text = format!("Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER_MAX}");
        return Err(Error::limit_exceeded_exception(text));
    }
    put(tx, scope, &group, &user)
}

/// Removes a user from a group; one that is not in it is no error.
pub(crate) fn remove(tx: &mut WriteTx<'_>, scope: &Scope, group: &str, user: &str) -> Result<(), Error> {
    let (group, user) = (GroupRow::fetch(tx, scope, group)?, UserRow::fetch(tx, scope, user)?);
    take(tx, scope, &group.name, &user.name)
}

/// The groups of a user.
pub(crate) fn groups_of(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<Vec<GroupRow>, Error> {
    let rows = tx.scan::<GroupOfUserRow>(&key(scope, &user.name, None), None, GROUPS_PER_USER_MAX)?;
    let groups = rows.into_iter().map(|(_, row)| fetch_group(tx, scope, &row));
    groups.collect()
}

/// One page of the groups of a user.
pub(crate) fn group_page(
    tx: &ReadTx<'_>,
    scope: &Scope,
    user: &str,
    paging: &Paging,
) -> Result<Page<GroupRow>, Error> {
    let user = UserRow::fetch(tx, scope, user)?;
    let page = page_of_rows::<GroupOfUserRow>(tx, &key(scope, &user.name, None), paging, |_| true)?;
    let items = page.items.iter().map(|row| fetch_group(tx, scope, row));
    Ok(Page { items: items.collect::<Result<_, _>>()?, marker: page.marker })
}

/// One page of the users in a group.
pub(crate) fn user_page(
    tx: &ReadTx<'_>,
    scope: &Scope,
    group: &GroupRow,
    paging: &Paging,
) -> Result<Page<UserRow>, Error> {
    let page = page_of_rows::<UserOfGroupRow>(tx, &key(scope, &group.name, None), paging, |_| true)?;
    let items = page.items.iter().map(|row| {
        let user = UserRow::fetch(tx, scope, &row.user)?;
        same(&user.unique_id, &row.user_id).map(|()| user)
    });
    Ok(Page { items: items.collect::<Result<_, Error>>()?, marker: page.marker })
}

/// Is anybody in the group?
pub(crate) fn is_empty(tx: &ReadTx<'_>, scope: &Scope, group: &GroupRow) -> Result<bool, Error> {
    Ok(tx.keys::<UserOfGroupRow>(&key(scope, &group.name, None), None, 1)?.is_empty())
}

/// A user has another name.
pub(crate) fn user_renamed(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    before: &str,
    now: &str,
) -> Result<(), Error> {
    let user = UserRow::fetch(tx, scope, now)?;
    let rows = tx.scan::<GroupOfUserRow>(&key(scope, before, None), None, GROUPS_PER_USER_MAX)?;
    for (_, row) in rows {
        let group = fetch_group(tx, scope, &row)?;
        take(tx, scope, &group.name, before)?;
        put(tx, scope, &group, &user)?;
    }
    Ok(())
}

/// A group has another name.
pub(crate) fn group_renamed(
    tx: &mut WriteTx<'_>,
    scope: &Scope,
    before: &str,
    now: &GroupRow,
) -> Result<(), Error> {
    let rows = tx.scan::<UserOfGroupRow>(&key(scope, before, None), None, MEMBERS_READ_MAX)?;
    for (_, row) in rows {
        let user = UserRow::fetch(tx, scope, &row.user)?;
        take(tx, scope, before, &user.name)?;
        put(tx, scope, now, &user)?;
    }
    Ok(())
}

fn put(tx: &mut WriteTx<'_>, scope: &Scope, group: &GroupRow, user: &UserRow) -> Result<(), Error> {
    let by_user =
        GroupOfUserRow { group: group.name.to_ascii_lowercase(), group_id: group.unique_id.clone() };
    let by_group = UserOfGroupRow { user: user.name.to_ascii_lowercase(), user_id: user.unique_id.clone() };
    tx.put(&key(scope, &user.name, Some(&group.name)), &by_user)?;
    tx.put(&key(scope, &group.name, Some(&user.name)), &by_group)?;
    Ok(())
}

fn take(tx: &mut WriteTx<'_>, scope: &Scope, group: &str, user: &str) -> Result<(), Error> {
    tx.delete::<GroupOfUserRow>(&key(scope, user, Some(group)))?;
    tx.delete::<UserOfGroupRow>(&key(scope, group, Some(user)))?;
    Ok(())
}

/// The group of a membership. One that is gone or another under the same name is an error: its policies might have denied
/// something, so the user must not go on without them.
fn fetch_group(tx: &ReadTx<'_>, scope: &Scope, row: &GroupOfUserRow) -> Result<GroupRow, Error> {
    let group = GroupRow::fetch(tx, scope, &row.group)?;
    same(&group.unique_id, &row.group_id).map(|()| group)
}

// INVARIANT: a group with members and a user in groups cannot be deleted, so the other side of a membership is there.
fn same(id: &str, expected: &str) -> Result<(), Error> {
    if id == expected {
        return Ok(());
    }
    Err(casemate_kernel::Fault::broken(format!("a membership names {expected}, but there is {id}")).into())
}

/// `first` is whom the list is of, `second` what is in it.
fn key(scope: &Scope, first: &str, second: Option<&str>) -> Key {
    let key = Key::of_account(scope).text(&first.to_ascii_lowercase());
    match second {
        Some(second) => key.text(&second.to_ascii_lowercase()),
        None => key,
    }
}
