//! One connection: finds out whether it is TLS, speaks HTTP, and hands each request to the handler.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc};

use casemate_kernel::{Incoming, Origin, Outgoing, Peer};
use casemate_wire::Head;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{body::Incoming as Body, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

use super::{
    Handler, Listener, PlainHttp,
    activity::Activity,
    answer_body::AnswerBody,
    body::{self, BodyError, Budget},
    limits::{self, Limits},
};

/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// What all connections of a listener share.
pub(super) struct Shared<H> {
    pub(super) listener: Listener<H>,
    pub(super) limits: Limits,
    pub(super) budget: Budget,
}

/// Serves a connection to its end. Until HTTP is spoken, `stop` ends it; afterwards the watcher does, gracefully.
pub(super) async fn serve<H: Handler>(
    shared: &Shared<H>,
    stream: TcpStream,
    address: SocketAddr,
    watcher: Watcher,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let opened = tokio::select! {
        opened = open(shared, stream, address) => opened?,
        _ = stop.changed() => return Ok(()),
    };
    let handler = Arc::clone(&shared.listener.kernel);
    let peer = |tls| move || Peer::Network { address, tls };
    match opened {
        Opened::Closed => Ok(()),
        Opened::Plain(stream) => http(handler, stream, peer(false), Some(watcher), shared).await,
        Opened::Tls(stream) => http(handler, *stream, peer(true), Some(watcher), shared).await,
    }
}

enum Opened {
    Closed,
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

async fn open<H>(shared: &Shared<H>, stream: TcpStream, address: SocketAddr) -> io::Result<Opened> {
    let (listener, limits) = (&shared.listener, &shared.limits);
    let too_slow = |_| io::Error::from(io::ErrorKind::TimedOut);
    let mut first = [0_u8; 1];
    if timeout(limits.head, stream.peek(&mut first)).await.map_err(too_slow)?? == 0 {
        return Ok(Opened::Closed);
    }
    if first == [TLS_HANDSHAKE] {
        let Some(acceptor) = &listener.tls else {
            return Err(io::Error::other("this listener speaks no TLS"));
        };
        let stream = timeout(limits.handshake, acceptor.accept(stream)).await.map_err(too_slow)??;
        return Ok(Opened::Tls(Box::new(stream)));
    }
    if listener.plain == PlainHttp::LoopbackOnly && !address.ip().to_canonical().is_loopback() {
        return Err(io::Error::other("plain HTTP is served on the loopback interface only; use https"));
    }
    Ok(Opened::Plain(stream))
}

/// What the streams of one place that were accepted elsewhere, e.g. inside an execution environment, share: the memory for
/// bodies. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Streams(Budget);

impl Streams {
    /// A place with all of its memory.
    pub fn of_one_place() -> Self {
        Self(Budget::new(limits::STREAM_BODIES_BYTES_MAX))
    }

    /// Serves HTTP on one of the streams. `origin` is asked for each request, when its head has come.
    pub async fn serve<S, H: Handler>(&self, handler: Arc<H>, stream: S, origin: Origin) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = Shared {
            listener: Listener { kernel: Arc::clone(&handler), tls: None, plain: PlainHttp::Anywhere },
            limits: Limits::default(),
            budget: self.0.clone(),
        };
        http(handler, stream, move || origin(), None, &shared).await
    }
}

async fn http<S, H: Handler>(
    handler: Arc<H>,
    stream: S,
    origin: impl Fn() -> Peer + Send + 'static,
    watcher: Option<Watcher>,
    shared: &Shared<H>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, activity) = (shared.limits, Activity::new());
    let (budget, begun) = (shared.budget.clone(), activity.clone());
    let service = service_fn(move |request| {
        let (handler, peer, budget) = (Arc::clone(&handler), origin(), budget.clone());
        let in_progress = begun.begin();
        async move {
            let response = answer(&handler, peer, request, &limits, &budget).await;
            Ok::<_, Infallible>(response.map(|body| body.during(in_progress)))
        }
    });
    let connection = builder(&limits).serve_connection(TokioIo::new(stream), service).into_owned();
    let served = async {
        match watcher {
            Some(watcher) => watcher.watch(connection).await,
            None => connection.await,
        }
    };
    tokio::select! {
        served = served => served.map_err(|error| io::Error::other(error.to_string())),
        () = activity.idle(&limits) => Ok(()),
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits::HEAD_BYTES_MAX)
        .max_headers(limits::HEADERS_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits::STREAMS_MAX)
        .keep_alive_interval(limits.idle / 2)
        .keep_alive_timeout(limits.head);
    builder
}

