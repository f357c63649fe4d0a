use std::{net::Ipv4Addr, os::fd::AsFd};

use tokio::{io::AsyncReadExt, sync::mpsc};

use super::*;
use crate::egress::Rules;

/// The process that connects.
pub(crate) const PID: u32 = 1;

pub(crate) fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

/// A way out whose sockets are of this test's own namespace.
pub(crate) fn gateway(rules: &str, ceiling: &str) -> (Arc<Gateway>, Tasks) {
    let questions = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listener = || {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        OwnedFd::from(listener)
    };
    questions.set_nonblocking(true).unwrap();
    let sockets = Sockets { relay: listener(), questions: questions.into(), question_streams: listener() };
    let rules = (Rules::parse(rules).unwrap(), Rules::parse(ceiling).unwrap());
    let outside = Outside::new(rules, CONNECTIONS_MAX, Arc::new(Recorder::new(mpsc::channel(8).0)));
    Gateway::open(Way::Here(Arc::new(outside)), sockets).unwrap()
}

/// Where its connections are made.
pub(crate) fn outside_of(gateway: &Gateway) -> &Outside {
    let Way::Here(outside) = gateway.way() else { panic!("it is here") };
    outside
}

/// A socket as a process makes it, neither bound nor connected. Event loops' kind: it does not wait.
pub(crate) fn fresh() -> OwnedFd {
    tokio::net::TcpSocket::new_v4().unwrap().as_fd().try_clone_to_owned().unwrap()
}

/// A server of this host that says hello to everybody.
pub(crate) async fn server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"hello").await;
        }
    }));
    address
}

#[test]
fn a_fresh_socket_is_led_to_an_address_that_both_lists_name() {
    run(async {
        let to = server().await;
        let (gateway, _tasks) = gateway(&to.to_string(), "127.0.0.0/8:*");
        let socket = fresh();
        gateway.connect(PID, &socket, to).await.unwrap();
        let stream = std::net::TcpStream::from(socket);
        let mut said = String::new();
        TcpStream::from_std(stream).unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "hello");
    });
}

#[test]
fn an_address_of_this_host_needs_a_host_that_means_it() {
    run(async {
        let to = server().await;
        // The function means it; the host's list is half the internet, or a name.
        for ceiling in ["0.0.0.0/0:*", "0.0.0.0/7:*", "localhost:*"] {
            let (gateway, _tasks) = gateway(&to.to_string(), ceiling);
            assert_eq!(
                gateway.connect(PID, &fresh(), to).await,
                Err(Refusal::Number(libc::ENETUNREACH)),
                "{ceiling}"
            );
        }
        // And the other way round.
        let (gateway, _tasks) = gateway("0.0.0.0/0:*", "127.0.0.1:*");
        assert_eq!(gateway.connect(PID, &fresh(), to).await, Err(Refusal::Number(libc::ENETUNREACH)));
    });
}

#[test]
fn a_socket_with_a_peer_is_not_led_elsewhere() {
    run(async {
        let to = server().await;
        let (gateway, _tasks) = gateway(&to.to_string(), &to.to_string());
        let connected = OwnedFd::from(std::net::TcpStream::connect(to).unwrap());
        assert_eq!(gateway.connect(PID, &connected, to).await, Err(Refusal::Number(libc::EISCONN)));
        assert!(gateway.expected().is_empty());
    });
}

#[test]
fn a_port_that_is_waited_for_keeps_its_connection() {
    run(async {
        let (to, other) = (server().await, server().await);
        let (gateway, _tasks) = gateway("127.0.0.1:*", "127.0.0.1:*");
        let socket = fresh();
        let port = socket::bound_port(&socket).unwrap();
        let opened =
            outside_of(&gateway).opening(other).unwrap().join_next().await.unwrap().unwrap().unwrap();
        let awaited = Expected { outer: Outer::Open(opened), to: other };
        gateway.expected().insert(port, awaited);
        assert_eq!(gateway.connect(PID, &socket, to).await, Err(Refusal::Number(libc::ECONNREFUSED)));
        assert_eq!(gateway.expected().get(&port).map(|expected| expected.to), Some(other));
    });
}

#[test]
fn whoever_comes_to_the_relay_unasked_is_sent_away() {
    run(async {
        let (gateway, _tasks) = gateway("127.0.0.1:*", "127.0.0.1:*");
        let mut stream = TcpStream::connect(gateway.relay).await.unwrap();
        let mut said = Vec::new();
        assert_eq!(stream.read_to_end(&mut said).await.unwrap(), 0);
    });
}

#[test]
fn connections_beyond_the_limit_are_refused_and_places_come_back() {
    run(async {
        let to = server().await;
        let (gateway, _tasks) = gateway("127.0.0.1:*", "127.0.0.1:*");
        let places = u32::try_from(CONNECTIONS_MAX).unwrap();
        let taken = outside_of(&gateway).places().try_acquire_many_owned(places).unwrap();
        assert_eq!(gateway.connect(PID, &fresh(), to).await, Err(Refusal::Number(libc::ECONNREFUSED)));
        drop(taken);
        assert_eq!(gateway.connect(PID, &fresh(), to).await, Ok(()));
    });
}

#[test]
fn what_is_on_its_way_still_arrives_after_one_side_has_ended() {
    run(async {
        let (mut process, mut inner) = tokio::io::duplex(64);
        let (mut server, mut outer) = tokio::io::duplex(64);
        let passing = tokio::spawn(async move { exchange(&mut inner, &mut outer).await });
        process.write_all(b"question").await.unwrap();
        process.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        text.clear();
        process.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
        assert!(passing.await.unwrap().is_ok());
    });
}
