//! The host's end against whatever a machine may say, and both ends together.

use std::{
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::*;
use crate::{
    egress::{Gateway, Sockets, Way},
    pump::Recorded,
    spec::{AWS_ENDPOINT_PORT, RUNTIME_API_PORT},
};

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

/// The host's end of a line, which notes whether it was broken.
#[derive(Debug)]
struct Noted {
    pipe: DuplexStream,
    severed: Arc<AtomicBool>,
}

impl Line for Noted {
    fn sever(&mut self) {
        self.severed.store(true, Ordering::SeqCst);
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, into)
    }
}

impl AsyncWrite for Noted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

type Events = mpsc::Receiver<Recorded>;

fn bridgehead(rules: &str, ceiling: &str) -> (Bridgehead, Events) {
    let (sender, events) = mpsc::channel(128);
    let rules = (Rules::parse(rules).unwrap(), Rules::parse(ceiling).unwrap());
    (Bridgehead::new(rules, Arc::new(Recorder::new(sender))), events)
}

/// A line to the host for a port: what a machine holds of it, and whether the host broke it.
fn line(host: &Bridgehead, port: u16) -> (DuplexStream, Arc<AtomicBool>) {
    let ((machine, pipe), severed) = (duplex(4096), Arc::new(AtomicBool::new(false)));
    host.lead(port, Noted { pipe, severed: Arc::clone(&severed) });
    (machine, severed)
}

/// What the host says first to a wish for an address.
async fn wish(host: &Bridgehead, to: &str) -> i32 {
    let (mut machine, _) = line(host, RELAY_PORT);
    machine.write_all(&head(7, to.parse().unwrap())).await.unwrap();
    machine.read_i32().await.unwrap()
}

/// A server of this host that says hello, and then what it was told until its asker ended.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut read, mut write) = stream.split();
            let _ = write.write_all(b"hello ").await;
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
    }));
    address
}

fn question(name: &str) -> Vec<u8> {
    let mut packet = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        packet.push(u8::try_from(label.len()).unwrap());
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend_from_slice(&[0, 0, 1, 0, 1]);
    packet
}

#[test]
fn what_is_allowed_is_connected_and_half_close_is_kept_and_both_are_recorded() {
    run(async {
        let to = server().await;
        let (host, mut events) = bridgehead(&to.to_string(), "127.0.0.0/8:*");
        let (mut machine, severed) = line(&host, RELAY_PORT);
        machine.write_all(&head(7, to)).await.unwrap();
        assert_eq!(machine.read_i32().await.unwrap(), CONNECTING);
        assert_eq!(machine.read_i32().await.unwrap(), CONNECTED);
        machine.write_all(b"and back").await.unwrap();
        machine.shutdown().await.unwrap();
        let mut said = String::new();
        machine.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "hello and back");
        let connecting = Event::Connecting { pid: 7, address: to, name: None };
        assert_eq!(events.recv().await.unwrap().event, connecting);
        let ended = Event::Disconnected { address: to, sent: 8, received: 14 };
        assert_eq!(events.recv().await.unwrap().event, ended);
        assert!(!severed.load(Ordering::SeqCst));
    });
}

#[test]
fn whatever_a_machine_wishes_the_hosts_rules_decide() {
    run(async {
        let own = server().await;
        // As wide as lists get, and one address of this host that only the function means.
        let rules = format!("0.0.0.0/0:*,[::]/0:*,{own},example.com:443");
        let (host, mut events) = bridgehead(&rules, "0.0.0.0/0:*,[::]/0:*,example.com:443");
        for denied in [
            "169.254.169.254:80",
            "[::ffff:169.254.169.254]:80",
            "169.254.170.2:80",
            "168.63.129.16:80",
            "10.0.0.1:443",
            "172.16.0.1:443",
            "192.168.1.1:443",
            "100.64.0.1:443",
            "224.0.0.1:443",
            "[fd00:ec2::254]:80",
            "[fe80::1]:80",
            "[64:ff9b::a9fe:a9fe]:80",
        ] {
            assert_eq!(wish(&host, denied).await, libc::ENETUNREACH, "{denied}");
            let to: SocketAddr = denied.parse().unwrap();
            let address = SocketAddr::new(to.ip().to_canonical(), to.port());
            let recorded = events.recv().await.unwrap().event;
            assert_eq!(recorded, Event::ConnectDenied { pid: 7, address }, "{denied}");
        }
        // The host's list does not mean its own address, whatever the function's says.
        assert_eq!(wish(&host, &own.to_string()).await, libc::ENETUNREACH);
        assert!(matches!(events.recv().await.unwrap().event, Event::Connecting { .. }));
        let (narrow, mut events) = bridgehead("203.0.113.7:443,example.com:443", "0.0.0.0/0:*,example.com:*");
        for denied in ["8.8.8.8:443", "203.0.113.7:80", "203.0.113.8:443", "93.184.216.34:443"] {
            assert_eq!(wish(&narrow, denied).await, libc::ENETUNREACH, "{denied}");
            assert!(matches!(events.recv().await.unwrap().event, Event::ConnectDenied { .. }), "{denied}");
        }
    });
}

