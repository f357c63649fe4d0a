//! The Extensions API over HTTP: what extensions say to their environment.
//!
//! AWS: Lambda developer guide, "Using the Lambda Extensions API"; refusals as its local emulator gives them, all of them 403.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{HeaderMap, Method, Request, StatusCode, body::Incoming, header::HeaderValue};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::{Answer, Shared, json, not_found, problem, settled};
use crate::{
    askers::{Asker, Line},
    extensions::{EXTENSIONS_MAX, Invoke, Refused, Told},
};

/// Where everything is.
pub(super) const BASE: &str = "/2020-01-01/extension/";

/// Bytes of a request's body. Ours: registrations have some fifty, reports of errors a stack trace.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a body may take. Ours: everything is on the same machine.
const BODY_LIMIT: Duration = Duration::from_secs(5);
/// Longest name. Ours: that of a file.
const NAME_BYTES_MAX: usize = 255;
/// Longest type of an error that is kept. Ours.
const ERROR_BYTES_MAX: usize = 128;

const NAME: &str = "lambda-extension-name";
const IDENTIFIER: &str = "lambda-extension-identifier";
const EVENT: &str = "lambda-extension-event-identifier";
const FEATURES: &str = "lambda-extension-accept-feature";
/// As AWS's texts spell it.
const ERROR: &str = "Lambda-Extension-Function-Error-Type";

pub(super) async fn route(
    shared: &Shared,
    line: Option<Line>,
    (path, request): (&str, Request<Incoming>),
) -> Answer {
    match (request.method(), path) {
        (&Method::POST, "register") => register(shared, request).await,
        (&Method::GET, "event/next") => next(shared, line, request.headers()).await,
        (&Method::POST, "init/error") => {
            failed(request.headers(), |id, error| shared.extensions.init_error(id, error))
        }
        (&Method::POST, "exit/error") => {
            failed(request.headers(), |id, error| shared.extensions.exit_error(id, error))
        }
        _ => not_found(),
    }
}

#[derive(Debug, Deserialize)]
struct Registration {
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(rename = "configurationKeys", default)]
    configuration_keys: Option<Vec<String>>,
}

async fn register(shared: &Shared, request: Request<Incoming>) -> Answer {
    let headers = request.headers().clone();
    let Some(name) = text(&headers, NAME, NAME_BYTES_MAX).filter(|name| !name.is_empty()) else {
        return forbidden("Extension.InvalidExtensionName", "Empty extension name");
    };
    if let Some(forks) = &shared.forks {
        // A process that is forked for each request cannot have one: the function gets ordinary environments.
        forks.unfit("it registers an internal extension".to_owned());
        return refuse(&Refused::Closed);
    }
    let registration = match body(&shared.body, request.into_body()).await {
        // An object: a list would also do for what is read into a structure.
        Ok(body) => serde_json::from_slice::<serde_json::Map<_, _>>(&body)
            .and_then(|object| serde_json::from_value::<Registration>(object.into()))
            .map_err(|error| error.to_string()),
        Err(why) => Err(why.to_owned()),
    };
    let registration = match registration {
        Ok(Registration { configuration_keys: Some(keys), .. }) if !keys.is_empty() => {
            Err("configurationKeys are deprecated; use environment variables instead".to_owned())
        }
        other => other,
    };
    let events = match registration {
        Ok(registration) => registration.events.unwrap_or_default(),
        Err(why) => return forbidden("InvalidRequestFormat", &why),
    };
    let id = match shared.extensions.register(&name, &events) {
        Ok(id) => id,
        Err(refused) => return refuse(&refused),
    };
    let about = shared.extensions.about();
    let mut told = json!({
        "functionName": about.name, "functionVersion": about.version, "handler": about.handler,
    });
    let features = headers.get(FEATURES).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(told) = told.as_object_mut()
        && features.split(',').any(|feature| feature.trim() == "accountId")
    {
        told.insert("accountId".to_owned(), about.account.as_str().into());
    }
    let mut answer = json(StatusCode::OK, told.to_string());
    if let Ok(mut value) = HeaderValue::from_str(id.expose()) {
        value.set_sensitive(true);
        answer.headers_mut().insert(IDENTIFIER, value);
    }
    answer
}

