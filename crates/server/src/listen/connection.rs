//! One connection: finds out whether it is TLS, speaks HTTP, and hands each request to the kernel.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use casemate_kernel::{Incoming, Kernel, Outgoing, Peer};
use casemate_wire::Head;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming as Body, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{
    Listener, PlainHttp,
    body::{self, BodyError},
    limits,
};

/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

pub(super) async fn serve(listener: Listener, stream: TcpStream, peer: SocketAddr, watcher: &Watcher) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0_u8; 1];
    let peeked = timeout(Duration::from_secs(limits::HEAD_S), stream.peek(&mut first));
    if peeked.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
        return Ok(());
    }
    if first == [TLS_HANDSHAKE] {
        let Some(acceptor) = &listener.tls else { return Err(io::Error::other("this listener speaks no TLS")) };
        let handshake = timeout(Duration::from_secs(limits::HANDSHAKE_S), acceptor.accept(stream));
        let stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        return http(listener.kernel, stream, Peer::Network { address: peer, tls: true }, Some(watcher)).await;
    }
    let refused = listener.plain == PlainHttp::LoopbackOnly && !peer.ip().to_canonical().is_loopback();
    if refused {
        return Err(io::Error::other("plain HTTP is served on the loopback interface only; use https"));
    }
    http(listener.kernel, stream, Peer::Network { address: peer, tls: false }, Some(watcher)).await
}

/// Serves HTTP on a stream that was accepted elsewhere, e.g. on the socket inside an execution environment.
pub async fn serve_stream(kernel: Arc<Kernel>, stream: TcpStream, peer: Peer) -> io::Result<()> {
    http(kernel, stream, peer, None).await
}

async fn http<S>(kernel: Arc<Kernel>, stream: S, peer: Peer, watcher: Option<&Watcher>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEAD_S))
        .max_buf_size(limits::HEAD_BYTES_MAX)
        .max_headers(limits::HEADERS_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits::STREAMS_MAX)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(limits::HEAD_S));
    let service = service_fn(move |request| {
        let (kernel, peer) = (Arc::clone(&kernel), peer.clone());
        async move { Ok::<_, Infallible>(answer(&kernel, peer, request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let served = match watcher {
        Some(watcher) => watcher.watch(connection).await,
        None => connection.await,
    };
    served.map_err(|error| io::Error::other(error.to_string()))
}

async fn answer(kernel: &Arc<Kernel>, peer: Peer, request: Request<Body>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let head = Head::from(parts);
    let target_bytes = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > limits::TARGET_BYTES_MAX {
        return respond(Outgoing::new(StatusCode::URI_TOO_LONG, "application/json", r#"{"message":"Request-URI Too Long"}"#));
    }
    let bytes_max = kernel.body_limit(&head);
    let outgoing = match body::read(body, bytes_max).await {
        Ok(body) => kernel.serve(peer, Incoming { head, body }).await,
        // AWS: the text of API Gateway for oversized payloads.
        Err(BodyError::TooLarge) => {
            let text = r#"{"__type":"RequestEntityTooLargeException","message":"Request Too Long"}"#;
            Outgoing::new(StatusCode::PAYLOAD_TOO_LARGE, "application/json", text)
        }
        Err(BodyError::TooSlow) => {
            let text = r#"{"__type":"RequestTimeoutException","message":"the request body came too slowly"}"#;
            Outgoing::new(StatusCode::REQUEST_TIMEOUT, "application/json", text)
        }
        Err(BodyError::Broken) => {
            let text = r#"{"__type":"IncompleteBody","message":"the request body ended early"}"#;
            Outgoing::new(StatusCode::BAD_REQUEST, "application/json", text)
        }
    };
    respond(outgoing)
}

fn respond(outgoing: Outgoing) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(outgoing.body));
    *response.status_mut() = outgoing.status;
    *response.headers_mut() = outgoing.headers;
    response
}
