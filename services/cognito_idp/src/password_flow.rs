//! The flows that send the password itself, and answering `NEW_PASSWORD_REQUIRED`.

use std::{collections::BTreeMap, sync::Arc};

use casemate_names::{AccountId, Secret, Timestamp};
use casemate_store::WriteTx;

use crate::{
    CognitoIdp,
    answer::{self, Answer, required, username},
    api::Error,
    attributes::Occasion,
    auth_flow::{Door, Flow},
    challenge::{Answerer, Asked, Session},
    client::{Client, ClientIndex},
    grant::{Draws, Grant, RefreshAnswer, group_claims, start_family},
    password::{Credential, Salts},
    pool::{Place, Trouble, UserPool},
    refresh::Shown,
    refusal::Refusal,
    sign_in::{Attempt, session_key},
    srp_flow::At,
    tokens::RefreshDoor,
    user::{self, OnConflict, Status, User},
};

impl CognitoIdp {
    /// Starts a sign-in, or exchanges a refresh token.
    pub(crate) async fn initiate(
        &self,
        at: At,
        door: Door,
        flow: &str,
        given: BTreeMap<String, String>,
    ) -> Result<Answer, Error> {
        match Flow::choose(flow, door, &at.client.explicit_flows)? {
            Flow::UserSrp => self.challenge_srp(at, &given).await,
            Flow::UserPassword | Flow::AdminUserPassword => self.check_password(at, given).await,
            Flow::Refresh => {
                let token = Secret::new(required(&given, "REFRESH_TOKEN")?.to_owned());
                let shown = Shown::Hash(given.get("SECRET_HASH").cloned());
                self.refresh((at.place, at.client), token, shown, RefreshDoor::Flow, at.now).await
            }
        }
    }

    /// Answers a challenge.
    pub(crate) async fn respond(
        &self,
        at: At,
        challenge: &str,
        session: Option<Secret<String>>,
        given: BTreeMap<String, String>,
    ) -> Result<Answer, Error> {
        match challenge {
            // No session is given with this challenge: its state lies in the secret block. One that is sent is made up.
            "PASSWORD_VERIFIER" if session.is_some() => Err(Refusal::invalid_session().into()),
            "PASSWORD_VERIFIER" => self.answer_srp(at, &given).await,
            "NEW_PASSWORD_REQUIRED" => {
                let session = session
                    .ok_or_else(|| Refusal::invalid_parameter("Missing required parameter Session"))?;
                self.choose_password(at, session, given).await
            }
            // None of the others is ever asked, so no session of theirs can be true.
            _ => Err(Refusal::invalid_session().into()),
        }
    }

    async fn check_password(&self, at: At, given: BTreeMap<String, String>) -> Result<Answer, Error> {
        let name = username(&given)?;
        let password = answer::password(&given)?;
        at.client.check_secret_hash(&[name], given.get("SECRET_HASH").map(String::as_str))?;
        let (subject, credential, exists) = self.env.store.read(|tx| {
            let user = user::find(tx, &at.place, &at.pool.naming, name)?;
            let subject = at.pool.naming.canonical(user.as_ref().map_or(name, |user| &user.username));
            let credential = tx.get::<Credential>(&user::key(&at.place, &subject))?;
            Ok::<_, Trouble>((subject, credential, user.is_some()))
        })?;
        self.check_lock(&at.place, &subject, at.now)?;
        let right = self.password_matches(credential.clone(), password).await?;
        let hides = at.client.hides_existence();
        let attempt = Attempt {
            place: at.place,
            pool: at.pool,
            client: at.client,
            subject,
            credential,
            nonce: None,
            right,
            now: at.now,
        };
        match self.conclude(attempt).await {
            Err(Error::NotAuthorizedException(_)) if !exists && !hides => Err(Refusal::no_such_user().into()),
            concluded => concluded,
        }
    }

