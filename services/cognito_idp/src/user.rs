//! Users as stored, and finding them by any of their names.
//!
//! ```text
//!             SignUp                     ConfirmSignUp, AdminConfirmSignUp
//!   (none) ───────────▶ UNCONFIRMED ───────────────────────────────────────▶ CONFIRMED
//!      │                                                                        ▲   ▲
//!      │ AdminCreateUser                    NEW_PASSWORD_REQUIRED answered,     │   │ ConfirmForgotPassword
//!      └───────────────▶ FORCE_CHANGE_PASSWORD ── AdminSetUserPassword ─────────┘   │
//!                                                                    RESET_REQUIRED ┘
//! ```

use casemate_names::Timestamp;
use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    CognitoIdp,
    api::Error,
    attributes::Attributes,
    codes::{self, Attempts, Code, Limit, Verdict},
    groups::Membership,
    password::Credential,
    pool::{Place, Trouble, UserPool},
    refusal::Refusal,
    sweep::{self, Swept},
    username::Naming,
};

/// Where a user is in the diagram above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "AWS's names")]
pub enum Status {
    Unconfirmed,
    Confirmed,
    ForceChangePassword,
    ResetRequired,
}

impl Status {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Confirmed => "CONFIRMED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
            Self::ResetRequired => "RESET_REQUIRED",
        }
    }
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// As written at sign-up; the sub where users sign up with an attribute.
    pub username: String,
    /// Unique for ever.
    pub sub: String,
    /// Where in its life.
    pub status: Status,
    /// Not disabled by an administrator.
    pub enabled: bool,
    /// Attributes, `sub` included.
    pub attributes: Attributes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// Counts global sign-outs: tokens of an earlier generation are revoked.
    pub generation: u64,
    /// When the temporary password ends.
    pub temporary_until: Option<Timestamp>,
}

impl Row for User {
    const TABLE: &'static str = "cognito.user";
    const VERSION: u16 = 1;
}

impl Row for Credential {
    const TABLE: &'static str = "cognito.credential";
    const VERSION: u16 = 1;
}

impl Row for Code {
    const TABLE: &'static str = "cognito.code";
    const VERSION: u16 = 1;
}

impl Row for Attempts {
    const TABLE: &'static str = "cognito.attempts";
    const VERSION: u16 = 1;
}

/// Another name of a user: its sub, or an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The canonical username.
    pub username: String,
}

impl Row for Alias {
    const TABLE: &'static str = "cognito.alias";
    const VERSION: u16 = 1;
}

/// What a code confirms: an account. (Attributes are confirmed under their own names.)
pub const SIGN_UP: &str = "sign-up";
/// What a code confirms: the right to a new password.
pub const PASSWORD: &str = "password";

/// What to do when an alias belongs to somebody else already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Refuse: `AliasExistsException`.
    Refuse,
    /// Take it: the other user's address counts as unverified from now on (`ForceAliasCreation`).
    Take,
}

/// Longest name looked up, in bytes: AWS's 128 characters of up to four bytes, or an attribute value.
pub const NAME_BYTES_MAX: usize = 512;

/// The key of a user's row, by canonical username.
pub fn key(place: &Place, canonical: &str) -> Key {
    place.key().text(canonical)
}

fn alias_key(place: &Place, kind: &str, value: &str) -> Key {
    place.key().text(kind).text(value)
}

/// The key of a pending code: `purpose` is what it confirms.
pub fn code_key(place: &Place, canonical: &str, purpose: &str) -> Key {
    key(place, canonical).text(purpose)
}

/// The user of this canonical username.
pub fn get(tx: &ReadTx<'_>, place: &Place, canonical: &str) -> Result<Option<User>, StoreError> {
    tx.get::<User>(&key(place, canonical))
}

/// Finds a user by username, sub or alias. A username wins over everything else.
pub fn find(tx: &ReadTx<'_>, place: &Place, naming: &Naming, name: &str) -> Result<Option<User>, StoreError> {
    let canonical = naming.canonical(name);
    // Names inside a flow's parameters are not bounded by the model; no user has a longer one.
    if canonical.is_empty() || canonical.len() > NAME_BYTES_MAX {
        return Ok(None);
    }
    if let Some(user) = get(tx, place, &canonical)? {
        return Ok(Some(user));
    }
    let attributes = naming.username_attributes.iter().chain(&naming.alias_attributes).map(String::as_str);
    for (kind, value) in
        std::iter::once(("sub", name)).chain(attributes.map(|kind| (kind, canonical.as_str())))
    {
        if let Some(alias) = tx.get::<Alias>(&alias_key(place, kind, value))? {
            return get(tx, place, &alias.username);
        }
    }
    Ok(None)
}

