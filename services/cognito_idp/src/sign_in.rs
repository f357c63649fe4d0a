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

use casemate_names::{Entropy, Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    CognitoIdp,
    api::{self, Error},
    challenge::{self, Asked, Session},
    client::Client,
    groups::{Group, GroupClaims},
    keys::Ring,
    lockout::{CAP_MS, Lockout},
    password::Credential,
    pool::{Place, Trouble, UserPool},
    refusal::Refusal,
    secret_block::NONCE_BYTES,
    sweep::{self, Swept},
    tokens::{self, Family, Issue},
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

/// Everything random that a sign-in may need, drawn before its transaction, which may run twice.
#[derive(Debug, Clone)]
pub(crate) struct Draws {
    pub(crate) origin: String,
    pub(crate) event: String,
    pub(crate) jtis: [String; 2],
    pub(crate) refresh: Secret<String>,
    pub(crate) session: Secret<String>,
}

impl Draws {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let uuid = |purpose| casemate_names::uuid(entropy, purpose);
        Self {
            origin: uuid("cognito.origin_jti"),
            event: uuid("cognito.event_id"),
            jtis: [uuid("cognito.jti"), uuid("cognito.jti")],
            refresh: challenge::handle(entropy, "cognito.refresh_token"),
            session: challenge::handle(entropy, "cognito.session"),
        }
    }
}

/// Right to tokens, before they are signed.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) user: User,
    pub(crate) groups: GroupClaims,
    pub(crate) origin: String,
    pub(crate) auth_time: Timestamp,
    pub(crate) ring: Arc<Ring>,
    pub(crate) issuer: String,
}

/// What a proved password gets.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Tokens(Box<Grant>),
    NewPassword(Box<User>),
}

/// The answer of the four operations of a sign-in.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) challenge: Option<api::ChallengeNameType>,
    pub(crate) session: Option<Secret<String>>,
    pub(crate) parameters: Option<std::collections::BTreeMap<String, String>>,
    pub(crate) result: Option<api::AuthenticationResultType>,
}

macro_rules! answers {
    ($($output:ident),*) => {$(
        impl From<Answer> for api::$output {
            fn from(answer: Answer) -> Self {
                Self {
                    challenge_name: answer.challenge,
                    session: answer.session,
                    // AWS: the map is there, empty, when tokens were given.
                    challenge_parameters: Some(answer.parameters.unwrap_or_default()),
                    authentication_result: answer.result,
                    available_challenges: None,
                }
            }
        }
    )*};
}
answers!(
    InitiateAuthOutput,
    AdminInitiateAuthOutput,
    RespondToAuthChallengeOutput,
    AdminRespondToAuthChallengeOutput
);

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

    /// Signs the tokens of a grant.
    pub(crate) async fn tokens(
        &self,
        grant: Grant,
        client: &Client,
        draws: &Draws,
        now: Timestamp,
        refresh: RefreshAnswer,
    ) -> Result<Answer, Error> {
        let issue = Issue {
            issuer: &grant.issuer,
            client,
            user: &grant.user,
            groups: &grant.groups,
            origin: &grant.origin,
            event: &draws.event,
            auth_time: grant.auth_time,
            now,
        };
        let [id_jti, access_jti] = &draws.jtis;
        let (id_claims, access_claims) = (issue.id_claims(id_jti), issue.access_claims(access_jti));
        let ring = Arc::clone(&grant.ring);
        let signed = self
            .env
            .heavy
            .run(move || Some((ring.id.sign(&id_claims).ok()?, ring.access.sign(&access_claims).ok()?)))
            .await?;
        let (id, access) = signed.ok_or_else(|| Refusal::internal("signing failed"))?;
        let result = api::AuthenticationResultType {
            access_token: Some(Secret::new(access)),
            expires_in: i32::try_from(client.access_validity.seconds()).ok(),
            token_type: Some("Bearer".to_owned()),
            refresh_token: (refresh == RefreshAnswer::New).then(|| draws.refresh.clone()),
            id_token: Some(Secret::new(id)),
            new_device_metadata: None,
        };
        Ok(Answer { result: Some(result), ..Answer::default() })
    }
}

/// Does the answer carry a refresh token?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshAnswer {
    New,
    None,
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

/// Stores the family of a new sign-in.
pub(crate) fn start_family(
    tx: &mut WriteTx<'_>,
    place: &Place,
    client: &Client,
    (user, canonical): (&User, &str),
    draws: &Draws,
    now: Timestamp,
) -> Result<(), Trouble> {
    // An access token may outlive a short refresh token and must find its family until it ends.
    let life_s = client.refresh_validity.seconds();
    let family = Family {
        client: client.id.clone(),
        username: canonical.to_owned(),
        sub: user.sub.clone(),
        generation: user.generation,
        auth_time: now,
        expires_at: now.plus_seconds(life_s),
        revoked: false,
    };
    tokens::put_family(tx, place, &draws.origin, &family, draws.refresh.expose())?;
    let last_s = life_s.max(client.access_validity.seconds());
    sweep::at(tx, now.plus_seconds(last_s), Swept::Family, &tokens::family_key(place, &draws.origin))?;
    Ok(())
}

/// What a user's groups put into tokens.
pub(crate) fn group_claims(tx: &ReadTx<'_>, place: &Place, canonical: &str) -> Result<GroupClaims, Trouble> {
    let mut groups = Vec::new();
    for name in user::groups_of(tx, place, canonical)? {
        groups.extend(tx.get::<Group>(&place.key().text(&name))?);
    }
    Ok(GroupClaims::of(groups))
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

fn new_password_challenge(pool: &UserPool, user: &User, session: Secret<String>) -> Answer {
    let missing: Vec<String> = pool
        .schema
        .required()
        .filter(|name| user.attributes.get(name).is_none())
        .map(|name| format!("userAttributes.{name}"))
        .collect();
    let known: serde_json::Map<String, serde_json::Value> = user
        .attributes
        .iter()
        .filter(|(name, _)| *name != "sub")
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    // AWS: both are JSON inside a string.
    let parameters = [
        ("USER_ID_FOR_SRP".to_owned(), user.username.clone()),
        ("requiredAttributes".to_owned(), serde_json::json!(missing).to_string()),
        ("userAttributes".to_owned(), serde_json::Value::Object(known).to_string()),
    ];
    Answer {
        challenge: Some(api::ChallengeNameType::NewPasswordRequired),
        session: Some(session),
        parameters: Some(parameters.into()),
        result: None,
    }
}

/// A parameter of a flow, or AWS's words for its absence.
pub(crate) fn required<'p>(
    parameters: &'p std::collections::BTreeMap<String, String>,
    name: &str,
) -> Result<&'p str, Refusal> {
    parameters
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Refusal::invalid_parameter(format!("Missing required parameter {name}")))
}

/// The `USERNAME` of a flow. The model bounds usernames elsewhere but not inside these parameters.
pub(crate) fn username(parameters: &std::collections::BTreeMap<String, String>) -> Result<&str, Refusal> {
    let name = required(parameters, "USERNAME")?;
    if name.len() > user::NAME_BYTES_MAX {
        return Err(Refusal::invalid_parameter("USERNAME is too long"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_empty_and_endless_parameters_are_refused() {
        let given = |name: &str| std::collections::BTreeMap::from([("USERNAME".to_owned(), name.to_owned())]);
        assert_eq!(username(&given("alice")), Ok("alice"));
        for name in [String::new(), "x".repeat(513)] {
            assert!(username(&given(&name)).is_err());
        }
        assert_eq!(required(&given("alice"), "SRP_A").unwrap_err().text, "Missing required parameter SRP_A");
    }
}
