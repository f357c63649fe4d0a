//! Whose turn it is between an environment and the template in it: a process that has loaded the function, has seen no
//! request and no credentials, and forks one child per request when the supervisor tells it to.
//!
//! ```text
//!   starting ──ready──▶ ready ──order──▶ ordered ──taken──▶ forked ──ready (how the child ended)──▶ ready …
//!       └──unfit──▶ unfit
//! ```
//! The template speaks over the environment's first connection, which it opens before the function's code is loaded and
//! closes in every child; nothing else inside can speak for it. Each child gets a token of its own, so what an earlier one
//! left in a socket counts for nothing. Credentials go to the child with its request: the template never holds any.
//!
//! Knows nothing of HTTP or processes.

use casemate_kernel::SessionCredentials;
use casemate_names::Secret;
use casemate_sandbox::ExitStatus;
use tokio::sync::watch;

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    Starting,
    Ready,
    Ordered,
    Forked,
    Unfit(String),
}

#[derive(Debug)]
struct State {
    turn: Turn,
    token: Secret<String>,
    credentials: Option<SessionCredentials>,
    /// How the last child ended.
    ended: Option<ExitStatus>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Forks {
    state: watch::Sender<State>,
    of_snapshot: bool,
}

impl Default for Forks {
    fn default() -> Self {
        let state =
            State { turn: Turn::Starting, token: Secret::new(String::new()), credentials: None, ended: None };
        Self { state: watch::Sender::new(state), of_snapshot: false }
    }
}

impl Forks {
    /// Of a snapshot, whose template says why it cannot start and whose children say that they are restored, or of none.
    pub(crate) fn new(of_snapshot: bool) -> Self {
        Self { of_snapshot, ..Self::default() }
    }

    /// Is the template a snapshot?
    pub(crate) fn is_of_snapshot(&self) -> bool {
        self.of_snapshot
    }

    // The environment's side.

    /// Resolves when the template waits for an order; `Err` with its reason when it must not be forked.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        let mut changes = self.state.subscribe();
        let state = changes.wait_for(|state| matches!(state.turn, Turn::Ready | Turn::Unfit(_))).await;
        match state.as_deref() {
            Ok(State { turn: Turn::Unfit(why), .. }) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Resolves when the child has ended, with how.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut changes = self.state.subscribe();
        let state = changes.wait_for(|state| state.turn == Turn::Ready && state.ended.is_some()).await;
        state.ok().and_then(|state| state.ended).unwrap_or(ExitStatus::Unknown)
    }

    /// Orders a child. `false` when the template does not wait for an order.
    pub(crate) fn order(&self, token: String, credentials: SessionCredentials) -> bool {
        self.state.send_if_modified(|state| {
            let ready = state.turn == Turn::Ready;
            if ready {
                let token = Secret::new(token);
                *state = State { turn: Turn::Ordered, token, credentials: Some(credentials), ended: None };
            }
            ready
        })
    }

    /// No child may act any more: token and credentials are worth nothing. Answers with the credentials.
    pub(crate) fn withdraw(&self) -> Option<SessionCredentials> {
        let mut withdrawn = None;
        self.state.send_modify(|state| {
            state.token = Secret::new(String::new());
            withdrawn = state.credentials.take();
        });
        withdrawn
    }

    /// Has the template been ready? Then reports of a failed start are no longer the template's.
    pub(crate) fn has_started(&self) -> bool {
        self.state.borrow().turn != Turn::Starting
    }

    // The template's side.

    /// The template says that it is ready, and how its last child ended; resolves with the token for the next one. `None`
    /// when it is not its turn.
    pub(crate) async fn next(&self, ended: Option<ExitStatus>) -> Option<String> {
        let mut changes = self.state.subscribe();
        let ready = self.state.send_if_modified(|state| {
            let fits = matches!(state.turn, Turn::Starting | Turn::Forked);
            if fits {
                (state.turn, state.ended) = (Turn::Ready, ended);
            }
            fits
        });
        if !ready {
            return None;
        }
        changes.wait_for(|state| state.turn == Turn::Ordered).await.ok()?;
        let mut token = None;
        self.state.send_modify(|state| {
            state.turn = Turn::Forked;
            token = Some(state.token.expose().clone());
        });
        token
    }