/// [`find`], or AWS's words for a user who does not exist.
pub fn must_find(tx: &ReadTx<'_>, place: &Place, naming: &Naming, name: &str) -> Result<User, Trouble> {
    find(tx, place, naming, name)?.ok_or_else(|| Refusal::no_such_user().into())
}

/// Stores a new user. `exists` is what is said when the name is taken.
pub fn insert(
    tx: &mut WriteTx<'_>,
    place: &Place,
    pool: &UserPool,
    user: &User,
    on_conflict: OnConflict,
    exists: Refusal,
) -> Result<(), Trouble> {
    // INVARIANT: no name leads to two users: a new username must be nobody's sub or alias either.
    if find(tx, place, &pool.naming, &user.username)?.is_some() {
        return Err(exists.into());
    }
    let canonical = pool.naming.canonical(&user.username);
    tx.put(&alias_key(place, "sub", &user.sub), &Alias { username: canonical })?;
    update(tx, place, pool, None, user, on_conflict)
}

/// Stores a changed user and keeps the aliases in step.
pub fn update(
    tx: &mut WriteTx<'_>,
    place: &Place,
    pool: &UserPool,
    before: Option<&User>,
    after: &User,
    on_conflict: OnConflict,
) -> Result<(), Trouble> {
    let canonical = pool.naming.canonical(&after.username);
    let old = before.map(|user| pool.naming.aliases(&user.attributes)).unwrap_or_default();
    let new = pool.naming.aliases(&after.attributes);
    // INVARIANT: a code that went to an old address proves nothing about a new one.
    for attribute in ["email", "phone_number"] {
        if before.is_some_and(|user| user.attributes.get(attribute) != after.attributes.get(attribute)) {
            for purpose in [SIGN_UP, PASSWORD, attribute] {
                tx.delete::<Code>(&code_key(place, &canonical, purpose))?;
            }
        }
    }
    for (kind, value) in old.iter().filter(|alias| !new.contains(alias)) {
        tx.delete::<Alias>(&alias_key(place, kind, value))?;
    }
    for (kind, value) in new.iter().filter(|alias| !old.contains(alias)) {
        claim_alias(tx, place, &canonical, (kind, value), on_conflict)?;
    }
    tx.put(&key(place, &canonical), after)?;
    Ok(())
}

fn claim_alias(
    tx: &mut WriteTx<'_>,
    place: &Place,
    canonical: &str,
    (kind, value): (&str, &str),
    on_conflict: OnConflict,
) -> Result<(), Trouble> {
    let key_of_alias = alias_key(place, kind, value);
    let owner =
        tx.get::<Alias>(&key_of_alias)?.map(|alias| alias.username).filter(|owner| owner != canonical);
    let namesake = value != canonical && tx.exists::<User>(&key(place, value))?;
    match (owner, on_conflict) {
        _ if namesake => return Err(alias_exists(kind).into()),
        (Some(_), OnConflict::Refuse) => return Err(alias_exists(kind).into()),
        (Some(owner), OnConflict::Take) => {
            if let Some(mut other) = get(tx, place, &owner)? {
                other.attributes.set(&format!("{kind}_verified"), "false");
                tx.put(&key(place, &owner), &other)?;
            }
        }
        (None, _) => {}
    }
    tx.put(&key_of_alias, &Alias { username: canonical.to_owned() })?;
    Ok(())
}

fn alias_exists(kind: &str) -> Refusal {
    // AWS: as clients show it.
    let noun = if kind == "phone_number" { "phone_number" } else { kind };
    Refusal::alias_exists(format!("An account with the {noun} already exists."))
}

/// Removes a user and everything of hers. Tokens die with the user: every use of one looks her up by sub.
pub fn delete(tx: &mut WriteTx<'_>, place: &Place, pool: &UserPool, user: &User) -> Result<(), StoreError> {
    let canonical = pool.naming.canonical(&user.username);
    for (kind, value) in pool.naming.aliases(&user.attributes) {
        let alias = alias_key(place, &kind, &value);
        if tx.get::<Alias>(&alias)?.is_some_and(|alias| alias.username == canonical) {
            tx.delete::<Alias>(&alias)?;
        }
    }
    tx.delete::<Alias>(&alias_key(place, "sub", &user.sub))?;
    for group in groups_of(tx, place, &canonical)? {
        leave(tx, place, &canonical, &group)?;
    }
    for purpose in [SIGN_UP, PASSWORD, "email", "phone_number"] {
        tx.delete::<Code>(&code_key(place, &canonical, purpose))?;
    }
    for limit in Limit::ALL {
        tx.delete::<Attempts>(&code_key(place, &canonical, limit.as_str()))?;
    }
    tx.delete::<Credential>(&key(place, &canonical))?;
    tx.delete::<User>(&key(place, &canonical))
}

