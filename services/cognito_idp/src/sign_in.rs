//! Where every proof of a password ends: lockout, the user's status, and what is given for it. One transaction decides; the
//! flows before it only find out whether the proof was right.
//!
//! ```text
//!   proof (right or wrong) ──▶ locked? ──yes──▶ "Password attempts exceeded", nothing counted
//!                                │ no
//!                    used nonce? ├──yes──▶ "Incorrect username or password.", nothing counted
//!                                │ no
//!                        wrong ──┴──▶ ladder + 1 ──▶ "Incorrect username or password."
//!                        right ─────▶ ladder reset ──▶ enabled? confirmed? ──▶ tokens, or NEW_PASSWORD_REQUIRED
//! ```

use std::sync::Arc;

use casemate_names::{Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    CognitoIdp,
    answer::{Answer, new_password_challenge},
    api::Error,
    challenge::{self, Asked, Session},
    client::Client,
    grant::{Draws, Grant, RefreshAnswer, group_claims, start_family},
    keys::Ring,
    lockout::{CAP_MS, Lockout},
    password::Credential,
    pool::{Place, Trouble, UserPool},
    refusal::Refusal,
    secret_block::NONCE_BYTES,
    sweep::{self, Swept},
    user::{self, Status, User},
};

impl Row for Lockout {
    const TABLE: &'static str = "cognito.lockout";
    const VERSION: u16 = 1;
}

impl Row for Session {
    const TABLE: &'static str = "cognito.session";
    const VERSION: u16 = 1;
}

/// The nonce of a secret block that has been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedNonce {
    /// When.
    pub at: Timestamp,
}

impl Row for UsedNonce {
    const TABLE: &'static str = "cognito.nonce";
    const VERSION: u16 = 1;
}

/// A proof of a password, with its verdict.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) place: Place,
    pub(crate) pool: UserPool,
    pub(crate) client: Client,
    /// The canonical name tried: that of the user, or the unknown one.
    pub(crate) subject: String,
    /// The credential the proof was checked against; `None` for unknown users.
    pub(crate) credential: Option<Credential>,
    /// The proof's single-use nonce and its end.
    pub(crate) nonce: Option<([u8; NONCE_BYTES], Timestamp)>,
    /// Was it right?
    pub(crate) right: bool,
    pub(crate) now: Timestamp,
}

/// What a proved password gets.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Tokens(Box<Grant>),
    NewPassword(Box<User>),
}

/// The key of a name's ladder. Hashed, because unknown names may be of any length.
fn ladder_key(place: &Place, subject: &str) -> Key {
    place.key().bytes(&challenge::fingerprint(subject))
}

/// Forgets a name's wrong attempts: its owner has proved another way who she is.
pub(crate) fn unlock(tx: &mut WriteTx<'_>, place: &Place, subject: &str) -> Result<(), Trouble> {
    tx.delete::<Lockout>(&ladder_key(place, subject))?;
    Ok(())
}

/// The key of a challenge session.
pub(crate) fn session_key(place: &Place, handle: &str) -> Key {
    place.key().bytes(&challenge::fingerprint(handle))
}

impl CognitoIdp {
    /// Refuses an attempt at once while the name is locked, before any work is done for it.
    pub(crate) fn check_lock(&self, place: &Place, subject: &str, now: Timestamp) -> Result<(), Error> {
        let ladder = self.env.store.read(|tx| tx.get::<Lockout>(&ladder_key(place, subject)))?;
        Ok(ladder.unwrap_or_default().check(now)?)
    }

    /// Is this the password of the user? Costs the same when there is none.
    pub(crate) async fn password_matches(
        &self,
        credential: Option<Credential>,
        password: Secret<String>,
    ) -> Result<bool, Error> {
        Ok(self
            .env
            .heavy
            .run(move || match credential {
                Some(credential) => credential.matches(password.expose()),
                None => Credential::match_nobody(password.expose()),
            })
            .await?)
    }

    /// Counts a proof of a password that asks for nothing (ChangePassword).
    pub(crate) async fn settle(&self, attempt: Attempt) -> Result<(), Error> {
        let settled = self.env.store.write(move |tx| settle(tx, &attempt)).await?;
        Ok(settled?)
    }