#[test]
fn loopback_is_the_machines_own_and_its_listeners_are_never_the_hosts() {
    run(async {
        let (to, other) = (server().await, server().await);
        let (host, mut events) = bridgehead(&to.to_string(), "127.0.0.0/8:*");
        for inside in [other.to_string(), "[::1]:80".into(), "0.0.0.0:80".into(), "127.9.9.9:1".into()] {
            assert_eq!(wish(&host, &inside).await, INSIDE, "{inside}");
        }
        let (host, _events) = bridgehead("127.0.0.1:*", "127.0.0.1:*");
        for port in [RUNTIME_API_PORT, AWS_ENDPOINT_PORT, RELAY_PORT, RESOLVER_PORT] {
            assert_eq!(wish(&host, &format!("127.0.0.1:{port}")).await, INSIDE, "{port}");
        }
        assert_eq!(wish(&host, &other.to_string()).await, CONNECTING);
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn an_address_is_a_names_only_after_the_host_itself_resolved_that_name() {
    run(async {
        let (host, mut events) = bridgehead("example.com:443", "example.com:443");
        let to: SocketAddr = "8.8.8.8:443".parse().unwrap();
        assert_eq!(wish(&host, "8.8.8.8:443").await, libc::ENETUNREACH);
        assert!(matches!(events.recv().await.unwrap().event, Event::ConnectDenied { .. }));
        // Asked of the ruling: what the wish leads to is a real address.
        host.outside.give("example.com", &[to.ip()], Instant::now());
        let ruling = host.outside.ruling(to, Instant::now());
        assert!(
            matches!(&ruling, Ruling::Allowed(allowed) if allowed.name.as_deref() == Some("example.com"))
        );
        assert_eq!(wish(&host, "8.8.8.8:80").await, libc::ENETUNREACH);
        let later = Instant::now() + Duration::from_hours(1);
        assert!(matches!(host.outside.ruling(to, later), Ruling::Denied));
    });
}

#[test]
fn names_that_no_rule_knows_and_names_that_lead_home_are_refused_and_recorded() {
    run(async {
        let (host, mut events) = bridgehead("example.com:443,localhost:1", "example.com:443,localhost:*");
        for name in ["example.org", "xexample.com", "localhost"] {
            let (mut machine, _) = line(&host, RESOLVER_PORT);
            stub::write(&mut machine, &question(name)).await.unwrap();
            let answer = stub::read_packet(&mut machine).await.unwrap();
            assert_eq!((answer[..2].to_vec(), answer[3] & 15), (vec![0xab, 0xcd], 5), "{name}");
            assert_eq!(events.recv().await.unwrap().event, Event::NameRefused { name: name.into() });
        }
    });
}

#[test]
fn what_is_cut_short_malformed_or_too_long_gets_no_answer() {
    run(async {
        let (host, mut events) = bridgehead("127.0.0.1:*,example.com:443", "127.0.0.1:*,example.com:443");
        let mut two = question("example.com");
        two[5] = 2;
        for (port, bytes) in [
            (RELAY_PORT, head(7, "127.0.0.1:80".parse().unwrap())[..HEAD_BYTES - 1].to_vec()),
            (RELAY_PORT, Vec::new()),
            (RESOLVER_PORT, vec![0]),
            (RESOLVER_PORT, vec![0, 0]),
            (RESOLVER_PORT, vec![0, 9, 1]),
            (RESOLVER_PORT, [&[0, 40][..], &[0xff; 40]].concat()),
            (RESOLVER_PORT, [&u16::try_from(two.len()).unwrap().to_be_bytes()[..], &two].concat()),
        ] {
            let (mut machine, _) = line(&host, port);
            machine.write_all(&bytes).await.unwrap();
            machine.shutdown().await.unwrap();
            let mut said = Vec::new();
            machine.read_to_end(&mut said).await.unwrap();
            assert_eq!(said, b"", "{port} {bytes:?}");
        }
        // Of a packet that is too long the beginning is read, as of a datagram, and the rest is nobody's.
        let (mut machine, _) = line(&host, RESOLVER_PORT);
        stub::write(&mut machine, &[&question("example.org")[..], &[0; 2_000]].concat()).await.unwrap();
        let answer = stub::read_packet(&mut machine).await.unwrap();
        assert_eq!((answer.len(), answer[3] & 15), (question("example.org").len(), 5));
        machine.shutdown().await.unwrap();
        assert_eq!(machine.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(events.recv().await.unwrap().event, Event::NameRefused { name: "example.org".into() });
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn lines_for_other_ports_and_lines_beyond_the_most_are_broken_and_places_come_back() {
    run(async {
        let (host, _events) = bridgehead("127.0.0.1:*", "127.0.0.1:*");
        for port in [0, 1, 22, RUNTIME_API_PORT, AWS_ENDPOINT_PORT] {
            assert!(line(&host, port).1.load(Ordering::SeqCst), "{port}");
        }
        for (port, most) in [(RELAY_PORT, ASKED_CONNECTIONS_MAX), (RESOLVER_PORT, ASKED_QUESTIONS_MAX)] {
            // None of them says anything.
            let held: Vec<_> = (0..most).map(|_| line(&host, port)).collect();
            assert!(held.iter().all(|(_, severed)| !severed.load(Ordering::SeqCst)), "{port}");
            assert!(line(&host, port).1.load(Ordering::SeqCst), "{port}");
            drop(held);
            while line(&host, port).1.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        }
    });
}

#[test]
fn connections_end_with_the_bridgehead() {
    run(async {
        let to = server().await;
        let (host, _events) = bridgehead("127.0.0.1:*", "127.0.0.1:*");
        let (mut machine, _) = line(&host, RELAY_PORT);
        machine.write_all(&head(7, to)).await.unwrap();
        let mut said = [0; 14];
        machine.read_exact(&mut said).await.unwrap();
        assert_eq!(said[8..], *b"hello ");
        drop(host);
        assert_eq!(machine.read(&mut said).await.unwrap(), 0);
    });
}

#[test]
fn events_have_an_allowance_for_each_request() {
    run(async {
        let (host, mut events) = bridgehead("example.com:443", "example.com:443");
        let mut counts = Vec::new();
        for _ in 0..2 {
            host.begin_invocation();
            for _ in 0..70 {
                assert_eq!(wish(&host, "8.8.8.8:1").await, libc::ENETUNREACH);
            }
            let mut denied = 0;
            while let Ok(recorded) = events.try_recv() {
                denied += u32::from(matches!(recorded.event, Event::ConnectDenied { .. }));
            }
            counts.push(denied);
        }
        assert_eq!(counts, [64, 64]);
    });
}

/// Carries lines to a bridgehead in this process.
#[derive(Debug)]
struct Near(Arc<Bridgehead>);

impl Carrier for Near {
    fn open(&self, port: u16) -> LineOpening {
        let (inside, outside) = duplex(1024);
        self.0.lead(port, outside);
        Box::pin(async move { Ok(Box::new(inside) as Box<dyn Line>) })
    }
}

/// A way out whose sockets are of this test's own namespace, and where its resolver listens.
fn gateway(host: Bridgehead) -> (Arc<Gateway>, crate::egress::Tasks, SocketAddr) {
    let questions = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    questions.set_nonblocking(true).unwrap();
    let resolver = questions.local_addr().unwrap();
    let listener = || {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        OwnedFd::from(listener)
    };
    let sockets = Sockets { relay: listener(), questions: questions.into(), question_streams: listener() };
    let way = Way::Afar(Afar::new(Arc::new(Near(Arc::new(host)))));
    let (gateway, tasks) = Gateway::open(way, sockets).unwrap();
    (gateway, tasks, resolver)
}

fn fresh() -> OwnedFd {
    tokio::net::TcpSocket::new_v4().unwrap().as_fd().try_clone_to_owned().unwrap()
}

#[test]
fn both_ends_together_lead_a_socket_outside_and_give_the_numbers_of_errors() {
    run(async {
        let to = server().await;
        let closed = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let (host, mut events) = bridgehead(&format!("{to},{closed}"), "127.0.0.0/8:*");
        let (gateway, _tasks, resolver) = gateway(host);
        let socket = fresh();
        gateway.connect(9, &socket, to).await.unwrap();
        let mut stream = TcpStream::from_std(std::net::TcpStream::from(socket)).unwrap();
        stream.write_all(b"and back").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "hello and back");
        let refused = |number| Err(Refusal::Number(number));
        assert_eq!(gateway.connect(9, &fresh(), closed).await, refused(libc::ECONNREFUSED));
        assert_eq!(
            gateway.connect(9, &fresh(), "8.8.8.8:1".parse().unwrap()).await,
            refused(libc::ENETUNREACH)
        );
        assert_eq!(gateway.connect(9, &fresh(), "127.0.0.1:1".parse().unwrap()).await, Err(Refusal::Inside));
        let Way::Afar(afar) = gateway.way() else { panic!("it is afar") };
        let places = Arc::clone(&afar.open);
        let left = u32::try_from(places.available_permits()).unwrap();
        let taken = places.try_acquire_many_owned(left).unwrap();
        let public = "8.8.8.8:1".parse().unwrap();
        assert_eq!(gateway.connect(9, &fresh(), public).await, refused(libc::ECONNREFUSED));
        // What is inside needs no place outside.
        assert_eq!(gateway.connect(9, &fresh(), "127.0.0.1:1".parse().unwrap()).await, Err(Refusal::Inside));
        drop(taken);
        let connected = OwnedFd::from(std::net::TcpStream::connect(to).unwrap());
        assert_eq!(gateway.connect(9, &connected, to).await, refused(libc::EISCONN));
        assert_eq!(events.recv().await.unwrap().event, Event::Connecting { pid: 9, address: to, name: None });
        let asking = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        asking.send_to(&question("example.org"), resolver).await.unwrap();
        let mut answer = [0; 512];
        asking.recv(&mut answer).await.unwrap();
        assert_eq!(answer[3] & 15, 5);
    });
}
