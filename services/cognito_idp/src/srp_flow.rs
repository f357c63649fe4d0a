//! `USER_SRP_AUTH`: hands out a password challenge and judges the claim that answers it.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_names::{Secret, Timestamp};

use crate::{
    CognitoIdp,
    answer::{Answer, required, username},
    api::{ChallengeNameType, Error},
    claim_time,
    client::Client,
    keys::Ring,
    password::Credential,
    pool::{Place, UserPool},
    refusal::Refusal,
    secret_block::{NONCE_BYTES, SecretBlock},
    sign_in::Attempt,
    srp, user,
};

/// What a challenge is made from, true or simulated.
struct Facts {
    user_id: String,
    salt: Vec<u8>,
    verifier: Secret<Vec<u8>>,
}

/// The pool, client and time of one request.
#[derive(Debug, Clone)]
pub(crate) struct At {
    pub(crate) place: Place,
    pub(crate) pool: UserPool,
    pub(crate) client: Client,
    pub(crate) now: Timestamp,
}

impl CognitoIdp {
    /// First step: `SRP_A` in, `SRP_B`, salt and secret block out.
    pub(crate) async fn challenge_srp(
        &self,
        at: At,
        given: &BTreeMap<String, String>,
    ) -> Result<Answer, Error> {
        let name = username(given)?;
        let public = required(given, "SRP_A")?;
        at.client.check_secret_hash(&[name], given.get("SECRET_HASH").map(String::as_str))?;
        let client_public = srp::ClientPublic::parse(public)
            .map_err(|_| Refusal::invalid_parameter("SRP_A must be a hexadecimal number within the group"))?;
        let (known, ring) = self.env.store.read(|tx| {
            let user = user::find(tx, &at.place, &at.pool.naming, name)?;
            let known = match user {
                Some(user) => {
                    let canonical = at.pool.naming.canonical(&user.username);
                    let credential = tx.get::<Credential>(&user::key(&at.place, &canonical))?;
                    Some((user, credential))
                }
                None => None,
            };
            Ok::<_, crate::pool::Trouble>((known, self.keys.of(tx, &at.place)?))
        })?;
        if known.is_none() && !at.client.hides_existence() {
            return Err(Refusal::no_such_user().into());
        }
        let subject = known.as_ref().map_or(name, |(user, _)| user.username.as_str());
        let subject = at.pool.naming.canonical(subject);
        self.check_lock(&at.place, &subject, at.now)?;
        let facts = match known {
            Some((user, Some(credential))) => {
                Facts { user_id: user.username, salt: credential.srp_salt, verifier: credential.srp_verifier }
            }
            // A user without a password looks like one who does not exist, under her own name.
            Some((user, None)) => simulate(&ring, &at.pool, &user.username, Some(&user.username)),
            None => simulate(&ring, &at.pool, name, None),
        };
        self.issue_block(at, facts, subject, client_public, &ring).await
    }

    async fn issue_block(
        &self,
        at: At,
        facts: Facts,
        subject: String,
        client_public: srp::ClientPublic,
        ring: &Ring,
    ) -> Result<Answer, Error> {
        let mut exponent = vec![0; srp::EXPONENT_BYTES];
        self.env.entropy.fill("cognito.srp_exponent", &mut exponent);
        let mut nonce = [0; NONCE_BYTES];
        self.env.entropy.fill("cognito.srp_nonce", &mut nonce);
        let exponent = Secret::new(exponent);
        let (verifier, secret) = (facts.verifier, exponent.clone());
        let server_public = self.env.heavy.run(move || srp::server_public(&verifier, &secret)).await?;
        let block = SecretBlock {
            nonce,
            expires_at: at.now.plus_seconds(i64::from(at.client.session_minutes) * 60),
            user_id: facts.user_id.clone(),
            subject,
            client_public,
            server_public,
            exponent,
        };
        let sealed = block
            .seal(&ring.sealer, &*self.env.entropy, &at.place.pool, &at.client.id)
            .ok_or_else(|| Refusal::internal("sealing a secret block failed"))?;
        let parameters = BTreeMap::from([
            ("SALT".to_owned(), srp::integer_hex(&facts.salt)),
            ("SECRET_BLOCK".to_owned(), STANDARD.encode(sealed)),
            ("SRP_B".to_owned(), srp::integer_hex(&block.server_public)),
            ("USERNAME".to_owned(), facts.user_id.clone()),
            ("USER_ID_FOR_SRP".to_owned(), facts.user_id),
        ]);
        Ok(Answer {
            challenge: Some(ChallengeNameType::PasswordVerifier),
            parameters: Some(parameters),
            ..Answer::default()
        })
    }

