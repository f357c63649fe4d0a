//! Starts that come to nothing: because they take too long, or after their request has been answered or given up. Nothing is left
//! of their environment: no process, no room, no credentials, and no answer.

use casemate_kernel::Peer;
use casemate_testkit::processes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::*;
use crate::{fair::Grant, isolate::Channel};

/// Says with which key it is loaded, and is when it is let; says then of each request which process it is for, and serves it
/// when it is let.
pub(crate) const HELD: &str = r"
import os, socket, uuid
def told(word):
    global line
    line = socket.create_connection(('127.0.0.1', 4566))
    line.sendall(word.encode() + b'\n')
    return line.recv(1)
if told('loads ' + os.environ.get('AWS_ACCESS_KEY_ID', 'without')) != b'g':
    # Its connection ends with the process.
    raise KeyError('as it was told')
line.close()
me = uuid.uuid4().hex
def handler(event, context):
    told('serves ' + me)
    return me
";

/// Connections from inside.
pub(crate) struct Lines(mpsc::UnboundedReceiver<(Channel, Peer)>);

impl Lines {
    /// The next one, and what it said.
    pub(super) async fn next(&mut self) -> (Channel, String) {
        let (mut line, from) = self.0.recv().await.unwrap();
        // Who does something for somebody, has its credentials for it.
        assert!(matches!(from, Peer::Environment { at_work: true, .. }), "{from:?}");
        let mut said = Vec::new();
        while !said.ends_with(b"\n") {
            said.push(line.read_u8().await.unwrap());
        }
        (line, String::from_utf8(said).unwrap().trim_end().to_owned())
    }

    pub(crate) async fn next_of(&mut self, what: &str) -> (Channel, String) {
        let (line, said) = self.next().await;
        let about = said.strip_prefix(what).unwrap_or_else(|| panic!("{said}, not {what}")).trim().to_owned();
        (line, about)
    }

    pub(super) fn is_quiet(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

pub(crate) async fn go_on(mut line: Channel) {
    line.write_all(b"g").await.unwrap();
}

async fn fail(line: &mut Channel) {
    line.write_all(b"x").await.unwrap();
}

/// Resolves when nobody inside holds the other end.
async fn is_over(mut line: Channel) {
    while matches!(line.read(&mut [0]).await, Ok(1..)) {}
}

pub(crate) fn held(places_max: usize) -> (Arc<super::Host>, Lines) {
    held_in_turns(places_max, Turns::default())
}

pub(super) fn held_in_turns(places_max: usize, turns: Turns) -> (Arc<super::Host>, Lines) {
    let (arrived, lines) = mpsc::unbounded_channel();
    let serve: crate::ServeConnection = Arc::new(move |origin| {
        let arrived = arrived.clone();
        Box::new(move |line, _place| drop(arrived.send((line, origin()))))
    });
    (Arc::new(host_in_turns(places_max, turns, serve)), Lines(lines))
}

impl super::Host {
    pub(super) fn ask(
        self: &Arc<Self>,
        function: &Arc<Function>,
    ) -> tokio::task::JoinHandle<Result<String, Error>> {
        let (host, function) = (Arc::clone(self), Arc::clone(function));
        tokio::spawn(async move { host.invoke(&function, "{}").await })
    }

    pub(super) fn room_held(&self, function: &Function) -> usize {
        self.invoker.host.as_ref().unwrap().room.held(&function.arn)
    }

    /// Waits until no credentials of this key are left.
    pub(super) async fn is_revoked(&self, key: &str) {
        while self.env.sessions().unwrap().account_of_key(key).unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    }
}

/// Environments of the function: of its processes those that a spawner has started, which is this process's child.
fn environments(function: &Function) -> usize {
    let spawned = |pid: &u32| processes::parent(*pid).and_then(processes::parent) == Some(std::process::id());
    processes::with_variable("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .iter()
        .filter(|pid| spawned(pid))
        .count()
}

async fn only(function: &Function, count: usize) {
    while environments(function) != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_start_that_takes_too_long_nothing_is_left() {
    let (host, mut lines) = held(4);
    let f = host.function("takes-too-long", HELD, &[]).await;
    let own = host.invoker.host.clone().unwrap();
    let mut limit = Duration::from_millis(100);
    // However slow the machine is, once it has come so far that it says something.
    let (line, key) = loop {
        let Ok(Grant::Place(berth)) = host.invoker.room(&own, &f).await else { panic!("no room") };
        let started = own.start(start::order(&f, Purpose::OnDemand, limit, berth, None)).await;
        assert!(matches!(started, Err(NotStarted::TimedOut(_))), "{started:?}");
        assert_eq!(host.room_held(&f), 0);
        if !lines.0.is_empty() {
            break lines.next_of("loads").await;
        }
        limit *= 2;
    };
    is_over(line).await;
    only(&f, 0).await;
    host.is_revoked(&key).await;
    assert!(lines.is_quiet(), "it goes on, or is begun again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_when_its_caller_has_gone_gives_back_all_it_had() {
    let (host, mut lines) = held(4);
    let mut f = Function::clone(&*host.function("caller-has-gone", HELD, &[]).await);
    f.reserved = Some(1);
    let f = Arc::new(f);
    let request = host.ask(&f);
    let (mut line, key) = lines.next_of("loads").await;
    assert!(host.env.sessions().unwrap().account_of_key(&key).unwrap().is_some());
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    assert_eq!((environments(&f), host.room_held(&f)), (1, 1));
    let refused = host.invoke(&f, "{}").await;
    assert!(matches!(refused, Err(Error::TooManyRequestsException(_))), "{refused:?}");
    fail(&mut line).await;
    is_over(line).await;
    only(&f, 0).await;
    host.is_revoked(&key).await;
    while host.room_held(&f) > 0 {
        tokio::task::yield_now().await;
    }
    assert!(lines.is_quiet(), "nobody asked for another");
    // Its place among the requests that run is free again, too: the next one is begun, and answered once.
    let next = host.ask(&f);
    go_on(lines.next_of("loads").await.0).await;
    let (line, by) = lines.next_of("serves").await;
    go_on(line).await;
    assert_eq!(next.await.unwrap().unwrap(), format!("{by:?}"));
    assert!(lines.is_quiet());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_after_its_request_was_answered_elsewhere_is_nobodys_answer() {
    let (host, mut lines) = held(8);
    let (f, ()) = tokio::join!(host.active(HELD), async { go_on(lines.next_of("loads").await.0).await });
    let first = host.ask(&f);
    let (line, by) = lines.next_of("serves").await;
    // The second one finds none, and another is begun for it. It goes on in the first one's, which is there before.
    let second = host.ask(&f);
    let (mut late, _) = lines.next_of("loads").await;
    assert_eq!((environments(&f), host.room_held(&f)), (2, 2));
    go_on(line).await;
    assert_eq!(first.await.unwrap().unwrap(), format!("{by:?}"));
    let (line, same) = lines.next_of("serves").await;
    assert_eq!(same, by);
    go_on(line).await;
    assert_eq!(second.await.unwrap().unwrap(), format!("{by:?}"));
    fail(&mut late).await;
    is_over(late).await;
    only(&f, 1).await;
    while host.room_held(&f) > 1 {
        tokio::task::yield_now().await;
    }
    assert!(lines.is_quiet(), "no other is begun, and none serves what has been served");
    let third = host.ask(&f);
    let (line, same) = lines.next_of("serves").await;
    go_on(line).await;
    assert_eq!((third.await.unwrap().unwrap(), same), (format!("{by:?}"), by));
}
