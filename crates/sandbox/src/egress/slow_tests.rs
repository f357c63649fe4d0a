use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, Interest},
    net::TcpStream,
    sync::oneshot,
};

use super::{
    super::{
        outside::Opened,
        relay::tests::{PID, fresh, gateway, outside_of, run, server},
    },
    *,
};
use crate::egress::Refusal;

/// A connection outside that takes until the test says what came of it.
fn opening() -> (Opening, oneshot::Sender<std::io::Result<Opened>>) {
    let (say, said) = oneshot::channel();
    let mut opening = Opening::new();
    opening.spawn(async move { said.await.map_err(std::io::Error::other)? });
    (opening, say)
}

fn begun(gateway: &Arc<Gateway>, to: SocketAddr) -> (OwnedFd, oneshot::Sender<std::io::Result<Opened>>) {
    let (socket, (outer, say)) = (fresh(), opening());
    assert_eq!(gateway.lead_slowly(&socket, outer, Expected::opening(to)).unwrap(), libc::EINPROGRESS);
    (socket, say)
}

async fn opened(gateway: &Gateway, to: SocketAddr) -> Opened {
    outside_of(gateway).opening(to).unwrap().join_next().await.unwrap().unwrap().unwrap()
}

/// What it is told when it is ready to be written to, as an event loop finds out.
async fn told(socket: OwnedFd) -> (TcpStream, Option<std::io::Error>) {
    let stream = TcpStream::from_std(std::net::TcpStream::from(socket)).unwrap();
    stream.ready(Interest::WRITABLE).await.unwrap();
    let error = stream.take_error().unwrap();
    (stream, error)
}

#[test]
fn a_socket_is_on_its_way_until_its_connection_outside_is_there() {
    run(async {
        let to = server().await;
        let (gateway, _tasks) = gateway("127.0.0.1:*", "127.0.0.1:*");
        let (socket, say) = begun(&gateway, to);
        assert!(!socket::has_peer(&socket));
        // Asked once more, as some event loops do: it is under way.
        assert_eq!(gateway.connect(PID, &socket, to).await, Err(Refusal::Number(libc::EALREADY)));
        // Nobody else waits for it.
        let other = fresh();
        gateway.connect(PID, &other, to).await.unwrap();
        assert!(socket::has_peer(&other) && !socket::has_peer(&socket));
        say.send(Ok(opened(&gateway, to).await)).unwrap();
        let (mut stream, error) = told(socket).await;
        assert!(error.is_none(), "{error:?}");
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "hello");
        assert!(gateway.silence().ports().is_empty() && gateway.expected().is_empty());
    });
}

#[test]
fn a_socket_whose_connection_outside_fails_learns_it_at_once_and_was_never_connected() {
    run(async {
        let to = server().await;
        let (gateway, _tasks) = gateway("127.0.0.1:*", "127.0.0.1:*");
        let (socket, say) = begun(&gateway, to);
        let kept = socket.try_clone().unwrap();
        say.send(Err(std::io::Error::from_raw_os_error(libc::ETIMEDOUT))).unwrap();
        let (_, error) = told(socket).await;
        assert_eq!(error.unwrap().raw_os_error(), Some(libc::ECONNRESET));
        assert!(!socket::has_peer(&kept));
        while !gateway.silence().ports().is_empty() || !gateway.expected().is_empty() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn whoever_comes_from_a_port_that_is_not_let_in_yet_is_not_answered() {
    run(async {
        let to = server().await;
        let (gateway, tasks) = gateway("127.0.0.1:*", "127.0.0.1:*");
        let (first, _say) = begun(&gateway, to);
        let (second, say) = begun(&gateway, to);
        let ports = [socket::port(&first).unwrap(), socket::port(&second).unwrap()];
        let mut silent = gateway.silence().ports();
        silent.sort_unstable();
        assert!(ports.iter().all(|port| silent.contains(port)) && silent.len() == 2);
        say.send(Ok(opened(&gateway, to).await)).unwrap();
        let (_stream, error) = told(second).await;
        assert!(error.is_none());
        assert_eq!(gateway.silence().ports(), [ports[0]]);
        assert!(!socket::has_peer(&first));
        // With the environment all of it ends.
        drop(tasks);
        tokio::task::yield_now().await;
        assert!(gateway.silence().begin(1).is_err());
    });
}
