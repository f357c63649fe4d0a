//! The supervisor's way out for one environment: decides, connects outside, and passes bytes between inside and outside.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use super::{counted::Counted, names::Names, rules::Rules, stub};
use crate::{accepting, pump::Recorder, spec::Event, sys::socket};

/// Sockets made inside the environment's network namespace for its way out.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) relay: OwnedFd,
    pub(crate) questions: OwnedFd,
    pub(crate) question_streams: OwnedFd,
}

/// See the module. One for each environment that has rules.
#[derive(Debug)]
pub(crate) struct Gateway {
    rules: Rules,
    /// What the host allows environments at all.
    ceiling: Rules,
    /// Where the relay listens, inside.
    relay: SocketAddr,
    names: Mutex<Names>,
    /// Connections on their way in, by the port inside from which they come.
    expected: Mutex<BTreeMap<u16, Expected>>,
    open: Arc<Semaphore>,
    /// Names being looked up; held until the host's resolver has answered, however long that takes.
    lookups: Arc<Semaphore>,
    connecting: Connecting,
    recorder: Arc<Recorder>,
}

/// Processes' `connect`s that wait for their answer; `None` when the environment is over.
type Connecting = Arc<Mutex<Option<JoinSet<()>>>>;

#[derive(Debug)]
struct Expected {
    outer: Outer,
    to: SocketAddr,
}

/// A connection outside, with its place among those of the environment.
type Opened = (TcpStream, OwnedSemaphorePermit);

/// What is dropped before its time ends with it.
#[derive(Debug)]
enum Outer {
    Open(Opened),
    /// The one task of the set is making it.
    Opening(JoinSet<io::Result<Opened>>),
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
    /// Opens the way out for rules under a ceiling; it is closed when the tasks are dropped.
    pub(crate) fn open(
        (rules, ceiling): (Rules, Rules),
        sockets: Sockets,
        recorder: Arc<Recorder>,
    ) -> io::Result<(Arc<Self>, Tasks)> {
        let relay = TcpListener::from_std(std::net::TcpListener::from(sockets.relay))?;
        let questions = UdpSocket::from_std(std::net::UdpSocket::from(sockets.questions))?;
        let streams = TcpListener::from_std(std::net::TcpListener::from(sockets.question_streams))?;
        let connecting: Connecting = Arc::new(Mutex::new(Some(JoinSet::new())));
        let gateway = Arc::new(Self {
            rules,
            ceiling,
            relay: relay.local_addr()?,
            names: Mutex::default(),
            expected: Mutex::default(),
            open: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            connecting: Arc::clone(&connecting),
            recorder,
        });
        let tasks = [
            tokio::spawn(stub::serve_datagrams(questions, Arc::clone(&gateway))).abort_handle(),
            tokio::spawn(stub::serve_streams(streams, Arc::clone(&gateway))).abort_handle(),
            tokio::spawn(Arc::clone(&gateway).relay(relay)).abort_handle(),
        ];
        Ok((gateway, Tasks { serving: tasks.to_vec(), connecting }))
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Places for names being looked up.
    pub(super) fn lookups(&self) -> Arc<Semaphore> {
        Arc::clone(&self.lookups)
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

    pub(super) fn record(&self, event: Event) {
        self.recorder.record(event);
    }

    pub(super) fn give(&self, name: &str, addresses: &[IpAddr], now: Instant) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for address in addresses {
            names.give(name, *address, now);
        }
    }

    /// Whether an address may be connected to, and the name for whose sake.
    pub(crate) fn allows(&self, to: SocketAddr, now: Instant) -> Option<Allowed> {
        if self.rules.allow_address(to) {
            return Some(Allowed { name: None });
        }
        if !Rules::is_fit_for_names(to.ip()) {
            return None;
        }
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names.of(to.ip(), now).find(|name| self.rules.allow_name(name, to.port()))?;
        Some(Allowed { name: Some(name.to_owned()) })
    }

    /// Leads `socket`, of the environment's namespace and not yet connected, to an address that is allowed. The error is the
    /// number the calling process gets.
    pub(crate) async fn connect(&self, socket: &OwnedFd, to: SocketAddr) -> Result<(), libc::c_int> {
        // Connected already, inside: to bind it and lead it elsewhere would be another's connection.
        if socket::has_peer(socket) {
            return Err(libc::EISCONN);
        }
        let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() else { return Err(libc::ECONNREFUSED) };
        let mut outer: JoinSet<io::Result<Opened>> = JoinSet::new();
        if !self.is_meant(to) && is_own_address(to.ip()) {
            return Err(libc::ENETUNREACH);
        }
        outer.spawn(async move { Ok((connect_outside(to).await?, permit)) });
        let patience = if socket::is_nonblocking(socket) { PATIENCE_OF_EVENT_LOOPS } else { CONNECT_TIMEOUT };
        let outer = match tokio::time::timeout(patience, outer.join_next()).await {
            Ok(Some(Ok(Ok(opened)))) => Outer::Open(opened),
            Ok(Some(Ok(Err(error)))) => return Err(error.raw_os_error().unwrap_or(libc::ETIMEDOUT)),
            Ok(Some(Err(_)) | None) => return Err(libc::ECONNABORTED),
            // An event loop must not stand still: the rest happens behind a connection that may yet be reset.
            Err(_) => Outer::Opening(outer),
        };
        let number = |error: io::Error| error.raw_os_error().unwrap_or(libc::EIO);
        let port = socket::bound_port(socket).map_err(number)?;
        match self.expected().entry(port) {
            // Another socket is on its way from there: it must not be given this one's connection.
            Entry::Occupied(_) => return Err(libc::ECONNREFUSED),
            Entry::Vacant(place) => place.insert(Expected { outer, to }),
        };
        let connected = socket::connect(socket, self.relay).await;
        connected.map_err(|error| {
            self.expected().remove(&port);
            number(error)
        })
    }

    /// Whether the function and the host both name the address as such: a name, or a network that is half the internet, means
    /// nothing of this host, whatever its addresses are.
    fn is_meant(&self, to: SocketAddr) -> bool {
        self.rules.name_particularly(to) && self.ceiling.name_particularly(to)
    }

    fn expected(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what was let in. A connection that nobody expects came without asking, and is closed.
    async fn relay(self: Arc<Self>, listener: TcpListener) {
        // They end with this task, which ends with the environment.
        let mut passing = JoinSet::new();
        while let Ok((inner, from)) = accepting::accept(&listener).await {
            while passing.try_join_next().is_some() {}
            let Some(expected) = self.expected().remove(&from.port()) else { continue };
            passing.spawn(pass(inner, expected, Arc::clone(&self.recorder)));
        }
    }
}

/// Why a connection may be made.
#[derive(Debug)]
pub(crate) struct Allowed {
    /// The name that led to the address; `None` where the address itself is named.
    pub(crate) name: Option<String>,
}

/// Whether an address is one of this host: then it is also the sender's on the way there. Nothing is sent.
fn is_own_address(ip: IpAddr) -> bool {
    let any = if ip.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let probe = std::net::UdpSocket::bind((any, 0)).and_then(|probe| {
        probe.connect((ip, ANY_PORT))?;
        probe.local_addr()
    });
    // What cannot be told leads nowhere either.
    probe.map_or(true, |local| local.ip() == ip)
}

async fn connect_outside(to: SocketAddr) -> io::Result<TcpStream> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(to)).await;
    connected.unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)))
}