async fn answer<H: Handler>(
    handler: &Arc<H>,
    peer: Peer,
    request: Request<Body>,
    limits: &Limits,
    budget: &Budget,
) -> Response<AnswerBody> {
    let version = request.version();
    let (parts, body) = request.into_parts();
    let mut head = Head::from(parts);
    let refusal = match receive(&**handler, &mut head, version, body, limits, budget).await {
        Ok(held) => {
            let incoming = Incoming { head, body: held.bytes.clone() };
            return respond(handler.serve(peer, incoming).await);
        }
        Err(refusal) => refusal,
    };
    let (status, text) = refusal.answer();
    handler.refused(&peer, &head, status.as_u16(), text);
    respond(Outgoing::new(status, "application/json", text))
}

/// Why a request is not handed on.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    TargetTooLong,
    Host,
    Body(BodyError),
}

impl Refusal {
    fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, r#"{"message":"Request-URI Too Long"}"#),
            Self::Host => {
                (StatusCode::BAD_REQUEST, r#"{"message":"the request must name exactly one host"}"#)
            }
            // AWS: the text of API Gateway for oversized payloads.
            Self::Body(BodyError::TooLarge) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                r#"{"__type":"RequestEntityTooLargeException","message":"Request Too Long"}"#,
            ),
            Self::Body(BodyError::TooSlow) => (
                StatusCode::REQUEST_TIMEOUT,
                r#"{"__type":"RequestTimeoutException","message":"the request body came too slowly"}"#,
            ),
            Self::Body(BodyError::Busy) => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"__type":"ServiceUnavailable","message":"too many large requests at once; try again"}"#,
            ),
            Self::Body(BodyError::Broken) => (
                StatusCode::BAD_REQUEST,
                r#"{"__type":"IncompleteBody","message":"the request body ended early"}"#,
            ),
        }
    }
}

async fn receive<H: Handler>(
    handler: &H,
    head: &mut Head,
    version: Version,
    body: Body,
    limits: &Limits,
    budget: &Budget,
) -> Result<body::Held, Refusal> {
    let target_bytes = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > limits::TARGET_BYTES_MAX {
        return Err(Refusal::TargetTooLong);
    }
    if !has_one_host(head, version) {
        return Err(Refusal::Host);
    }
    let bytes_max = handler.body_limit(head);
    body::read(body, bytes_max, limits, budget).await.map_err(Refusal::Body)
}

/// A request names its host once, or in two places that agree. Routing and signatures each read one of the places; were
/// they allowed to differ, a request signed for one host could be routed to another. For HTTP/2, `host` is made from
/// `:authority`, so that everybody after us finds it in one place.
fn has_one_host(head: &mut Head, version: Version) -> bool {
    let mut named = head.headers.get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    match (first, second, authority) {
        (_, Some(_), _) => false,
        (Some(host), None, Some(authority)) => host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()),
        (Some(host), None, None) => !host.is_empty(),
        (None, None, Some(authority)) => match HeaderValue::from_str(authority) {
            Ok(host) => {
                head.headers.insert(header::HOST, host);
                true
            }
            Err(_) => false,
        },
        (None, None, None) => version < Version::HTTP_11,
    }
}

fn respond(outgoing: Outgoing) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::new(outgoing.body, outgoing.stream));
    *response.status_mut() = outgoing.status;
    *response.headers_mut() = outgoing.headers;
    response
}
