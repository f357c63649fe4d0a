//! The supervisor's way out for one environment: leads its sockets to the relay, and passes bytes between inside and outside.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use super::{
    afar::Afar,
    counted::Counted,
    line::Line,
    outside::{CONNECT_TIMEOUT, Opened, Opening, Outside, Ruling, is_loopback, is_own},
    slow::Silence,
    stub,
};
use crate::{accepting, pump::Recorder, spec::Event, sys::socket};

/// Sockets made inside the environment's network namespace for its way out.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) relay: OwnedFd,
    pub(crate) questions: OwnedFd,
    pub(crate) question_streams: OwnedFd,
}

/// See the module. One for each environment that has a way out.
#[derive(Debug)]
pub(crate) struct Gateway {
    way: Way,
    /// Where the relay listens, inside.
    relay: SocketAddr,
    /// Connections on their way in, by the port inside from which they come.
    expected: Mutex<BTreeMap<u16, Expected>>,
    silence: Silence,
    connecting: Connecting,
}

/// Where it is decided what is allowed, and where connections outside are made.
#[derive(Debug)]
pub(crate) enum Way {
    /// In this process.
    Here(Arc<Outside>),
    /// In another, which is asked.
    Afar(Afar),
}

/// What is known of an address before it is connected to.
#[derive(Debug)]
pub(crate) enum Prospect {
    /// What becomes of it.
    Known(Ruling),
    /// Whoever is asked will say.
    Asked,
}

/// Why a socket was not led outside.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The number the calling process gets.
    Number(libc::c_int),
    /// The address is of the environment's own loopback: the call goes on as it is.
    Inside,
}

/// Processes' `connect`s that wait for their answer; `None` when the environment is over.
type Connecting = Arc<Mutex<Option<JoinSet<()>>>>;

#[derive(Debug)]
pub(super) struct Expected {
    pub(super) outer: Outer,
    to: SocketAddr,
}

impl Expected {
    /// One whose connection outside is being made.
    pub(super) fn opening(to: SocketAddr) -> Self {
        Self { outer: Outer::Opening, to }
    }
}

/// What is dropped before its time ends with it.
#[derive(Debug)]
pub(super) enum Outer {
    Open(Opened),
    /// It is being made; until then nobody is let in.
    Opening,
}

/// Ends the tasks of an environment's way out when dropped.
#[derive(Debug)]
pub(crate) struct Tasks {
    serving: Vec<AbortHandle>,
    connecting: Connecting,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.serving {
            task.abort();
        }
        // Dropping the set ends its tasks.
        drop(self.connecting.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Gateway {
    /// Opens the way out; it is closed when the tasks are dropped.
    pub(crate) fn open(way: Way, sockets: Sockets) -> io::Result<(Arc<Self>, Tasks)> {
        let relay = Arc::new(TcpListener::from_std(std::net::TcpListener::from(sockets.relay))?);
        let questions = UdpSocket::from_std(std::net::UdpSocket::from(sockets.questions))?;
        let streams = TcpListener::from_std(std::net::TcpListener::from(sockets.question_streams))?;
        let connecting: Connecting = Arc::new(Mutex::new(Some(JoinSet::new())));
        let gateway = Arc::new(Self {
            way,
            relay: relay.local_addr()?,
            expected: Mutex::default(),
            silence: Silence::of(&relay),
            connecting: Arc::clone(&connecting),
        });
        let tasks = [
            tokio::spawn(stub::serve_datagrams(questions, Arc::clone(&gateway))).abort_handle(),
            tokio::spawn(stub::serve_streams(streams, Arc::clone(&gateway))).abort_handle(),
            tokio::spawn(Arc::clone(&gateway).relay(relay)).abort_handle(),
        ];
        Ok((gateway, Tasks { serving: tasks.to_vec(), connecting }))
    }

    /// Runs what answers a `connect`; it ends with the environment.
    pub(crate) fn run(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
        runtime: &tokio::runtime::Handle,
    ) {
        let mut connecting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = connecting.as_mut() else { return };
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(work, runtime);
    }

    /// What is known of an address at once.
    pub(crate) fn prospect(&self, to: SocketAddr, now: Instant) -> Prospect {
        match &self.way {
            Way::Here(outside) => Prospect::Known(outside.ruling(to, now)),
            Way::Afar(_) if is_loopback(to.ip()) && is_own(to) => Prospect::Known(Ruling::Inside),
            Way::Afar(_) => Prospect::Asked,
        }
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Leads `socket`, of the environment's namespace and not yet connected, to an address that is allowed or to be asked
    /// about, for the process `pid`.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        pid: u32,
        socket: &OwnedFd,
        to: SocketAddr,
    ) -> Result<(), Refusal> {
        // Connected already, inside: to bind it and lead it elsewhere would be another's connection.
        if socket::has_peer(socket) {
            return Err(Refusal::Number(libc::EISCONN));
        }
        if self.is_on_its_way(socket) {
            return Err(Refusal::Number(libc::EALREADY));
        }
        let outer = match &self.way {
            Way::Here(outside) => outside.opening(to).map_err(Refusal::Number)?,
            Way::Afar(afar) => afar.opening(pid, to).await?,
        };
        self.lead(socket, outer, to).await.map_err(Refusal::Number)
    }

    async fn lead(
        self: &Arc<Self>,
        socket: &OwnedFd,
        mut outer: Opening,
        to: SocketAddr,
    ) -> Result<(), libc::c_int> {
        let number = |error: io::Error| error.raw_os_error().unwrap_or(libc::EIO);
        let patience = if socket::is_nonblocking(socket) { PATIENCE_OF_EVENT_LOOPS } else { CONNECT_TIMEOUT };
        let opened = match tokio::time::timeout(patience, outer.join_next()).await {
            Ok(Some(Ok(Ok(opened)))) => opened,
            Ok(Some(Ok(Err(error)))) => return Err(error.raw_os_error().unwrap_or(libc::ETIMEDOUT)),
            Ok(Some(Err(_)) | None) => return Err(libc::ECONNABORTED),
            // An event loop must not stand still.
            Err(_) => {
                return Err(self.lead_slowly(socket, outer, Expected::opening(to)).unwrap_or_else(number));
            }
        };
        let port = socket::bound_port(socket).map_err(number)?;
        if !self.expect(port, Expected { outer: Outer::Open(opened), to }) {
            return Err(libc::ECONNREFUSED);
        }
        let connected = socket::connect(socket, self.relay).await;
        connected.map_err(|error| {
            self.expected().remove(&port);
            number(error)
        })
    }

    /// `false`: another socket is on its way from that port, and must not be given this one's connection.
    pub(super) fn expect(&self, port: u16, expected: Expected) -> bool {
        match self.expected().entry(port) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(expected);
                true
            }
        }
    }

