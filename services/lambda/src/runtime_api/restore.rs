//! What a process that begins from a snapshot says before it takes requests: that it is there, or that its hooks failed.
//!
//! AWS: `restore/next` and `restore/error` are for environments with SnapStart only. Who runs from a snapshot here is our own
//! bootstrap: a template's child, which shows the token that it was made with, or the process in a machine, which asks before the
//! machine becomes the snapshot and is answered in each that begins from it.

use hyper::{HeaderMap, Request, StatusCode, body::Incoming, header::HeaderValue};

use super::{
    Answer, Refused, Shared, error_type, json,
    next::{CHILD, tell_restored},
    not_found, read, refuse, report, settled,
};

/// Is this a child of the snapshot, and the one that lives? `None`: there is no snapshot.
fn is_child(shared: &Shared, headers: &HeaderMap) -> Option<bool> {
    let forks = shared.forks.as_ref().filter(|forks| forks.is_of_snapshot())?;
    let token = headers.get(CHILD).map(HeaderValue::as_bytes).unwrap_or_default();
    Some(forks.credentials(token).is_some())
}

/// May whoever speaks say what came of the hooks? `None`: there is no snapshot.
fn is_restored(shared: &Shared, headers: &HeaderMap) -> Option<bool> {
    match &shared.restoring {
        Some(restoring) => Some(restoring.is_restored()),
        None => is_child(shared, headers),
    }
}

/// It has been restored: where the template ended, the child goes on, and the machine where the snapshot was made.
pub(super) async fn next(shared: &Shared, headers: &HeaderMap) -> Answer {
    if let Some(restoring) = &shared.restoring {
        return match restoring.next().await {
            Ok(told) => {
                let mut answer = json(StatusCode::OK, String::new());
                tell_restored(&mut answer, &told);
                answer
            }
            Err(refused) => refuse(refused),
        };
    }
    match is_child(shared, headers) {
        None => not_found(),
        Some(true) if shared.exchange.is_starting() => json(StatusCode::OK, String::new()),
        Some(_) => refuse(Refused::WrongTurn),
    }
}

/// A hook failed: no request comes.
pub(super) async fn error(shared: &Shared, request: Request<Incoming>) -> Answer {
    match is_restored(shared, request.headers()) {
        None => return not_found(),
        Some(true) if shared.exchange.is_starting() => {}
        Some(_) => return refuse(Refused::WrongTurn),
    }
    let kind = error_type(request.headers(), "Runtime.Unknown");
    let body = read(&shared.body, request.into_body()).await.map(|(body, _)| body).unwrap_or_default();
    settled(shared.exchange.init_failed(report(body, &kind)))
}

#[cfg(test)]
mod tests;
