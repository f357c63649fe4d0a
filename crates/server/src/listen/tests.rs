//! The listener against raw sockets: every limit is reached, nothing hangs, nothing in flight is lost.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use casemate_kernel::{Incoming, Outgoing, Peer};
use casemate_names::Timestamp;
use casemate_wire::Head;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Handler, Listener, PlainHttp, Streams, body::Budget, connection, limits::Limits, tls};

/// Bodies beyond this are refused by the handler below.
const BODY_BYTES_MAX: usize = 100_000;

/// Answers with what it saw; `/wait` waits to be released.
#[derive(Default)]
struct Echo {
    entered: Notify,
    released: Notify,
    heads: Mutex<Vec<Head>>,
    refusals: Mutex<Vec<u16>>,
}

impl Handler for Echo {
    fn body_limit(&self, _head: &Head) -> usize {
        BODY_BYTES_MAX
    }

    fn refused(&self, _peer: &Peer, _head: &Head, status: u16, _why: &str) {
        self.refusals.lock().unwrap().push(status);
    }

    async fn serve(self: &Arc<Self>, peer: Peer, incoming: Incoming) -> Outgoing {
        if incoming.head.path() == "/wait" {
            self.entered.notify_one();
            self.released.notified().await;
        }
        let host = incoming.head.header("host").unwrap_or("none");
        let text = format!("secure={} host={host} bytes={}", peer.is_secure(), incoming.body.len());
        self.heads.lock().unwrap().push(incoming.head.clone());
        Outgoing::new(StatusCode::OK, "text/plain", text)
    }
}

/// A listener on a port of its own.
struct Running {
    echo: Arc<Echo>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    directory: tempfile::TempDir,
}

impl Running {
    async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let acceptor = tls::acceptor(directory.path(), &[], now()).unwrap();
        let mut limits = Limits { shutdown: Duration::from_secs(5), ..Limits::default() };
        change(&mut limits);
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let echo = Arc::new(Echo::default());
        let listener =
            Listener { kernel: Arc::clone(&echo), tls: Some(acceptor), plain: PlainHttp::LoopbackOnly };
        let task = tokio::spawn(listener.run_within(limits, socket, stopped));
        Self { echo, address, stop, task, directory }
    }

    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn tls(&self, protocol: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
        handshake(self.address, self.directory.path(), protocol).await.unwrap()
    }

    /// Sends raw bytes and reads until the server closes.
    async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        exchange(self.connect().await, request.as_ref()).await
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    // The server may answer and close before it has taken everything.
    drop(stream.write_all(request).await);
    until_closed(stream).await
}

