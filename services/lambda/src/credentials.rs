//! Credentials for whoever inside asks with the environment's token: those of the request that runs, none between requests.
//!
//! A function that wishes so has no keys in its variables. Its SDKs fetch them here, as they do from containers'
//! credential endpoints, and are told to come back soon: what one request was given is refused once it is over.
//!
//! Knows nothing of HTTP or processes.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use casemate_kernel::{Env, SessionCredentials};
use casemate_names::{Secret, hex_id};
use casemate_sandbox::RUNTIME_API_ADDRESS;

/// Where on the Runtime API.
// AWS: where functions with SnapStart find theirs, as the local emulator has it.
pub(crate) const PATH: &str = "/2021-04-23/credentials";

/// How soon SDKs have to ask again, seconds. Ours: boto3 and the JavaScript SDK then ask for every call they sign; an SDK that
/// waits for the very end may use a key for so long after its request, and is refused.
const ASK_AGAIN_S: i64 = 3;

/// As long as an environment's id: 128 bits.
const TOKEN_DIGITS: usize = 32;

/// See the module.
#[derive(Debug)]
pub(crate) struct Endpoint {
    env: Env,
    token: Secret<String>,
    current: Mutex<Option<SessionCredentials>>,
    /// Has somebody asked who had the token?
    asked: AtomicBool,
}

/// Why nobody gets credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Without the token.
    Token,
    /// No request runs.
    BetweenRequests,
}

impl Endpoint {
    pub(crate) fn new(env: &Env) -> Self {
        Self::with_token(env, Secret::new(hex_id(&*env.entropy, "lambda.credentials", TOKEN_DIGITS)))
    }

    /// With the token that a process knows already. It opens nothing but what its own environment may have.
    pub(crate) fn with_token(env: &Env, token: Secret<String>) -> Self {
        Self { env: env.clone(), token, current: Mutex::new(None), asked: AtomicBool::new(false) }
    }

    /// For those who go on from a template.
    pub(crate) fn token(&self) -> &Secret<String> {
        &self.token
    }

    /// Has somebody asked?
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Variables that lead SDKs here.
    // AWS: names of the container credential provider (SDKs reference guide).
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{RUNTIME_API_ADDRESS}{PATH}")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", self.token.expose().clone()),
        ]
    }

    /// From now on these are given out, or none.
    pub(crate) fn set(&self, credentials: Option<SessionCredentials>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = credentials;
    }

    /// The body of an answer, by the value of the `Authorization` header.
    // AWS: names of the container credential provider (SDKs reference guide).
    pub(crate) fn answer(&self, authorization: &[u8]) -> Result<String, Refused> {
        if !self.token.matches(authorization) {
            return Err(Refused::Token);
        }
        self.asked.store(true, Ordering::SeqCst);
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let current = current.as_ref().ok_or(Refused::BetweenRequests)?;
        let again = self.env.clock.now().plus_seconds(ASK_AGAIN_S).min(current.expires_at);
        Ok(serde_json::json!({
            "AccessKeyId": current.access_key_id,
            "SecretAccessKey": current.secret_access_key.expose(),
            "Token": current.session_token.expose(),
            "Expiration": again.iso8601(),
        })
        .to_string())
    }
}
