//! Which of the processes that have begun since are ended, and which ask for what comes next.

use std::{io, net::SocketAddr};

use casemate_sandbox::{Environment, EnvironmentSpec, Residents, Tick, Unclear};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    functional::{echo, living_below},
    harness::{PYTHON_PRELUDE, driver, package, python, run, spec},
};

/// `w` begins a process that begins two: one that waits over a connection of its own, and one beside it. `f` begins one that forks
/// and ends again and again, `m` begins seventy that stay; `o` opens a connection of the runtime's
/// own, `r` begins a process that waits over it.
const ASKS: &str = "
import signal
# Takes the ends of all that are left to it.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def stay():
    while True: signal.pause()
def wait(own):
    while (byte := own.recv(1)): own.send(byte)
    stay()
own = []
s = socket.create_connection(('127.0.0.1', 9001))
while True:
    byte = s.recv(1)
    if not byte: break
    if byte == b'w' and os.fork() == 0:
        if os.fork() == 0: stay()
        if os.fork() == 0: wait(socket.create_connection(('127.0.0.1', 9001)))
        stay()
    if byte == b'o': own.append(socket.create_connection(('127.0.0.1', 9001)))
    if byte == b'r' and os.fork() == 0: wait(own[0])
    if byte == b'm':
        for _ in range(70):
            if os.fork() == 0: stay()
    if byte == b'f' and os.fork() == 0:
        s.close(); os.setsid()
        while True:
            try:
                if os.fork() > 0: os._exit(0)
            except OSError: pass
    s.send(byte)
";

/// An environment, what it began with, and the connection by which it is told what to do.
struct Asks {
    environment: Environment,
    residents: Residents,
    told: TcpStream,
    since: Tick,
    _code: TempDir,
}

impl Asks {
    async fn start() -> Self {
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{ASKS}"));
        let spec = EnvironmentSpec { pids_max: 128, ..spec(python().await, code.path()) };
        let environment = driver().await.start(spec).await.unwrap();
        let (mut told, _) = environment.runtime_api().accept().await.unwrap();
        echo(&mut told, b'0').await;
        let residents = environment.residents().unwrap();
        Self { environment, residents, told, since: Tick::now().unwrap(), _code: code }
    }

    async fn tell(&mut self, what: u8) {
        echo(&mut self.told, what).await;
    }

    /// Has a connection made, and answers the end of it here.
    async fn connected(&mut self, what: u8) -> (TcpStream, SocketAddr) {
        self.tell(what).await;
        self.environment.runtime_api().accept().await.unwrap()
    }

    async fn end_strays(&self, connections: &[&[SocketAddr]]) -> io::Result<usize> {
        let connections = connections.iter().map(|same| same.to_vec()).collect();
        self.environment.end_strays(&self.residents.clone().and_asking(self.since, connections)).await
    }

    fn living(&self) -> usize {
        living_below(self.environment.pid()).len()
    }
}

fn unclear(ended: io::Result<usize>) -> Unclear {
    *ended.unwrap_err().get_ref().unwrap().downcast_ref::<Unclear>().unwrap()
}

#[test]
fn who_waits_stays_with_what_was_begun_for_that_and_what_forks_without_pause_does_not() {
    run(async {
        let (mut asks, mut told) = (Asks::start().await, 0);
        for _ in 0..24 {
            asks.tell(b'f').await;
            let (mut stream, from) = asks.connected(b'w').await;
            match asks.end_strays(&[&[from]]).await {
                Ok(ended) => assert!(ended > 0),
                // On a busy machine what has ended takes its time to go, and forks faster than that.
                error => {
                    assert_eq!(unclear(error), Unclear::TooMany);
                    asks.environment.stop().await;
                    asks = Asks::start().await;
                    continue;
                }
            }
            told += 1;
            assert_eq!(asks.living(), 3, "it, whoever began it, and its neighbour");
            assert_eq!(asks.end_strays(&[&[from]]).await.unwrap(), 0);
            echo(&mut stream, b'x').await;
            // Nobody waits any more.
            assert_eq!(asks.end_strays(&[]).await.unwrap(), 3);
            assert_eq!(asks.living(), 0);
            if told == 8 {
                break;
            }
        }
        assert_eq!(told, 8);
        asks.environment.stop().await;
    });
}

/// Signals stop one process after another, so that one which forks meanwhile may be more than are looked at when all stand still.
#[test]
fn what_forks_while_signals_stop_it_is_ended_or_too_many_to_tell() {
    run(async {
        let mut asks = Asks::start().await;
        asks.tell(b'f').await;
        let (_stream, from) = asks.connected(b'w').await;
        match asks.end_strays(&[&[from]]).await {
            Ok(ended) => assert!(ended > 0 && asks.living() == 3, "{ended} ended"),
            error => assert_eq!(unclear(error), Unclear::TooMany),
        }
        asks.environment.stop().await;
    });
}

#[test]
fn where_the_runtime_itself_waits_nobody_else_stays() {
    run(async {
        let mut asks = Asks::start().await;
        asks.tell(b'f').await;
        let (_stream, from) = asks.connected(b'o').await;
        assert!(asks.end_strays(&[&[from]]).await.unwrap() > 0);
        assert_eq!(asks.living(), 0);
        asks.environment.stop().await;
    });
}

#[test]
fn who_reads_from_the_connection_that_the_runtime_has_made_stays() {
    run(async {
        let mut asks = Asks::start().await;
        asks.tell(b'f').await;
        let (mut stream, from) = asks.connected(b'o').await;
        asks.tell(b'r').await;
        assert!(asks.end_strays(&[&[from]]).await.unwrap() > 0);
        assert_eq!(asks.living(), 1);
        echo(&mut stream, b'x').await;
        asks.environment.stop().await;
    });
}

#[test]
fn who_waits_and_was_there_before_does_not_stay() {
    run(async {
        let mut asks = Asks::start().await;
        let (_stream, from) = asks.connected(b'w').await;
        let begun = Tick::now().unwrap();
        while asks.since <= begun {
            asks.since = Tick::now().unwrap();
        }
        assert_eq!(asks.end_strays(&[&[from]]).await.unwrap(), 3);
        assert_eq!(asks.living(), 0);
        asks.environment.stop().await;
    });
}

#[test]
fn of_several_that_wait_for_the_same_none_is_taken_for_the_runtime() {
    run(async {
        let mut asks = Asks::start().await;
        let ((_one, first), (_other, second)) = (asks.connected(b'w').await, asks.connected(b'w').await);
        assert_eq!(unclear(asks.end_strays(&[&[first, second]]).await), Unclear::SeveralAsk);
        // Each for its own: a runtime and its extension.
        assert_eq!(asks.end_strays(&[&[first], &[second]]).await.unwrap(), 0);
        assert_eq!(asks.living(), 6);
        asks.environment.stop().await;
    });
}

#[test]
fn it_is_an_error_that_nobody_is_seen_to_wait_or_too_many_may() {
    run(async {
        let mut asks = Asks::start().await;
        let (_stream, from) = asks.connected(b'w').await;
        let elsewhere = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(unclear(asks.end_strays(&[&[elsewhere]]).await), Unclear::NobodyAsks);
        asks.tell(b'm').await;
        assert_eq!(unclear(asks.end_strays(&[&[from]]).await), Unclear::TooMany);
        asks.environment.stop().await;
    });
}
