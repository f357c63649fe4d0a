//! A runtime made of raw bytes speaks to the Runtime API over loopback.

use std::fmt::Write as _;

use casemate_names::{Arn, Timestamp};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::invocation::Invocation;

pub(super) struct Api {
    pub(super) exchange: Arc<Exchange>,
    pub(super) extensions: Arc<Extensions>,
    address: std::net::SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

/// Telemetry that cannot be delivered.
pub(super) fn nobody() -> (Arc<Telemetry>, Output, Foreign) {
    let telemetry = Telemetry::new(Arc::new(casemate_names::SystemClock), Vec::new());
    (Arc::new(telemetry), Output::tapped().0, Arc::new(|_| {}))
}

/// With these external ones.
pub(super) fn with_extensions(names: &[&str]) -> Arc<Extensions> {
    let about = crate::extensions::About {
        account: "123456789012".into(),
        name: "f".into(),
        version: "$LATEST".into(),
        handler: "main.handler".into(),
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Arc::new(Extensions::new(about, Arc::new(casemate_names::NamedEntropy::seeded(1)), &names))
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) async fn api() -> Api {
    api_that_tells(nobody()).await
}

async fn api_that_tells(told: (Arc<Telemetry>, Output, Foreign)) -> Api {
    api_with(told, Before::default()).await
}

pub(super) async fn api_with(told: (Arc<Telemetry>, Output, Foreign), before: Before) -> Api {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let exchange = Arc::new(Exchange::new());
    let extensions = with_extensions(&["one", "two"]);
    let shared = (Arc::clone(&exchange), Arc::clone(&extensions), told);
    let task = tokio::spawn(async move { serve(&listener, shared, before, None, None).await });
    Api { exchange, extensions, address, task }
}

impl Api {
    /// One that another has set up.
    pub(super) fn at(address: std::net::SocketAddr, task: tokio::task::JoinHandle<()>) -> Self {
        Self { exchange: Arc::new(Exchange::new()), extensions: with_extensions(&[]), address, task }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    pub(super) async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> String {
        self.send_to(method, &format!("/2018-06-01/runtime/{path}"), headers, body).await
    }

    pub(super) async fn send_to(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A refused body may be cut off.
        drop(stream.write_all(body).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8(answer).unwrap()
    }

    /// Lets the runtime take request `a`.
    async fn take(&self) -> String {
        self.take_with(None).await
    }

    async fn take_with(&self, sink: Option<crate::streaming::Sink>) -> String {
        self.take_told(None, sink).await
    }

    async fn take_told(
        &self,
        restored: Option<Arc<crate::restored::Restored>>,
        sink: Option<crate::streaming::Sink>,
    ) -> String {
        let (answer, ()) = tokio::join!(self.send("GET", "invocation/next", "", b""), async {
            self.exchange.waiting().await.unwrap();
            assert!(self.exchange.offer(Invocation {
                request_id: "a".to_owned(),
                invoked: Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap(),
                payload: Bytes::from_static(b"{\"x\":1}"),
                client_context: Some("{\"c\":2}".to_owned()),
                trace_id: "Root=1".to_owned(),
                deadline: Timestamp::from_millis(1_234),
                restored,
                sink,
            }));
        });
        answer
    }
}

#[tokio::test]
async fn next_hands_over_the_event_and_its_headers() {
    let answer = api().await.take().await;
    for expected in [
        "HTTP/1.1 200",
        "lambda-runtime-aws-request-id: a\r\n",
        "lambda-runtime-deadline-ms: 1234\r\n",
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:f\r\n",
        "lambda-runtime-trace-id: Root=1\r\n",
        "lambda-runtime-client-context: {\"c\":2}\r\n",
        "\r\n\r\n{\"x\":1}",
    ] {
        assert!(answer.contains(expected), "{expected} in {answer}");
    }
}

#[tokio::test]
async fn a_response_is_accepted_once() {
    let api = api().await;
    api.take().await;
    let accepted = api.send("POST", "invocation/a/response", "", b"42").await;
    assert!(accepted.starts_with("HTTP/1.1 202") && accepted.ends_with(r#"{"status":"OK"}"#), "{accepted}");
    assert_eq!(api.exchange.outcome().await, Outcome::Answer(Bytes::from_static(b"42")));
    let refused = api.send("POST", "invocation/a/response", "", b"43").await;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("InvalidStateTransition"), "{refused}");
}

#[tokio::test]
async fn answers_for_other_requests_are_refused_and_told_of() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (telemetry, output, _) = nobody();
    let teller = Arc::clone(&told);
    let foreign: Foreign = Arc::new(move |id| teller.lock().unwrap().push(id.to_owned()));
    let api = api_that_tells((telemetry, output, foreign)).await;
    let early = api.send("POST", "invocation/a/response", "", b"1").await;
    assert!(early.starts_with("HTTP/1.1 403"), "{early}");
    api.take().await;
    let refused = api.send("POST", "invocation/b/response", "", b"1").await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    assert!(refused.ends_with(r#"{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}"#));
    let failed = api.send("POST", "invocation/c/error", "", b"{}").await;
    assert!(failed.starts_with("HTTP/1.1 400"), "{failed}");
    assert!(api.send("POST", "invocation/a/response", "", b"1").await.starts_with("HTTP/1.1 202"));
    // Whoever answers twice is refused, and impersonates nobody.
    assert!(api.send("POST", "invocation/a/response", "", b"1").await.starts_with("HTTP/1.1 403"));
    assert_eq!(*told.lock().unwrap(), ["b", "c"]);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused_and_fails_the_request() {
    let api = api().await;
    api.take().await;
    let refused = api.send("POST", "invocation/a/response", "", &vec![b'x'; ANSWER_BYTES_MAX + 1]).await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    assert!(refused.contains("Exceeded maximum allowed payload size (6291556 bytes)."));
    assert_eq!(api.exchange.outcome().await, Outcome::too_large());
}

#[tokio::test]
async fn the_largest_answer_is_taken() {
    let api = api().await;
    api.take().await;
    let accepted = api.send("POST", "invocation/a/response", "", &vec![b'x'; ANSWER_BYTES_MAX]).await;
    assert!(accepted.starts_with("HTTP/1.1 202"), "{accepted}");
}

#[tokio::test]
async fn an_error_report_is_kept_as_it_is() {
    let api = api().await;
    api.take().await;
    api.send(
        "POST",
        "invocation/a/error",
        "lambda-runtime-function-error-type: Function.X\r\n",
        b"{\"e\":1}",
    )
    .await;
    assert_eq!(api.exchange.outcome().await, Outcome::Failure(Bytes::from_static(b"{\"e\":1}")));
}

#[tokio::test]
async fn an_empty_report_carries_its_type_if_that_is_well_formed() {
    for (header, expected) in
        [("Runtime.Good", "Runtime.Good"), ("Evil", "Function.Unknown"), ("Runtime.x", "Function.Unknown")]
    {
        let api = api().await;
        api.take().await;
        let headers = format!("lambda-runtime-function-error-type: {header}\r\n");
        api.send("POST", "invocation/a/error", &headers, b"").await;
        let body = format!(r#"{{"errorType":"{expected}"}}"#);
        assert_eq!(api.exchange.outcome().await, Outcome::Failure(body.into()));
    }
}

#[tokio::test]
async fn a_failed_start_is_reported_and_only_at_the_start() {
    let starting = api().await;
    let accepted = starting.send("POST", "init/error", "", b"{\"errorType\":\"X\"}").await;
    assert!(accepted.starts_with("HTTP/1.1 202"), "{accepted}");
    assert_eq!(starting.exchange.waiting().await.unwrap_err(), "{\"errorType\":\"X\"}");
    let running = api().await;
    running.take().await;
    let refused = running.send("POST", "init/error", "", b"{}").await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
}

#[tokio::test]
async fn a_streamed_answer_may_end_in_an_error() {
    let api = api().await;
    api.take().await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let text = "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
        lambda-runtime-function-response-mode: streaming\r\ntransfer-encoding: chunked\r\n\
        trailer: lambda-runtime-function-error-body\r\n\r\n3\r\nabc\r\n0\r\n\
        lambda-runtime-function-error-body: eyJlIjoxfQ==\r\n\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    assert_eq!(api.exchange.outcome().await, Outcome::Failure(Bytes::from_static(b"{\"e\":1}")));
}

#[tokio::test]
async fn other_paths_and_modes_are_refused() {
    let api = api().await;
    assert!(api.send("GET", "../../etc/passwd", "", b"").await.starts_with("HTTP/1.1 404"));
    assert!(api.send("POST", "invocation/next", "", b"").await.starts_with("HTTP/1.1 404"));
    api.take().await;
    let odd = api
        .send("POST", "invocation/a/response", "lambda-runtime-function-response-mode: odd\r\n", b"1")
        .await;
    assert!(odd.starts_with("HTTP/1.1 400") && odd.contains("InvalidFunctionResponseMode"), "{odd}");
}

/// A runtime that streams: chunked, with what comes after the last chunk.
async fn stream(api: &Api, chunks: &[&str], trailers: &str) -> String {
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let mut text =
        "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                    content-type: text/x\r\ntransfer-encoding: chunked\r\n\
                    lambda-runtime-function-response-mode: streaming\r\n\
                    trailer: lambda-runtime-function-error-type, lambda-runtime-function-error-body\r\n\r\n"
            .to_owned();
    for chunk in chunks {
        write!(text, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
    }
    text += trailers;
    stream.write_all(text.as_bytes()).await.unwrap();
    if trailers.is_empty() {
        stream.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}

/// Lets the runtime take request `a` for someone who takes streams.
async fn taken_for_a_stream(api: &Api) -> tokio::sync::mpsc::Receiver<crate::streaming::Piece> {
    let (sink, pieces) = tokio::sync::mpsc::channel(16);
    api.take_with(Some(sink)).await;
    pieces
}

fn passed(pieces: &mut tokio::sync::mpsc::Receiver<crate::streaming::Piece>) -> (Option<String>, String) {
    let (mut kind, mut text) = (None, String::new());
    while let Ok(piece) = pieces.try_recv() {
        match piece {
            crate::streaming::Piece::Begun(content_type) => kind = content_type,
            crate::streaming::Piece::Data(bytes) => text += std::str::from_utf8(&bytes).unwrap(),
        }
    }
    (kind, text)
}

#[tokio::test]
async fn a_stream_is_passed_on() {
    let api = api().await;
    let mut pieces = taken_for_a_stream(&api).await;
    assert!(stream(&api, &["hello ", "world"], "0\r\n\r\n").await.starts_with("HTTP/1.1 202"));
    assert_eq!(api.exchange.outcome().await, Outcome::Answer(Bytes::new()));
    assert_eq!(passed(&mut pieces), (Some("text/x".to_owned()), "hello world".to_owned()));
}

#[tokio::test]
async fn a_stream_says_in_trailers_that_it_failed() {
    let api = api().await;
    let mut pieces = taken_for_a_stream(&api).await;
    let trailers = "0\r\nlambda-runtime-function-error-type: Runtime.X\r\n\
                    lambda-runtime-function-error-body: eyJhIjoxfQ==\r\n\r\n";
    stream(&api, &["begun"], trailers).await;
    assert_eq!(api.exchange.outcome().await, Outcome::Failure(Bytes::from_static(b"{\"a\":1}")));
    assert_eq!(passed(&mut pieces).1, "begun");
}

#[tokio::test]
async fn a_stream_whose_connection_breaks_is_a_failure() {
    let api = api().await;
    let _pieces = taken_for_a_stream(&api).await;
    stream(&api, &["begun"], "").await;
    assert_eq!(api.exchange.outcome().await, Outcome::truncated());
}

#[tokio::test]
async fn a_stream_for_a_caller_of_whole_answers_is_collected() {
    let api = api().await;
    api.take().await;
    stream(&api, &["hello ", "world"], "0\r\n\r\n").await;
    assert_eq!(api.exchange.outcome().await, Outcome::Answer(Bytes::from_static(b"hello world")));
}

#[tokio::test]
async fn a_stream_nobody_listens_to_still_ends_well() {
    let api = api().await;
    drop(taken_for_a_stream(&api).await);
    assert!(stream(&api, &["a", "b"], "0\r\n\r\n").await.starts_with("HTTP/1.1 202"));
    assert_eq!(api.exchange.outcome().await, Outcome::Answer(Bytes::new()));
}

#[tokio::test]
async fn an_answer_after_the_time_is_over_is_refused() {
    let api = api().await;
    api.take().await;
    api.exchange.close("a");
    let answer = api.send("POST", "invocation/a/response", "", b"{}").await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("InvalidStateTransition"), "{answer}");
}

#[tokio::test]
async fn a_large_report_in_a_header_is_taken() {
    let api = api().await;
    api.take().await;
    let header = format!("lambda-runtime-function-xray-error-cause: {}\r\n", "x".repeat(200_000));
    let answer = api.send("POST", "invocation/a/error", &header, b"{\"errorType\":\"E\"}").await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[tokio::test]
async fn a_process_without_a_function_gets_nothing_but_its_function_and_that_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut asking = TcpStream::connect(address).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let exchange = Arc::new(Exchange::new());
    let late = Late::new(&[("WHO".to_owned(), "f".to_owned())]);
    let shared = Arc::clone(&exchange);
    let task = tokio::spawn(async move {
        serve(
            &listener,
            (shared, with_extensions(&[]), nobody()),
            Before::default(),
            None,
            Some((late, Channel::Socket(accepted))),
        )
        .await;
    });
    let api = Api { exchange, extensions: with_extensions(&[]), address, task };
    // Another process that is there first learns nothing, nor does anybody get work.
    for (method, path) in [("GET", "casemate/function"), ("GET", "invocation/next"), ("POST", "init/error")] {
        let answer = api.send(method, path, "", b"").await;
        assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("WHO"), "{answer}");
    }
    assert!(!api.exchange.is_waiting() && api.exchange.is_starting());
    let mut ask = async |path: &str| {
        let head = format!("GET /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: x\r\n\r\n");
        asking.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4_096];
        let length = asking.read(&mut answer).await.unwrap();
        answer.truncate(length);
        String::from_utf8(answer).unwrap()
    };
    assert!(ask("invocation/next").await.starts_with("HTTP/1.1 403"));
    let told = ask("casemate/function").await;
    assert!(told.starts_with("HTTP/1.1 200") && told.ends_with(r#"{"WHO":"f"}"#), "{told}");
    assert!(ask("casemate/function").await.starts_with("HTTP/1.1 404"));
    assert!(api.take().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_process_that_goes_on_from_a_template_is_told_what_is_its_own_with_its_request() {
    let restored = |credentials| {
        Some(Arc::new(crate::restored::Restored { credentials, log_stream: "2026/01/01/[1]ab".to_owned() }))
    };
    let own = crate::forking::tests::credentials("ASIAOWN");
    let told = api().await.take_told(restored(Some(own)), None).await;
    assert!(told.contains("casemate-restored: 2026/01/01/[1]ab\r\n"), "{told}");
    assert!(told.contains("casemate-access-key-id: ASIAOWN\r\n"), "{told}");
    let fetched = api().await.take_told(restored(None), None).await;
    assert!(fetched.contains("casemate-restored: ") && !fetched.contains("access-key"), "{fetched}");
    let ordinary = api().await.take().await;
    assert!(!ordinary.contains("casemate-"), "{ordinary}");
}