/// Everything until the end of the connection, however it ends. A connection that never ends fails the test.
async fn until_closed(mut stream: impl AsyncRead + Unpin) -> String {
    let mut answer = Vec::new();
    let read = async {
        let mut piece = [0_u8; 4096];
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            answer.extend_from_slice(&piece[..count]);
        }
    };
    timeout(PATIENCE, read).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn handshake(
    address: SocketAddr,
    directory: &Path,
    protocol: &[u8],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let authority = CertificateDer::from_pem_file(directory.join("ca.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let mut config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn over_h2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    uri: &str,
) -> (StatusCode, String) {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(uri).body(Full::new(Bytes::from_static(b"12345"))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn now() -> Timestamp {
    Timestamp::parse_iso8601("2026-11-24T00:00:00Z").unwrap()
}

fn short() -> Duration {
    Duration::from_millis(100)
}

/// Long enough for a busy machine; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn who_is_at_the_other_end_is_asked_for_each_request() {
    let (mut client, stream) = tokio::io::duplex(4096);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let secure = Arc::new(AtomicBool::new(true));
    let origin = {
        let secure = Arc::clone(&secure);
        Arc::new(move || Peer::Network { address, tls: secure.load(Ordering::SeqCst) })
    };
    let served = tokio::spawn(async move {
        Streams::of_one_place().serve(Arc::new(Echo::default()), stream, origin).await
    });
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = [0_u8; 512];
    let count = timeout(PATIENCE, client.read(&mut first)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first[..count]).contains("secure=true"));
    secure.store(false, Ordering::SeqCst);
    assert!(exchange(client, GET.as_bytes()).await.contains("secure=false"));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_port_speaks_clear_and_tls_and_both_versions() {
    let server = Running::start().await;
    assert!(server.exchange(GET).await.ends_with("secure=false host=a bytes=0"));
    let answer = exchange(server.tls(b"http/1.1").await, GET.as_bytes()).await;
    assert!(answer.ends_with("secure=true host=a bytes=0"), "{answer}");
    let answer = over_h2(server.tls(b"h2").await, "https://localhost/x").await;
    assert_eq!(answer, (StatusCode::OK, "secure=true host=localhost bytes=5".to_owned()));
    let answer = over_h2(server.connect().await, "http://localhost:1/x").await;
    assert_eq!(answer, (StatusCode::OK, "secure=false host=localhost:1 bytes=5".to_owned()));
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let server = Running::start().await;
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    assert!(server.exchange(long).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(200));
    assert!(server.exchange(many).await.starts_with("HTTP/1.1 431"));
    let target = format!("GET /{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "x".repeat(20_000));
    assert!(server.exchange(target).await.starts_with("HTTP/1.1 414"));
    assert!(server.echo.heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn oversized_bodies_are_refused_announced_or_not() {
    let server = Running::start().await;
    let announced = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100001\r\nconnection: close\r\n\r\n";
    assert!(server.exchange(announced).await.starts_with("HTTP/1.1 413"));
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let chunked = format!("{head}{}0\r\n\r\n", chunk.repeat(11));
    assert!(server.exchange(chunked).await.starts_with("HTTP/1.1 413"));
    assert!(server.echo.heads.lock().unwrap().is_empty());
    assert_eq!(*server.echo.refusals.lock().unwrap(), [413, 413], "each refusal is noted once");
}

#[tokio::test]
async fn body_within_the_limit_arrives_whole() {
    let server = Running::start().await;
    let body = "x".repeat(BODY_BYTES_MAX);
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    assert!(server.exchange(request).await.ends_with("bytes=100000"));
}

#[tokio::test]
async fn garbage_is_refused_and_the_server_lives_on() {
    let server = Running::start().await;
    for garbage in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost a\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"\x16\x03\x01\x00\x05hello-this-is-no-handshake",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage-garbage-garbage-garbage",
    ] {
        let answer = server.exchange(garbage).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    assert!(server.echo.heads.lock().unwrap().is_empty());
    assert!(server.exchange(GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn request_must_name_one_host() {
    let server = Running::start().await;
    for head in [
        "GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        assert!(server.exchange(head).await.starts_with("HTTP/1.1 400"), "{head}");
    }
    let same = server.exchange("GET http://A/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(same.starts_with("HTTP/1.1 200"), "{same}");
    assert!(server.exchange("GET / HTTP/1.0\r\n\r\n").await.contains("host=none"));
}

#[tokio::test]
async fn clients_that_say_nothing_or_too_little_are_dropped() {
    let server = Running::with(|limits| {
        limits.head = short();
        limits.handshake = short();
    })
    .await;
    for beginning in
        ["", "G", "GET / HTTP/1.1\r\nho", "PRI * HTT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03"]
    {
        let answer = server.exchange(beginning).await;
        assert!(!answer.contains("200 OK"), "{beginning:?}: {answer}");
    }
    for protocol in [&b"http/1.1"[..], b"h2"] {
        until_closed(server.tls(protocol).await).await;
    }
    assert!(server.echo.heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn slow_body_is_refused() {
    let server = Running::with(|limits| limits.body_pause = short()).await;
    let answer = server
        .exchange("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nconnection: close\r\n\r\nab")
        .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let server = Running::with(|limits| limits.body = short()).await;
    let answer = server
        .exchange("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nconnection: close\r\n\r\nab")
        .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn idle_http2_connection_is_dropped_though_it_answers_pings() {
    let server = Running::with(|limits| limits.idle = short()).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(server.connect().await))
            .await
            .unwrap();
    let ended = tokio::spawn(connection);
    let request = Request::get("http://a/").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
    drop(timeout(PATIENCE, ended).await.expect("the server closes the idle connection"));
}

#[tokio::test]
async fn long_request_is_not_idle() {
    let server = Running::with(|limits| limits.idle = short()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    server.echo.entered.notified().await;
    assert!(timeout(short() * 5, stream.read_u8()).await.is_err(), "still being served");
    server.echo.released.notify_one();
    assert!(until_closed(stream).await.contains("200 OK"));
}

#[tokio::test]
async fn connection_beyond_the_limit_waits_for_its_turn() {
    let server = Running::with(|limits| limits.connections = 1).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    server.echo.entered.notified().await;
    let mut second = server.connect().await;
    second.write_all(GET.as_bytes()).await.unwrap();
    assert!(timeout(short(), second.read_u8()).await.is_err(), "not served yet");
    server.echo.released.notify_one();
    assert!(until_closed(first).await.contains("200 OK"));
    assert!(until_closed(second).await.contains("TTP/1.1 200 OK"));
}

#[tokio::test]
async fn client_with_too_many_connections_is_cut_off_and_served_again_later() {
    let server = Running::with(|limits| limits.connections_per_client = 1).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    server.echo.entered.notified().await;
    assert_eq!(server.exchange(GET).await, "", "closed without an answer");
    server.echo.released.notify_one();
    assert!(until_closed(first).await.contains("200 OK"));
    // The place is given back by the task that served it, a moment after its client has seen the end.
    let served = async { while !server.exchange(GET).await.contains("200 OK") {} };
    timeout(PATIENCE, served).await.expect("the client is served again");
}

#[tokio::test]
async fn bodies_share_a_budget_and_give_it_back() {
    let server = Running::with(|limits| limits.bodies_bytes = 16 * 1024).await;
    let body = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc")
    };
    let mut first = server.connect().await;
    first.write_all(body("/wait").as_bytes()).await.unwrap();
    server.echo.entered.notified().await;
    assert!(server.exchange(body("/")).await.starts_with("HTTP/1.1 503"));
    assert!(server.exchange(GET).await.starts_with("HTTP/1.1 200"));
    server.echo.released.notify_one();
    assert!(until_closed(first).await.contains("200 OK"));
    assert!(server.exchange(body("/")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn shutdown_finishes_what_is_in_flight_and_accepts_nothing_more() {
    let server = Running::start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.echo.entered.notified().await;
    let silent = server.connect().await;
    server.stop.send(true).unwrap();
    until_closed(silent).await;
    assert!(TcpStream::connect(server.address).await.is_err());
    server.echo.released.notify_one();
    let answer = until_closed(stream).await;
    assert!(answer.contains("200 OK") && answer.contains("bytes=0"), "{answer}");
    timeout(PATIENCE, server.task).await.expect("the listener ends").unwrap();
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let server = Running::with(|limits| limits.shutdown = short()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.echo.entered.notified().await;
    server.stop.send(true).unwrap();
    timeout(PATIENCE, server.task).await.expect("the listener ends").unwrap();
}

#[tokio::test]
async fn clear_text_from_elsewhere_is_refused() {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let elsewhere: SocketAddr = "192.0.2.1:1000".parse().unwrap();
    for (plain, served) in [(PlainHttp::LoopbackOnly, false), (PlainHttp::Anywhere, true)] {
        let mut client = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        client.write_all(GET.as_bytes()).await.unwrap();
        let (stream, _) = socket.accept().await.unwrap();
        let listener = Listener { kernel: Arc::new(Echo::default()), tls: None, plain };
        let shared = connection::Shared { listener, limits: Limits::default(), budget: Budget::new(1) };
        let graceful = hyper_util::server::graceful::GracefulShutdown::new();
        let (_stop, stopped) = watch::channel(false);
        let result = connection::serve(&shared, stream, elsewhere, graceful.watcher(), stopped).await;
        assert_eq!(result.is_ok(), served, "{result:?}");
        assert_eq!(until_closed(client).await.contains("200 OK"), served);
    }
}

fn files(directory: &Path) -> Vec<String> {
    ["ca.pem", "ca.key", "server.pem", "server.key"]
        .map(|name| fs::read_to_string(directory.join(name)).unwrap())
        .to_vec()
}

fn acceptor(directory: &Path, names: &[&str], days: i64) -> TlsAcceptor {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    tls::acceptor(directory, &names, now().plus_seconds(days * 86_400)).unwrap()
}

#[test]
fn keys_are_private_and_certificates_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    acceptor(directory.path(), &[], 0);
    for name in ["ca.key", "server.key"] {
        let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let before = files(directory.path());
    acceptor(directory.path(), &[], 300);
    assert_eq!(files(directory.path()), before);
}

#[test]
fn server_certificate_is_made_again_near_its_end_or_for_other_names() {
    let directory = tempfile::tempdir().unwrap();
    acceptor(directory.path(), &[], 0);
    let first = files(directory.path());
    acceptor(directory.path(), &["casemate.example"], 0);
    let named = files(directory.path());
    assert!(first[..2] == named[..2] && first[2] != named[2] && first[3] != named[3]);
    acceptor(directory.path(), &["casemate.example"], 370);
    let renewed = files(directory.path());
    assert!(named[..2] == renewed[..2] && named[2] != renewed[2]);
}

#[tokio::test]
async fn lost_or_exchanged_key_files_are_made_again_and_work() {
    let server = Running::start().await;
    let other = tempfile::tempdir().unwrap();
    acceptor(other.path(), &[], 0);
    for name in ["ca.key", "ca.pem", "server.key", "server.pem"] {
        for exchanged in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            acceptor(directory.path(), &[], 0);
            if exchanged {
                fs::copy(other.path().join(name), directory.path().join(name)).unwrap();
            } else {
                fs::remove_file(directory.path().join(name)).unwrap();
            }
            let acceptor = acceptor(directory.path(), &[], 0);
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = socket.local_addr().unwrap();
            let accepted =
                tokio::spawn(async move { acceptor.accept(socket.accept().await.unwrap().0).await.is_ok() });
            handshake(address, directory.path(), b"h2").await.unwrap();
            assert!(accepted.await.unwrap(), "{name}");
        }
    }
    let stranger = handshake(server.address, other.path(), b"h2").await;
    assert!(stranger.is_err(), "an authority of another installation is not trusted");
}
