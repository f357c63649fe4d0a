//! The Runtime API over HTTP: what a runtime, and extensions beside it, say to their environment, and nothing else.
//!
//! A runtime may open several connections (Python's reports a failed start on a new one). Bodies are read one at a time
//! and never beyond the limit, and only when their turn has come, so a function cannot fill the server's memory.
//!
//! AWS: Lambda developer guide, "Using the Lambda runtime API"; error types and texts as its local emulator gives them.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::{Mutex, Semaphore},
    task::JoinSet,
};

use crate::{
    askers::Line,
    credentials::{self, Endpoint},
    environment::Late,
    event::{Misuse, Witness},
    exchange::{Exchange, Refused},
    extensions::Extensions,
    forking::Forks,
    invocation::{ANSWER_BYTES_MAX, Outcome, STREAM_BYTES_MAX},
    isolate::{Accept, Channel},
    output::Output,
    restoring::Restoring,
    telemetry::Telemetry,
};

mod body;
mod cause;
mod extensions;
mod next;
mod pace;
mod restore;
mod telemetry;

use body::{PassError, ReadError, pass_on, read, reported};
use next::{fork, give_credentials, next};
use pace::{Heard, Pace};

/// Connections of one environment at a time. Ours: runtimes use one or two, each of ten extensions as many.
const CONNECTIONS_MAX: usize = 32;
/// Bytes of a request's head.
// DIVERGES: error reports for tracing travel in a header, which may have 1 MB on AWS; here all headers together may have a
// quarter of that, which is more than the traceback of the deepest recursion Python allows.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Where everything is.
const BASE: &str = "/2018-06-01/runtime/";
/// Where a process that was started early asks for its function.
const FUNCTION: &str = "/2018-06-01/runtime/casemate/function";

type Answer = Response<Full<Bytes>>;

/// What hears of what is said.
pub(crate) type SaidTo = (Arc<Exchange>, Arc<Extensions>, (Arc<Telemetry>, Output, Witness));

/// What comes before requests, where something does: never both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Before {
    /// Its process forks a child for them.
    pub(crate) forks: Option<Arc<Forks>>,
    /// Its machine begins from a version's snapshot, or becomes it.
    pub(crate) restoring: Option<Arc<Restoring>>,
}

/// Serves the Runtime API of one environment until dropped.
///
/// Where there is a template, it speaks over the first connection, and requests are given to its children only.
pub(crate) async fn serve(
    listener: &impl Accept,
    (exchange, extensions, (telemetry, output, witness)): SaidTo,
    Before { forks, restoring }: Before,
    credentials: Option<Arc<Endpoint>>,
    late: Option<(Late, Channel)>,
) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (late, asking) = late.unzip();
    let shared = Arc::new(Shared {
        exchange,
        extensions,
        telemetry,
        output,
        witness,
        body: Mutex::new(()),
        forks,
        restoring,
        credentials,
        late,
    });
    let mut served = JoinSet::new();
    let mut speaker = Speaker::First;
    let line = |stream: &Channel| stream.from().map(|from| shared.exchange.line(from));
    if let Some(stream) = asking {
        let line = (std::mem::replace(&mut speaker, Speaker::Other), line(&stream));
        let shared = Arc::clone(&shared);
        served.spawn(async move { connection(stream, shared, line).await });
    }
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        // A listener inside a namespace that is gone fails for good; its environment ends by itself.
        let Ok(stream) = listener.runtime_api().await else { return };
        let line = (std::mem::replace(&mut speaker, Speaker::Other), line(&stream));
        let shared = Arc::clone(&shared);
        served.spawn(async move {
            connection(stream, shared, line).await;
            drop(permit);
        });
        while served.try_join_next().is_some() {}
    }
}

struct Shared {
    exchange: Arc<Exchange>,
    extensions: Arc<Extensions>,
    telemetry: Arc<Telemetry>,
    /// For what is told of who subscribes.
    output: Output,
    witness: Witness,
    /// Held while a body is read: one at a time.
    body: Mutex<()>,
    forks: Option<Arc<Forks>>,
    restoring: Option<Arc<Restoring>>,
    /// Where the function has its credentials from here.
    credentials: Option<Arc<Endpoint>>,
    /// What a process is told that was started before its function was known.
    late: Option<Late>,
}