    async fn choose_password(
        &self,
        at: At,
        session: Secret<String>,
        given: BTreeMap<String, String>,
    ) -> Result<Answer, Error> {
        let name = username(&given)?;
        let password = Secret::new(required(&given, "NEW_PASSWORD")?.to_owned());
        at.client.check_secret_hash(&[name], given.get("SECRET_HASH").map(String::as_str))?;
        let written: Vec<(String, String)> = given
            .iter()
            .filter_map(|(name, value)| {
                Some((name.strip_prefix("userAttributes.")?.to_owned(), value.clone()))
            })
            .collect();
        let answer = Choice { at, session, username: name.to_owned(), written };
        let (subject, user) = self.open_session(&answer)?;
        let refused = answer
            .at
            .pool
            .policy
            .check(password.expose())
            .and_then(|()| answer.applied(user.clone()).map(drop))
            .err();
        if let Some(refusal) = refused {
            self.count_refused_answer(&answer, &subject).await?;
            return Err(refusal.into());
        }
        let credential = self.derive(&answer.at.place, &user.username, password).await?;
        self.finish_choice(answer, subject, credential).await
    }

    /// The user whose open session this is.
    fn open_session(&self, answer: &Choice) -> Result<(String, User), Error> {
        Ok(self.env.store.read(|tx| {
            let user = user::find(tx, &answer.at.place, &answer.at.pool.naming, &answer.username)?
                .ok_or_else(Refusal::invalid_session)?;
            let subject = answer.at.pool.naming.canonical(&user.username);
            answer.session(tx, &subject)?;
            Ok::<_, Trouble>((subject, user))
        })?)
    }