async fn next(shared: &Shared, line: Option<Line>, headers: &HeaderMap) -> Answer {
    let id = match identifier(headers) {
        Ok(id) => id,
        Err((kind, text)) => return forbidden(kind, text),
    };
    let _waiting = shared.exchange.wait(Asker::Extension(id.clone()), line);
    match shared.extensions.next(&id).await {
        Ok(Told::Invoke(invoke)) => {
            let mut answer = json(StatusCode::OK, invoked(&invoke));
            if let Ok(value) = HeaderValue::from_str(&shared.extensions.event_id()) {
                answer.headers_mut().insert(EVENT, value);
            }
            answer
        }
        Ok(Told::Shutdown { reason, deadline }) => {
            let told = json!({
                "eventType": "SHUTDOWN", "shutdownReason": reason.name(), "deadlineMs": deadline.millis(),
            });
            json(StatusCode::OK, told.to_string())
        }
        Err(Refused::Unknown) => unknown(&format!("Unknown extension {id}")),
        Err(refused) => refuse(&refused),
    }
}

fn invoked(invoke: &Invoke) -> String {
    let mut told = json!({
        "eventType": "INVOKE",
        "deadlineMs": invoke.deadline.millis(),
        "requestId": invoke.request_id,
        "invokedFunctionArn": invoke.invoked.as_str(),
    });
    if let Some(told) = told.as_object_mut().filter(|_| !invoke.trace_id.is_empty()) {
        told.insert("tracing".to_owned(), json!({ "type": "X-Amzn-Trace-Id", "value": invoke.trace_id }));
    }
    told.to_string()
}

/// The body may say more; what counts is in the header.
fn failed(headers: &HeaderMap, report: impl FnOnce(&str, &str) -> Result<(), Refused>) -> Answer {
    let id = match identifier(headers) {
        Ok(id) => id,
        Err((kind, text)) => return forbidden(kind, text),
    };
    let Some(error) = text(headers, ERROR, ERROR_BYTES_MAX).filter(|error| !error.is_empty()) else {
        return forbidden("Extension.MissingHeader", &format!("{ERROR} not found"));
    };
    match report(&id, &error) {
        Ok(()) => settled(Ok(())),
        Err(Refused::Unknown) => unknown("Unknown Lambda-Extension-Identifier"),
        Err(refused) => refuse(&refused),
    }
}

/// A header as text that may stand in a log line.
fn text(headers: &HeaderMap, name: &str, bytes_max: usize) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (text.len() <= bytes_max && !text.contains('\t')).then(|| text.to_owned())
}

/// Whose call it is; else the refusal's type and text.
pub(super) fn identifier(headers: &HeaderMap) -> Result<String, (&'static str, &'static str)> {
    let given = headers.get(IDENTIFIER).map(HeaderValue::as_bytes).unwrap_or_default();
    if given.is_empty() {
        let text = "Missing Lambda-Extension-Identifier header";
        return Err(("Extension.MissingExtensionIdentifier", text));
    }
    let is_uuid = given.len() == 36
        && given.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    match std::str::from_utf8(given) {
        Ok(text) if is_uuid => Ok(text.to_ascii_lowercase()),
        _ => Err(("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")),
    }
}

/// Reads a body; one at a time, as all bodies of an environment, whose turn is `turn`.
pub(super) async fn body(turn: &Mutex<()>, body: Incoming) -> Result<Bytes, &'static str> {
    let _one_at_a_time = turn.lock().await;
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_LIMIT, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(_)) => Err("the request body is too large or broke off"),
        Err(_) => Err("the request body came too slowly"),
    }
}

pub(super) fn unknown(text: &str) -> Answer {
    forbidden("Extension.UnknownExtensionIdentifier", text)
}

fn refuse(refused: &Refused) -> Answer {
    match refused {
        Refused::Closed => forbidden("Extension.RegistrationClosed", "Extension registration closed already"),
        Refused::NameTaken => {
            forbidden("Extension.InvalidExtensionState", "Extension with this name already registered")
        }
        Refused::TooMany => {
            forbidden("Extension.TooManyExtensions", &format!("Extension limit ({EXTENSIONS_MAX}) reached"))
        }
        Refused::EventType(text) => forbidden("Extension.InvalidEventType", text),
        Refused::Transition { from, to, whose } => {
            let (from, to, whose) = (from.name(), to.name(), whose.expose());
            let text = format!(
                "State transition from {from} to {to} failed for extension {whose}. Error: State transition is not allowed"
            );
            forbidden("Extension.InvalidExtensionState", &text)
        }
        Refused::Unknown => unknown("Unknown Lambda-Extension-Identifier"),
    }
}

pub(super) fn forbidden(kind: &str, text: &str) -> Answer {
    problem(StatusCode::FORBIDDEN, kind, text)
}

#[cfg(test)]
mod tests;