    /// Second step: judges the claim.
    pub(crate) async fn answer_srp(&self, at: At, given: &BTreeMap<String, String>) -> Result<Answer, Error> {
        let name = username(given)?;
        let timestamp = required(given, "TIMESTAMP")?;
        let signature = required(given, "PASSWORD_CLAIM_SIGNATURE")?;
        let block_text = required(given, "PASSWORD_CLAIM_SECRET_BLOCK")?;
        at.client.check_secret_hash(&[name], given.get("SECRET_HASH").map(String::as_str))?;
        let time = claim_time::parse(timestamp)
            .ok_or_else(|| Refusal::invalid_parameter(claim_time::FORMAT_TEXT))?;
        // AWS: as recorded by others.
        let signature = STANDARD.decode(signature).map_err(|_| {
            Refusal::invalid_parameter("Invalid PASSWORD_CLAIM_SIGNATURE format. Must be a Base64 string.")
        })?;
        let ring = self.env.store.read(|tx| self.keys.of(tx, &at.place))?;
        let sealed = STANDARD.decode(block_text).map_err(|_| Refusal::wrong_password())?;
        let block = SecretBlock::open(&ring.sealer, &at.place.pool, &at.client.id, &sealed, at.now)
            .ok_or_else(Refusal::wrong_password)?;
        if (time - at.now).abs() > claim_time::SKEW_MS_MAX || !self.names_same(&at, name, &block)? {
            return Err(Refusal::wrong_password().into());
        }
        self.check_lock(&at.place, &block.subject, at.now)?;
        let key = user::key(&at.place, &block.subject);
        let credential = self.env.store.read(|tx| tx.get::<Credential>(&key))?;
        let right =
            self.claim_is_right(&at, &ring, &block, credential.clone(), (sealed, time, signature)).await?;
        self.conclude(Attempt {
            place: at.place,
            pool: at.pool,
            client: at.client,
            subject: block.subject,
            credential,
            nonce: Some((block.nonce, block.expires_at)),
            right,
            now: at.now,
        })
        .await
    }

    /// Does the name in the answer mean the user the block was made for?
    fn names_same(&self, at: &At, name: &str, block: &SecretBlock) -> Result<bool, Error> {
        let canonical = at.pool.naming.canonical(name);
        if canonical == block.subject || name == block.user_id {
            return Ok(true);
        }
        let user = self.env.store.read(|tx| user::find(tx, &at.place, &at.pool.naming, name))?;
        Ok(user.is_some_and(|user| at.pool.naming.canonical(&user.username) == block.subject))
    }

    /// Two exponentiations, also for a user who does not exist.
    async fn claim_is_right(
        &self,
        at: &At,
        ring: &Ring,
        block: &SecretBlock,
        credential: Option<Credential>,
        (sealed, time, signature): (Vec<u8>, Timestamp, Vec<u8>),
    ) -> Result<bool, Error> {
        let verifier = match credential {
            Some(credential) => credential.srp_verifier,
            None => srp::simulated_verifier(&tagged(ring, "verifier", &block.subject)),
        };
        let (block, pool_name) = (block.clone(), at.place.name().to_owned());
        let right = move || {
            let key =
                srp::session_key(&block.client_public, &block.server_public, &verifier, &block.exponent)
                    .ok()?;
            let expected = srp::claim(&key, &pool_name, &block.user_id, &sealed, &claim_time::render(time));
            Some(expected.matches(&signature))
        };
        Ok(self.env.heavy.run(right).await?.unwrap_or(false))
    }
}

/// Stable false facts about a name: whoever asks twice sees the same.
fn simulate(ring: &Ring, pool: &UserPool, name: &str, shown: Option<&str>) -> Facts {
    let canonical = pool.naming.canonical(name);
    let seed = tagged(ring, "salt", &canonical);
    let mut salt = [0; srp::SALT_BYTES];
    for (to, from) in salt.iter_mut().zip(&seed) {
        *to = *from;
    }
    // Where users are known by their sub, so is one who does not exist; elsewhere a username is answered with itself.
    let user_id = match shown {
        Some(shown) => shown.to_owned(),
        None if pool.naming.by_attribute() => uuid_shaped(&tagged(ring, "sub", &canonical)),
        None => name.to_owned(),
    };
    let verifier = srp::simulated_verifier(&tagged(ring, "verifier", &canonical));
    Facts { user_id, salt: srp::salt(salt).to_vec(), verifier }
}

fn tagged(ring: &Ring, tag: &str, name: &str) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, ring.simulation.expose()));
    context.update(tag.as_bytes());
    context.update(&[0]);
    context.update(name.as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

fn uuid_shaped(seed: &[u8; 32]) -> String {
    let text = hex::encode(seed);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_user_ids_look_like_version_four_uuids() {
        let id = uuid_shaped(&[0xab; 32]);
        assert_eq!(id, "abababab-abab-4bab-abab-abababababab");
    }
}