    async fn count_refused_answer(&self, answer: &Choice, subject: &str) -> Result<(), Error> {
        let (answer, subject) = (answer.clone(), subject.to_owned());
        self.env
            .store
            .write(move |tx| {
                let key = session_key(&answer.at.place, answer.session.expose());
                match answer.session(tx, &subject)?.refused() {
                    Some(session) => tx.put(&key, &session)?,
                    None => tx.delete::<Session>(&key)?,
                }
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(())
    }

    async fn finish_choice(
        &self,
        answer: Choice,
        subject: String,
        credential: Credential,
    ) -> Result<Answer, Error> {
        let draws = Draws::new(&*self.env.entropy);
        let (drawn, at) = (draws.clone(), answer.at.clone());
        let ring = self.env.store.read(|tx| self.keys.of(tx, &at.place))?;
        let issuer = self.issuer(&at.place, &at.pool);
        let grant = self
            .env
            .store
            .write(move |tx| {
                let session = answer.session(tx, &subject)?;
                // INVARIANT: the session is consumed in the transaction that honours it.
                tx.delete::<Session>(&session_key(&answer.at.place, answer.session.expose()))?;
                let before = user::get(tx, &answer.at.place, &subject)?
                    .filter(|user| {
                        user.sub == session.sub && user.enabled && user.status == Status::ForceChangePassword
                    })
                    .ok_or_else(Refusal::invalid_session)?;
                let mut after = answer.applied(before.clone())?;
                after.status = Status::Confirmed;
                after.temporary_until = None;
                after.modified_at = answer.at.now;
                user::update(
                    tx,
                    &answer.at.place,
                    &answer.at.pool,
                    Some(&before),
                    &after,
                    OnConflict::Refuse,
                )?;
                tx.put(&user::key(&answer.at.place, &subject), &credential)?;
                start_family(
                    tx,
                    &answer.at.place,
                    &answer.at.client,
                    (&after, &subject),
                    &drawn,
                    answer.at.now,
                )?;
                Ok::<_, Trouble>(Grant {
                    groups: group_claims(tx, &answer.at.place, &subject)?,
                    user: after,
                    origin: drawn.origin.clone(),
                    auth_time: answer.at.now,
                    ring: Arc::clone(&ring),
                    issuer: issuer.clone(),
                })
            })
            .await?;
        self.tokens(grant, &at.client, &draws, at.now, RefreshAnswer::New).await
    }

    /// Derives what is kept of a password.
    pub(crate) async fn derive(
        &self,
        place: &Place,
        username: &str,
        password: Secret<String>,
    ) -> Result<Credential, Error> {
        let salts = Salts::draw(&*self.env.entropy);
        let (pool_name, username) = (place.name().to_owned(), username.to_owned());
        let derived = self
            .env
            .heavy
            .run(move || Credential::derive(&pool_name, &username, password.expose(), salts))
            .await?;
        Ok(derived.ok_or_else(|| Refusal::internal("hashing a password failed"))?)
    }

    /// The client of an unsigned request, and its pool.
    pub(crate) fn at(&self, client: &Secret<String>, now: Timestamp) -> Result<At, Error> {
        Ok(self.env.store.read(|tx| {
            let (place, client) = Client::find(tx, client.expose())?;
            let pool: UserPool = place.pool(tx)?;
            Ok::<_, Trouble>(At { place, pool, client, now })
        })?)
    }

    /// The account of the client of an unsigned request.
    pub(crate) fn account_of(&self, client: &Secret<String>) -> Result<Option<AccountId>, Error> {
        Ok(self.env.store.read(|tx| ClientIndex::account(tx, client.expose()))?)
    }

    /// The client of a pool named by the request.
    pub(crate) fn at_pool(
        &self,
        place: &Place,
        client: &Secret<String>,
        now: Timestamp,
    ) -> Result<At, Error> {
        Ok(self.env.store.read(|tx| {
            let pool = place.pool(tx)?;
            let client = Client::of_pool(tx, place, client.expose())?;
            Ok::<_, Trouble>(At { pool, client, now, place: place.clone() })
        })?)
    }
}

/// An answer to `NEW_PASSWORD_REQUIRED`.
#[derive(Debug, Clone)]
struct Choice {
    at: At,
    session: Secret<String>,
    username: String,
    written: Vec<(String, String)>,
}

impl Choice {
    /// The session, if it is open to this answer.
    fn session(&self, tx: &casemate_store::ReadTx<'_>, subject: &str) -> Result<Session, Trouble> {
        let session = tx
            .get::<Session>(&session_key(&self.at.place, self.session.expose()))?
            .ok_or_else(Refusal::invalid_session)?;
        let answerer = Answerer {
            pool: &self.at.place.pool,
            client: &self.at.client.id,
            username: subject,
            asked: Asked::NewPasswordRequired,
        };
        session.check(answerer, self.at.now)?;
        Ok(session)
    }

    /// The user with the attributes of the answer.
    fn applied(&self, mut user: User) -> Result<User, Refusal> {
        let written = || self.written.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.at.pool.schema.check_write(self.at.client.writer(), Occasion::Update, written())?;
        for (name, value) in written() {
            let required = self.at.pool.schema.find(name).is_some_and(|definition| definition.required);
            if required && user.attributes.get(name).is_some_and(|known| known != value) {
                // AWS: as clients show it.
                return Err(Refusal::not_authorized(format!("Cannot modify an already provided {name}")));
            }
            change_attribute(&mut user, name, value);
        }
        self.at.pool.schema.check_complete(&user.attributes)?;
        Ok(user)
    }
}

/// Sets an attribute; a new address is not verified.
pub(crate) fn change_attribute(user: &mut User, name: &str, value: &str) {
    let changed = user.attributes.get(name) != Some(value).filter(|value| !value.is_empty());
    user.attributes.set(name, value);
    if changed && matches!(name, "email" | "phone_number") {
        user.attributes.set(&format!("{name}_verified"), if value.is_empty() { "" } else { "false" });
    }
}

/// Replaces a user's password.
pub(crate) fn put_credential(
    tx: &mut WriteTx<'_>,
    place: &Place,
    canonical: &str,
    credential: &Credential,
) -> Result<(), Trouble> {
    tx.put(&user::key(place, canonical), credential)?;
    Ok(())
}