    /// Whether it waits for a connection outside that takes its time.
    fn is_on_its_way(&self, socket: &OwnedFd) -> bool {
        let waits = |port| self.expected().get(&port).is_some_and(|it| matches!(it.outer, Outer::Opening));
        socket::port(socket).is_ok_and(waits)
    }

    pub(super) fn silence(&self) -> &Silence {
        &self.silence
    }

    pub(super) fn relay_address(&self) -> SocketAddr {
        self.relay
    }

    pub(super) fn expected(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what was let in. A connection that nobody expects came without asking, and is closed.
    async fn relay(self: Arc<Self>, listener: Arc<TcpListener>) {
        // They end with this task, which ends with the environment.
        let mut passing = JoinSet::new();
        while let Ok((inner, from)) = accepting::accept(&listener).await {
            while passing.try_join_next().is_some() {}
            let Some(expected) = self.expected().remove(&from.port()) else { continue };
            // Who makes the connections records what became of them.
            let recorder = match &self.way {
                Way::Here(outside) => Some(Arc::clone(outside.recorder())),
                Way::Afar(_) => None,
            };
            passing.spawn(admit(inner, expected, recorder));
        }
    }
}

async fn admit(mut inner: TcpStream, expected: Expected, recorder: Option<Arc<Recorder>>) {
    let Expected { outer, to } = expected;
    let Outer::Open(opened) = outer else {
        // Whoever comes before his time comes unasked.
        inner.sever();
        return;
    };
    let _ = inner.set_nodelay(true);
    pass(inner, opened, (to, recorder)).await;
}

/// Passes bytes until both sides have ended, or one has broken.
pub(super) async fn pass(
    inner: impl Line,
    (outer, permit): Opened,
    (to, recorder): (SocketAddr, Option<Arc<Recorder>>),
) {
    let (mut inner, mut outer) = (Counted::new(inner), Counted::new(outer));
    if exchange(&mut inner, &mut outer).await.is_err() {
        // A connection that broke must not look like one that ended, to either side.
        inner.stream.sever();
        outer.stream.sever();
    }
    if let Some(recorder) = recorder {
        let (sent, received) = (inner.bytes_read, outer.bytes_read);
        recorder.record(Event::Disconnected { address: to, sent, received });
    }
    drop(permit);
}

/// Passes bytes both ways until both sides have ended. One that goes on after the other has ended has a last while for it.
async fn exchange(
    inner: &mut (impl AsyncRead + AsyncWrite + Unpin),
    outer: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<()> {
    let (from_inner, to_inner) = tokio::io::split(inner);
    let (from_outer, to_outer) = tokio::io::split(outer);
    let mut out = std::pin::pin!(one_way(from_inner, to_outer));
    let mut back = std::pin::pin!(one_way(from_outer, to_inner));
    let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut));
    tokio::select! {
        done = &mut out => {
            done?;
            tokio::time::timeout(HALF_OPEN_LIMIT, back).await.unwrap_or_else(late)
        }
        done = &mut back => {
            done?;
            tokio::time::timeout(HALF_OPEN_LIMIT, out).await.unwrap_or_else(late)
        }
    }
}

async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}

/// Connections of one environment at a time, those on their way included. Ours: a quarter of its descriptors.
pub(crate) const CONNECTIONS_MAX: usize = 256;
/// How long a connection of which one side has ended may last. Ours: a minute, for the rest of an answer.
const HALF_OPEN_LIMIT: Duration = Duration::from_mins(1);
/// How long a process that does not want to wait is made to.
const PATIENCE_OF_EVENT_LOOPS: Duration = Duration::from_millis(500);

#[cfg(test)]
#[path = "relay_tests.rs"]
pub(super) mod tests;
