//! Challenge sessions: the `Session` string between a proved password and the answer to what is asked next. Pure.
//!
//! ```text
//!   issue ──▶ open ── answer refused ──▶ open (attempts + 1) ── attempts = ATTEMPTS_MAX ──▶ gone
//!               │                                                                           ▲
//!               ├── answer accepted ── consumed in the same transaction ────────────────────┤
//!               └── expires_at ─────────────────────────────────────────────────────────────┘
//! ```
//! A session is a random handle; only its SHA-256 is stored. It is bound to pool, client, user and challenge, all of which
//! are compared on every answer.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_names::{Entropy, Secret, Timestamp, sha256};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Answers to one session before it is gone. Ours: AWS does not document its number.
pub const ATTEMPTS_MAX: u32 = 5;

/// AWS: `AuthSessionValidity`, minutes, and its default.
pub const VALIDITY_MINUTES: std::ops::RangeInclusive<i32> = 3..=15;
/// See [`VALIDITY_MINUTES`].
pub const VALIDITY_MINUTES_DEFAULT: i32 = 3;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// The temporary password was right; a permanent one must be chosen.
    NewPasswordRequired,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Pool id.
    pub pool: String,
    /// Client id.
    pub client: String,
    /// Username.
    pub username: String,
    /// The user's `sub`: a user re-created under the same name has another.
    pub sub: String,
    /// What is asked.
    pub asked: Asked,
    /// Refused answers so far.
    pub attempts: u32,
    /// From then on it is worthless.
    pub expires_at: Timestamp,
}

/// Who answers, as far as is known from the request.
#[derive(Debug, Clone, Copy)]
pub struct Answerer<'a> {
    /// Pool of the client that answers.
    pub pool: &'a str,
    /// The client that answers.
    pub client: &'a str,
    /// The user the answer names, resolved to a username.
    pub username: &'a str,
    /// The challenge the answer is for.
    pub asked: Asked,
}

impl Session {
    /// Is this session open to this answer?
    pub fn check(&self, answerer: Answerer<'_>, now: Timestamp) -> Result<(), Refusal> {
        let bound = self.pool == answerer.pool
            && self.client == answerer.client
            && self.username == answerer.username
            && self.asked == answerer.asked;
        if !bound || self.attempts >= ATTEMPTS_MAX || now >= self.expires_at {
            return Err(Refusal::invalid_session());
        }
        Ok(())
    }

    /// The session after a refused answer; `None` when that was the last one.
    pub fn refused(self) -> Option<Self> {
        let attempts = self.attempts + 1;
        (attempts < ATTEMPTS_MAX).then_some(Self { attempts, ..self })
    }
}

/// A fresh handle: 72 random bytes.
pub fn handle(entropy: &dyn Entropy, purpose: &'static str) -> Secret<String> {
    let mut bytes = [0; 72];
    entropy.fill(purpose, &mut bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a handle.
pub fn fingerprint(handle: &str) -> Vec<u8> {
    sha256(handle.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn session() -> Session {
        Session {
            pool: "p".into(),
            client: "c".into(),
            username: "alice".into(),
            sub: "s".into(),
            asked: Asked::NewPasswordRequired,
            attempts: 0,
            expires_at: NOW.plus_seconds(180),
        }
    }

    fn alice<'a>() -> Answerer<'a> {
        Answerer { pool: "p", client: "c", username: "alice", asked: Asked::NewPasswordRequired }
    }

    #[test]
    fn only_the_same_pool_client_and_user_may_answer() {
        assert_eq!(session().check(alice(), NOW), Ok(()));
        for other in [
            Answerer { pool: "q", ..alice() },
            Answerer { client: "d", ..alice() },
            Answerer { username: "bob", ..alice() },
        ] {
            assert_eq!(session().check(other, NOW), Err(Refusal::invalid_session()));
        }
    }

    #[test]
    fn expired_session_is_refused() {
        assert!(session().check(alice(), NOW.plus_seconds(180)).is_err());
    }

    #[test]
    fn attempts_are_capped() {
        let mut current = Some(session());
        let mut refused = 0;
        while let Some(open) = current {
            current = open.refused();
            refused += 1;
        }
        assert_eq!(refused, ATTEMPTS_MAX);
        assert!(Session { attempts: ATTEMPTS_MAX, ..session() }.check(alice(), NOW).is_err());
    }

    #[test]
    fn handles_are_long_and_stored_only_as_fingerprints() {
        let handle = handle(&casemate_names::NamedEntropy::seeded(1), "cognito.session");
        assert!(handle.expose().len() >= 20);
        assert_eq!(fingerprint(handle.expose()).len(), 32);
    }
}