async fn pass(inner: TcpStream, expected: Expected, recorder: Arc<Recorder>) {
    let Expected { outer, to } = expected;
    let opened = match outer {
        Outer::Open(opened) => Some(opened),
        Outer::Opening(mut opening) => opening.join_next().await.and_then(Result::ok).and_then(Result::ok),
    };
    let Some((outer, permit)) = opened else {
        // What was taken for connected is not: the process learns it by a reset.
        let _ = inner.set_zero_linger();
        return;
    };
    // Both sides decide by themselves when to wait for more bytes.
    let _ = (inner.set_nodelay(true), outer.set_nodelay(true));
    let (mut inner, mut outer) = (Counted::new(inner), Counted::new(outer));
    if exchange(&mut inner, &mut outer).await.is_err() {
        // A connection that broke must not look like one that ended, to either side.
        let _ = (inner.stream.set_zero_linger(), outer.stream.set_zero_linger());
    }
    recorder.record(Event::Disconnected { address: to, sent: inner.bytes_read, received: outer.bytes_read });
    drop(permit);
}

/// Passes bytes both ways until both sides have ended. One that goes on after the other has ended has a last while for it.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(inner: &mut S, outer: &mut S) -> io::Result<()> {
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

/// Whether an address stands for this machine's loopback, as connecting sees it.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    // Connecting to the unspecified address reaches loopback.
    let unspecified = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    address.to_canonical().is_loopback() || unspecified.contains(&address.to_canonical())
}

/// Where nothing is sent to.
const ANY_PORT: u16 = 9;
/// Connections of one environment at a time, those on their way included. Ours: a quarter of its descriptors.
const CONNECTIONS_MAX: usize = 256;
/// Names of one environment being looked up at a time.
const LOOKUPS_MAX: usize = 4;
/// How long a connection of which one side has ended may last. Ours: a minute, for the rest of an answer.
const HALF_OPEN_LIMIT: Duration = Duration::from_mins(1);
/// How long a connection outside may take. Linux gives up after some two minutes; ours is shorter than most functions.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a process that does not want to wait is made to.
const PATIENCE_OF_EVENT_LOOPS: Duration = Duration::from_millis(500);

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
