//! Login profiles: the passwords of users. They belong to the user's unique id, so that a namesake inherits none.
// DIVERGES: there is no console to sign in to; a password can be set, changed and reported.

use casemate_kernel::Env;
use casemate_names::{Scope, Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::{
    Iam,
    api::{Error, LoginProfile},
    passwords::{self, Kept, PolicyRow, Salt},
    rows::UserRow,
};

/// Earlier passwords that are kept at most.
// AWS: IAM API reference, `passwordReusePreventionType`.
const REMEMBERED_MAX: usize = 24;

/// A user's password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoginProfileRow {
    pub(crate) created_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    pub(crate) reset_required: bool,
    /// Counts the changes: what was computed from an older state is not written over a newer one.
    pub(crate) revision: u64,
    current: Kept,
    /// Earlier ones, newest first.
    earlier: Vec<Kept>,
}

impl Row for LoginProfileRow {
    const TABLE: &'static str = "iam.login-profiles";
    const VERSION: u16 = 1;
}

/// The key of a user's login profile.
pub(crate) fn login_profile_key(scope: &Scope, user: &UserRow) -> Key {
    Key::of_account(scope).text(&user.unique_id)
}

/// The account's own password policy.
pub(crate) fn policy(tx: &ReadTx<'_>, scope: &Scope) -> Result<Option<PolicyRow>, Error> {
    Ok(tx.get::<PolicyRow>(&Key::of_account(scope))?)
}

impl LoginProfileRow {
    /// Looks it up; an error if the user has none.
    pub(crate) fn fetch(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<Self, Error> {
        tx.get(&login_profile_key(scope, user))?.ok_or_else(|| {
            // AWS: text of NoSuchEntity.
            let text = format!("Login Profile for User {} cannot be found.", user.name);
            Error::no_such_entity_exception(text)
        })
    }

    /// A first password, which has been derived.
    pub(crate) fn new(kept: Kept, reset_required: bool, now: Timestamp) -> Self {
        Self {
            created_at: now,
            changed_at: now,
            reset_required,
            revision: 0,
            current: kept,
            earlier: Vec::new(),
        }
    }

    /// Takes another password, which has been checked and derived.
    pub(crate) fn replace(&mut self, kept: Kept, now: Timestamp) {
        self.earlier.insert(0, std::mem::replace(&mut self.current, kept));
        self.earlier.truncate(REMEMBERED_MAX);
        self.changed_at = now;
        self.revision = self.revision.saturating_add(1);
    }

    /// Is this the password? Heavy.
    pub(crate) fn is(&self, password: &Secret<String>) -> bool {
        self.current.matches(password)
    }

    /// Was this one of the last `count` passwords, the present one among them? Heavy.
    fn was(&self, password: &Secret<String>, count: usize) -> bool {
        std::iter::once(&self.current).chain(&self.earlier).take(count).any(|kept| kept.matches(password))
    }

    /// The profile to be changed, if it is still as it was seen.
    pub(crate) fn fetch_unchanged(
        tx: &ReadTx<'_>,
        scope: &Scope,
        user: &UserRow,
        seen: &Self,
    ) -> Result<Self, Error> {
        let found = Self::fetch(tx, scope, user)?;
        if found.revision == seen.revision && found.created_at == seen.created_at {
            return Ok(found);
        }
        // AWS: text of EntityTemporarilyUnmodifiable.
        let text = format!(
            "Login Profile for User {} cannot be modified while login profile is being created.",
            user.name
        );
        Err(Error::entity_temporarily_unmodifiable_exception(text))
    }

    /// As answers show it.
    pub(crate) fn shown(&self, user: &UserRow) -> LoginProfile {
        LoginProfile {
            user_name: user.name.clone(),
            create_date: self.created_at,
            password_reset_required: Some(self.reset_required),
        }
    }
}

impl Iam {
    /// Checks a new password against the account's policy and derives what is kept of it. `before` is what the user has.
    pub(crate) async fn derived(
        &self,
        policy: Option<PolicyRow>,
        password: Secret<String>,
        before: Option<LoginProfileRow>,
    ) -> Result<Kept, Error> {
        passwords::check(policy.as_ref(), &password)?;
        let remembered = policy.map_or(0, |policy| usize::try_from(policy.remembered).unwrap_or(0));
        let salt = Salt::draw(&*self.env.entropy);
        let job = move || {
            let used = before.is_some_and(|profile| profile.was(&password, remembered));
            (used, Kept::derive(&password, salt))
        };
        let (used, kept) = heavy(&self.env, job).await?;
        if used {
            return Err(passwords::violation());
        }
        kept.ok_or_else(|| casemate_kernel::Fault::broken("a password could not be hashed").into())
    }
}

/// Runs work of tens of milliseconds off the reactor.
pub(crate) async fn heavy<R: Send + 'static>(
    env: &Env,
    job: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Error> {
    Ok(env.heavy.run(job).await?)
}