/// Counts an attempt at something limited by the hour.
pub fn count_attempt(
    tx: &mut WriteTx<'_>,
    place: &Place,
    canonical: &str,
    limit: Limit,
    now: Timestamp,
) -> Result<(), Trouble> {
    let key = code_key(place, canonical, limit.as_str());
    let attempts = tx.get::<Attempts>(&key)?.unwrap_or_default().admit(limit, now)?;
    tx.put(&key, &attempts)?;
    sweep::at(tx, now.plus_seconds(3600), Swept::Attempts, &key)?;
    Ok(())
}

/// Stores a code that was sent, in place of an older one.
pub fn put_code(
    tx: &mut WriteTx<'_>,
    place: &Place,
    canonical: &str,
    purpose: &str,
    code: &Code,
) -> Result<(), StoreError> {
    let key = code_key(place, canonical, purpose);
    tx.put(&key, code)?;
    sweep::at(tx, code.expires_at(), Swept::Code, &key)
}

/// Judges the answer to a code and stores what becomes of it. Gives the attribute that the code proves. The inner refusal is
/// to be committed with its count.
pub fn answer_code(
    tx: &mut WriteTx<'_>,
    place: &Place,
    canonical: &str,
    purpose: &str,
    sent: &str,
    now: Timestamp,
) -> Result<Result<String, Refusal>, StoreError> {
    let key = code_key(place, canonical, purpose);
    let Some(code) = tx.get::<Code>(&key)? else { return Ok(Err(codes::expired())) };
    let attribute = code.attribute.clone();
    match code.judge(sent, now) {
        Verdict::Right => {
            tx.delete::<Code>(&key)?;
            Ok(Ok(attribute))
        }
        Verdict::Wrong(code, refusal) => {
            tx.put(&key, &code)?;
            Ok(Err(refusal))
        }
    }
}

impl CognitoIdp {
    /// Changes the user of this name in one transaction.
    pub(crate) async fn change_user(
        &self,
        place: Place,
        name: String,
        change: impl Fn(&mut User) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<(), Error> {
        let changed = self.env.store.write(move |tx| {
            let pool = place.pool(tx)?;
            let before = must_find(tx, &place, &pool.naming, &name)?;
            let mut after = before.clone();
            change(&mut after)?;
            update(tx, &place, &pool, Some(&before), &after, OnConflict::Refuse)
        });
        Ok(changed.await?)
    }
}

/// Names of the groups a user is in.
pub fn groups_of(tx: &ReadTx<'_>, place: &Place, canonical: &str) -> Result<Vec<String>, StoreError> {
    let prefix = place.key().text("by-user").text(canonical);
    let rows = tx.scan::<Membership>(&prefix, None, crate::groups::PER_USER_MAX)?;
    Ok(rows.into_iter().filter_map(|(key, _)| key.text_at(3)).collect())
}

/// Puts a user into a group. Doing it again changes nothing.
pub fn join(
    tx: &mut WriteTx<'_>,
    place: &Place,
    canonical: &str,
    group: &str,
    now: Timestamp,
) -> Result<(), Trouble> {
    let groups = groups_of(tx, place, canonical)?;
    if groups.iter().any(|name| name == group) {
        return Ok(());
    }
    if groups.len() >= crate::groups::PER_USER_MAX {
        return Err(Refusal::limit_exceeded("The user is already in the maximum number of groups.").into());
    }
    let row = Membership { since: now };
    tx.put(&place.key().text("by-user").text(canonical).text(group), &row)?;
    tx.put(&place.key().text("by-group").text(group).text(canonical), &row)?;
    Ok(())
}

/// Takes a user out of a group.
pub fn leave(tx: &mut WriteTx<'_>, place: &Place, canonical: &str, group: &str) -> Result<(), StoreError> {
    tx.delete::<Membership>(&place.key().text("by-user").text(canonical).text(group))?;
    tx.delete::<Membership>(&place.key().text("by-group").text(group).text(canonical))
}