/// Who speaks over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    /// Whoever connected before the function's code was loaded: the bootstrap.
    First,
    Other,
}

/// Who speaks, and over which connection of this kernel.
type Speaking = (Speaker, Option<Line>);

async fn connection(stream: Channel, shared: Arc<Shared>, speaking: Speaking) {
    // Answers are small; without this they wait for the other side's acknowledgement.
    stream.send_at_once();
    let pace = Pace::new();
    let heard = Heard { stream, pace: pace.clone() };
    let (begun, witness) = (pace.clone(), Arc::clone(&shared.witness));
    let service = service_fn(move |request| {
        let (shared, pace) = (Arc::clone(&shared), begun.clone());
        async move {
            pace.begun();
            let answer = route(&shared, speaking, request).await;
            pace.answered();
            Ok::<_, Infallible>(answer)
        }
    });
    let served =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).serve_connection(TokioIo::new(heard), service);
    tokio::select! {
        // A runtime that breaks off is seen by its exit or by its deadline.
        served = served => drop(served),
        () = pace.too_slow() => witness(Misuse::SlowHead),
    }
}

async fn route(shared: &Shared, (speaker, line): Speaking, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    if let Some(late) = shared.late.as_ref().filter(|late| !late.is_told()) {
        // INVARIANT: a process without a function gets nothing but its function.
        let asks = speaker == Speaker::First && request.method() == Method::GET && path == FUNCTION;
        let told = if asks { late.tell() } else { None };
        return told
            .map_or_else(|| refuse(Refused::WrongTurn), |told| json(StatusCode::OK, told.expose().clone()));
    }
    if let (credentials::PATH, &Method::GET, Some(endpoint)) =
        (path.as_str(), request.method(), &shared.credentials)
    {
        return give_credentials(endpoint, request.headers());
    }
    if let Some(api) = telemetry::api(request.method(), &path) {
        return telemetry::subscribe(shared, api, request).await;
    }
    if let Some(path) = path.strip_prefix(extensions::BASE) {
        return extensions::route(shared, line, (path, request)).await;
    }
    let Some(path) = path.strip_prefix(BASE) else { return not_found() };
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(shared, line, request.headers()).await,
        (&Method::POST, ["casemate", "fork"]) if speaker == Speaker::First => fork(shared, request).await,
        (&Method::POST, ["invocation", id, "response"]) => response(shared, id, request).await,
        (&Method::POST, ["invocation", id, "error"]) => error(shared, id, request).await,
        (&Method::POST, ["init", "error"]) => init_error(shared, request).await,
        (&Method::GET, ["restore", "next"]) => restore::next(shared, request.headers()).await,
        (&Method::POST, ["restore", "error"]) => restore::error(shared, request).await,
        _ => not_found(),
    }
}

/// Whether an answer for this request is due; an id that nobody here was given is told of.
fn expects(shared: &Shared, id: &str) -> Result<(), Refused> {
    let expected = shared.exchange.expects(id);
    if matches!(expected, Err(Refused::UnknownRequest)) {
        (shared.witness)(Misuse::AnswerForAnother(id));
    }
    expected
}