    /// Concludes a sign-in attempt.
    pub(crate) async fn conclude(&self, attempt: Attempt) -> Result<Answer, Error> {
        let draws = Draws::new(&*self.env.entropy);
        let (place, client, now) = (attempt.place.clone(), attempt.client.clone(), attempt.now);
        let ring = self.env.store.read(|tx| self.keys.of(tx, &place))?;
        let issuer = self.issuer(&place, &attempt.pool);
        let (drawn, pool) = (draws.clone(), attempt.pool.clone());
        let outcome = self
            .env
            .store
            .write(move |tx| {
                if let Err(refusal) = settle(tx, &attempt)? {
                    return Ok(Err(refusal));
                }
                match admit(tx, &attempt)? {
                    Err(refusal) => Ok(Err(refusal)),
                    Ok(Standing::Confirmed(user)) => {
                        let grant = grant(tx, &attempt, user, &drawn, &ring, &issuer)?;
                        Ok(Ok(Outcome::Tokens(Box::new(grant))))
                    }
                    Ok(Standing::NewPassword(user)) => {
                        open_session(tx, &attempt, &user, &drawn)?;
                        Ok(Ok(Outcome::NewPassword(Box::new(user))))
                    }
                }
            })
            .await
            .map_err(|trouble: Trouble| Error::from(trouble))??;
        match outcome {
            Outcome::Tokens(grant) => self.tokens(*grant, &client, &draws, now, RefreshAnswer::New).await,
            Outcome::NewPassword(user) => Ok(new_password_challenge(&pool, &user, draws.session)),
        }
    }
}

/// What a right password finds.
enum Standing {
    Confirmed(User),
    NewPassword(User),
}

/// Moves the ladder. The inner refusal is committed with its count.
fn settle(tx: &mut WriteTx<'_>, attempt: &Attempt) -> Result<Result<(), Refusal>, Trouble> {
    let key = ladder_key(&attempt.place, &attempt.subject);
    let ladder = tx.get::<Lockout>(&key)?.unwrap_or_default();
    // INVARIANT: decided here, in the order of commits. Guesses that were started before the lock fell and commit after it
    // learn nothing, even the right one.
    if let Err(refusal) = ladder.check(attempt.now) {
        return Ok(Err(refusal));
    }
    if let Some((nonce, ends_at)) = attempt.nonce {
        let key = attempt.place.key().bytes(&nonce);
        if tx.exists::<UsedNonce>(&key)? {
            return Ok(Err(Refusal::wrong_password()));
        }
        tx.put(&key, &UsedNonce { at: attempt.now })?;
        sweep::at(tx, ends_at, Swept::Nonce, &key)?;
    }
    // A credential changed while the proof was being checked makes the proof worthless.
    let unchanged = match &attempt.credential {
        Some(used) => {
            tx.get::<Credential>(&user::key(&attempt.place, &attempt.subject))?.as_ref() == Some(used)
        }
        None => false,
    };
    if attempt.right && unchanged {
        if ladder != Lockout::default() {
            tx.delete::<Lockout>(&key)?;
        }
        return Ok(Ok(()));
    }
    let ladder = ladder.failed(attempt.now);
    tx.put(&key, &ladder)?;
    sweep::at(tx, ladder.locked_until.plus_millis(CAP_MS), Swept::Lockout, &key)?;
    Ok(Err(Refusal::wrong_password()))
}

fn admit(tx: &ReadTx<'_>, attempt: &Attempt) -> Result<Result<Standing, Refusal>, Trouble> {
    let Some(user) = user::get(tx, &attempt.place, &attempt.subject)? else {
        return Ok(Err(Refusal::wrong_password()));
    };
    // AWS: texts as clients show them. They are said only to someone who has proved the password.
    if !user.enabled {
        return Ok(Err(Refusal::not_authorized("User is disabled.")));
    }
    Ok(match user.status {
        Status::Confirmed => Ok(Standing::Confirmed(user)),
        Status::Unconfirmed => Err(Refusal::user_not_confirmed("User is not confirmed.")),
        Status::ResetRequired => {
            Err(Refusal::password_reset_required("Password reset required for the user"))
        }
        Status::ForceChangePassword if user.temporary_until.is_some_and(|end| attempt.now >= end) => Err(
            Refusal::not_authorized("Temporary password has expired and must be reset by an administrator."),
        ),
        Status::ForceChangePassword => Ok(Standing::NewPassword(user)),
    })
}

fn grant(
    tx: &mut WriteTx<'_>,
    attempt: &Attempt,
    user: User,
    draws: &Draws,
    ring: &Arc<Ring>,
    issuer: &str,
) -> Result<Grant, Trouble> {
    start_family(tx, &attempt.place, &attempt.client, (&user, &attempt.subject), draws, attempt.now)?;
    Ok(Grant {
        groups: group_claims(tx, &attempt.place, &attempt.subject)?,
        user,
        origin: draws.origin.clone(),
        auth_time: attempt.now,
        ring: Arc::clone(ring),
        issuer: issuer.to_owned(),
    })
}

fn open_session(tx: &mut WriteTx<'_>, attempt: &Attempt, user: &User, draws: &Draws) -> Result<(), Trouble> {
    let expires_at = attempt.now.plus_seconds(i64::from(attempt.client.session_minutes) * 60);
    let session = Session {
        pool: attempt.place.pool.clone(),
        client: attempt.client.id.clone(),
        username: attempt.subject.clone(),
        sub: user.sub.clone(),
        asked: Asked::NewPasswordRequired,
        attempts: 0,
        expires_at,
    };
    let key = session_key(&attempt.place, draws.session.expose());
    tx.put(&key, &session)?;
    sweep::at(tx, expires_at, Swept::Session, &key)?;
    Ok(())
}
