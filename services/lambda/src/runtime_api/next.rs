//! What a runtime is given: its next request, credentials, and to a template the order for a child.

use casemate_kernel::SessionCredentials;
use casemate_sandbox::ExitStatus;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, HeaderValue},
};

use super::{Answer, Shared, body::read, json, not_found, problem, refuse, settled};
use crate::{
    askers::{Asker, Line},
    credentials::{self, Endpoint},
    event::Misuse,
    exchange::Refused,
    invocation::Invocation,
    restored::Restored,
};

pub(super) async fn next(shared: &Shared, line: Option<Line>, headers: &HeaderMap) -> Answer {
    // Whoever asks now would be taken for a runtime whose hooks have run.
    if shared.restoring.as_ref().is_some_and(|restoring| !restoring.is_restored()) {
        return refuse(Refused::WrongTurn);
    }
    let credentials = match &shared.forks {
        None => None,
        Some(forks) => {
            let token = headers.get(CHILD).map(HeaderValue::as_bytes).unwrap_or_default();
            let Some(credentials) = forks.credentials(token) else {
                // A child that has done its work still shows its token.
                if token.is_empty() {
                    (shared.witness)(Misuse::RequestBesideAnother);
                }
                return refuse(Refused::WrongTurn);
            };
            Some(credentials)
        }
    };
    let _waiting = shared.exchange.wait(Asker::Runtime, line);
    match shared.exchange.next().await {
        Ok(invocation) => {
            let mut answer = handed_over(&invocation);
            // Never both ways.
            if let (Some(credentials), None) = (credentials, &shared.credentials) {
                hand_credentials(&mut answer, &credentials);
            }
            answer
        }
        Err(refused) => {
            if refused == Refused::Busy {
                (shared.witness)(Misuse::RequestBesideAnother);
            }
            refuse(refused)
        }
    }
}

pub(super) fn give_credentials(endpoint: &Endpoint, headers: &HeaderMap) -> Answer {
    let token = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    match endpoint.answer(token) {
        Ok(body) => json(StatusCode::OK, body),
        // AWS: the local emulator's answer to a wrong token.
        Err(credentials::Refused::Token) => not_found(),
        Err(credentials::Refused::BetweenRequests) => problem(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            "There are no credentials between requests",
        ),
    }
}

fn hand_credentials(answer: &mut Answer, credentials: &SessionCredentials) {
    let ends = credentials.expires_at.iso8601();
    for (name, value) in [
        ("casemate-access-key-id", credentials.access_key_id.as_str()),
        ("casemate-secret-access-key", credentials.secret_access_key.expose()),
        ("casemate-session-token", credentials.session_token.expose()),
        ("casemate-credentials-end", ends.as_str()),
    ] {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            answer.headers_mut().insert(name, value);
        }
    }
}

/// The template is ready for a child, or says why it cannot have any.
pub(super) async fn fork(shared: &Shared, request: Request<Incoming>) -> Answer {
    let Some(forks) = shared.forks.clone() else { return not_found() };
    let Ok((body, _)) = read(&shared.body, request.into_body()).await else {
        return refuse(Refused::WrongTurn);
    };
    let Ok(word) = serde_json::from_slice::<Word>(&body) else { return refuse(Refused::WrongTurn) };
    let ended = match word {
        Word::Unfit(why) => {
            forks.unfit(why.chars().take(REASON_CHARS_MAX).collect());
            return settled(Ok(()));
        }
        Word::Ready => None,
        Word::Exited(code) => Some(ExitStatus::Code(code)),
        Word::Killed(signal) => Some(ExitStatus::Signal(signal)),
    };
    match forks.next(ended).await {
        Some(token) => json(StatusCode::OK, token),
        None => refuse(Refused::WrongTurn),
    }
}

/// What a template says.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    /// Before its first child.
    Ready,
    /// Its child ended by itself.
    Exited(i32),
    /// Its child ended by a signal.
    Killed(i32),
    /// It must not be forked.
    Unfit(String),
}

/// The header by which a template's child shows its token.
pub(super) const CHILD: &str = "casemate-child";
/// The header that says to a process that it goes on from a machine's template, with the name of its log stream.
const RESTORED: &str = "casemate-restored";
/// Longest reason kept.
const REASON_CHARS_MAX: usize = 200;

// AWS: `Lambda-Runtime-Cognito-Identity` is there where the caller is an identity of an identity pool.
// DIVERGES: it is never sent, since there are no identity pools here.
fn handed_over(invocation: &Invocation) -> Answer {
    let mut answer = Response::new(Full::new(invocation.payload.clone()));
    let deadline = invocation.deadline.millis().to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", invocation.request_id.as_str()),
        ("lambda-runtime-deadline-ms", deadline.as_str()),
        ("lambda-runtime-invoked-function-arn", invocation.invoked.as_str()),
        ("lambda-runtime-trace-id", invocation.trace_id.as_str()),
        ("lambda-runtime-client-context", invocation.client_context.as_deref().unwrap_or_default()),
        ("content-type", "application/json"),
    ];
    for (name, value) in headers {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    if let Some(restored) = &invocation.restored {
        tell_restored(&mut answer, restored);
    }
    answer
}

/// Tells a process that goes on from a machine's template what is its own.
pub(super) fn tell_restored(answer: &mut Answer, restored: &Restored) {
    if let Ok(log_stream) = HeaderValue::from_str(&restored.log_stream) {
        answer.headers_mut().insert(RESTORED, log_stream);
    }
    if let Some(credentials) = &restored.credentials {
        hand_credentials(answer, credentials);
    }
}