async fn response(shared: &Shared, id: &str, request: Request<Incoming>) -> Answer {
    if let Err(refused) = expects(shared, id) {
        return refuse(refused);
    }
    let mode = request.headers().get("lambda-runtime-function-response-mode");
    if mode.is_some_and(|mode| mode != "streaming") {
        return problem(
            StatusCode::BAD_REQUEST,
            "InvalidFunctionResponseMode",
            "Invalid function response mode",
        );
    }
    // A stream for someone who takes whole answers is collected.
    let sink = match mode.map(|_| shared.exchange.begin_stream(id)) {
        None => None,
        Some(Ok(sink)) => sink,
        Some(Err(refused)) => return refuse(refused),
    };
    if let Some(sink) = sink {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        return match pass_on(&shared.exchange, id, content_type, request.into_body(), sink).await {
            Ok(()) => settled(Ok(())),
            Err(PassError::TooLarge) => too_large(STREAM_BYTES_MAX),
            Err(PassError::Refused(refused)) => refuse(refused),
        };
    }
    match read(&shared.body, request.into_body()).await {
        Ok((body, trailers)) => {
            let outcome =
                trailers.as_ref().and_then(reported).map_or(Outcome::Answer(body), Outcome::Failure);
            settled(shared.exchange.answer(id, outcome))
        }
        Err(ReadError::TooLarge) => {
            let _ = shared.exchange.answer(id, Outcome::too_large());
            too_large(ANSWER_BYTES_MAX)
        }
        Err(ReadError::TooSlow) => too_slow(),
        Err(ReadError::Broken) => refuse(Refused::WrongTurn),
    }
}

async fn error(shared: &Shared, id: &str, request: Request<Incoming>) -> Answer {
    if let Err(refused) = expects(shared, id) {
        return refuse(refused);
    }
    let kind = error_type(request.headers(), "Function.Unknown");
    if let Some(cause) = request.headers().get(cause::HEADER).and_then(|value| cause::of(value.as_bytes())) {
        shared.exchange.report_cause(id, cause);
    }
    let outcome = match read(&shared.body, request.into_body()).await {
        Ok((body, _)) => Outcome::Failure(report(body, &kind)),
        Err(ReadError::TooLarge) => Outcome::too_large(),
        Err(ReadError::TooSlow) => return too_slow(),
        Err(ReadError::Broken) => return refuse(Refused::WrongTurn),
    };
    settled(shared.exchange.answer(id, outcome))
}

async fn init_error(shared: &Shared, request: Request<Incoming>) -> Answer {
    let of_a_child = shared.forks.as_ref().is_some_and(|forks| forks.has_started());
    let is_loaded = shared.restoring.as_ref().is_some_and(|restoring| !restoring.is_starting());
    if of_a_child || is_loaded || !shared.exchange.is_starting() {
        return refuse(Refused::WrongTurn);
    }
    let kind = error_type(request.headers(), "Runtime.Unknown");
    let body = read(&shared.body, request.into_body()).await.map_or_else(|_| Bytes::new(), |(body, _)| body);
    settled(shared.exchange.init_failed(report(body, &kind)))
}

/// What the runtime reports, or the type alone when it reports nothing.
fn report(body: Bytes, kind: &str) -> Bytes {
    if body.is_empty() {
        return serde_json::json!({ "errorType": kind }).to_string().into();
    }
    body
}

// AWS: only `Runtime.X…` and `Function.X…` are taken over.
fn error_type(headers: &HeaderMap, otherwise: &str) -> String {
    let given = headers.get("lambda-runtime-function-error-type").and_then(|value| value.to_str().ok());
    let known = |text: &&str| {
        let rest = text.strip_prefix("Runtime.").or_else(|| text.strip_prefix("Function."));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    given.filter(known).unwrap_or(otherwise).to_owned()
}

fn settled(result: Result<(), Refused>) -> Answer {
    match result {
        Ok(()) => json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#.to_owned()),
        Err(refused) => refuse(refused),
    }
}

fn refuse(refused: Refused) -> Answer {
    match refused {
        Refused::UnknownRequest => problem(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Refused::WrongTurn | Refused::Busy => {
            problem(StatusCode::FORBIDDEN, "InvalidStateTransition", "State transition is not allowed")
        }
    }
}

// AWS: type and text of the Runtime API.
fn too_large(bytes_max: usize) -> Answer {
    let text = format!("Exceeded maximum allowed payload size ({bytes_max} bytes).");
    problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &text)
}

fn too_slow() -> Answer {
    problem(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", "the request body came too slowly")
}

fn not_found() -> Answer {
    problem(StatusCode::NOT_FOUND, "NotFound", "404 page not found")
}

fn problem(status: StatusCode, kind: &str, text: &str) -> Answer {
    json(status, serde_json::json!({ "errorType": kind, "errorMessage": text }).to_string())
}

fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests;