    /// The template says that it must not be forked.
    pub(crate) fn unfit(&self, why: String) {
        self.state.send_if_modified(|state| {
            let starting = state.turn == Turn::Starting;
            if starting {
                state.turn = Turn::Unfit(why);
            }
            starting
        });
    }

    // The child's side.

    /// What the holder of this token may have; `None` for anybody else.
    pub(crate) fn credentials(&self, token: &[u8]) -> Option<SessionCredentials> {
        let state = self.state.borrow();
        let right = !state.token.expose().is_empty() && state.token.matches(token);
        if right && state.turn == Turn::Forked { state.credentials.clone() } else { None }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use casemate_names::{AccountId, Arn, Timestamp};

    use super::*;

    pub(crate) fn credentials(key: &str) -> SessionCredentials {
        let role_arn = Arn::parse("arn:aws:iam::123456789012:role/r").unwrap();
        let (issued_at, expires_at) = (Timestamp::from_millis(0), Timestamp::from_millis(1));
        let session = casemate_kernel::RoleSession {
            session_arn: role_arn.clone(),
            role_arn,
            role_unique_id: "AROA".to_owned(),
            session_name: "s".to_owned(),
            account: AccountId::parse("123456789012").unwrap(),
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            policies: None,
            issued_at,
            expires_at,
            bound_to: None,
            source_function: None,
            federation: None,
        };
        SessionCredentials {
            access_key_id: key.to_owned(),
            secret_access_key: Secret::new("secret".to_owned()),
            session_token: Secret::new("token".to_owned()),
            expires_at,
            session,
        }
    }

    /// A template that is ready, has got its order, and the order's token.
    async fn forked(forks: &Arc<Forks>, token: &str) -> String {
        let template = tokio::spawn({
            let forks = Arc::clone(forks);
            async move { forks.next(None).await }
        });
        forks.ready().await.unwrap();
        assert!(forks.order(token.to_owned(), credentials(token)));
        template.await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_child_gets_its_own_credentials_and_an_earlier_one_none() {
        let forks = Arc::new(Forks::default());
        assert!(forks.credentials(b"").is_none());
        let first = forked(&forks, "one").await;
        assert_eq!(forks.credentials(first.as_bytes()).unwrap().access_key_id, "one");
        for wrong in [&b""[..], b"on", b"two"] {
            assert!(forks.credentials(wrong).is_none());
        }
        assert_eq!(forks.withdraw().unwrap().access_key_id, "one");
        assert!(forks.credentials(first.as_bytes()).is_none());
        let second = forked(&forks, "two").await;
        assert!(forks.credentials(first.as_bytes()).is_none());
        assert_eq!(forks.credentials(second.as_bytes()).unwrap().access_key_id, "two");
    }

    #[tokio::test]
    async fn there_is_one_child_at_a_time() {
        let forks = Arc::new(Forks::default());
        assert!(!forks.order("early".to_owned(), credentials("early")));
        forked(&forks, "one").await;
        assert!(!forks.order("two".to_owned(), credentials("two")));
        let again = tokio::spawn({
            let forks = Arc::clone(&forks);
            async move { forks.next(Some(ExitStatus::Code(3))).await }
        });
        assert_eq!(forks.ended().await, ExitStatus::Code(3));
        // Ready already: a second voice is turned away.
        assert_eq!(forks.next(None).await, None);
        again.abort();
    }

    #[tokio::test]
    async fn unfit_is_said_once_and_only_at_the_start() {
        let forks = Arc::new(Forks::default());
        forks.unfit("threads".to_owned());
        assert_eq!(forks.ready().await, Err("threads".to_owned()));
        assert_eq!(forks.next(None).await, None);
        let started = Arc::new(Forks::default());
        forked(&started, "one").await;
        started.unfit("late".to_owned());
        assert!(started.has_started() && started.credentials(b"one").is_some());
    }
}
