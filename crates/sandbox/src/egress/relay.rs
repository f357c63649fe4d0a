//! The supervisor's way out for one environment: decides, connects outside, and passes bytes between inside and outside.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{AbortHandle, JoinHandle, JoinSet},
    time::Instant,
};

use super::{RELAY_PORT, counted::Counted, names::Names, rules::Rules, stub};
use crate::{pump::Recorder, spec::Event, sys::socket};

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
    names: Mutex<Names>,
    /// Connections on their way in, by the port inside from which they come.
    expected: Mutex<BTreeMap<u16, Expected>>,
    open: Arc<Semaphore>,
    recorder: Arc<Recorder>,
}

#[derive(Debug)]
struct Expected {
    outer: JoinHandle<io::Result<TcpStream>>,
    to: SocketAddr,
    permit: OwnedSemaphorePermit,
}

/// Ends the tasks of an environment's way out when dropped.
#[derive(Debug)]
pub(crate) struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Gateway {
    /// Opens the way out; it is closed when the tasks are dropped.
    pub(crate) fn open(
        rules: Rules,
        sockets: Sockets,
        recorder: Arc<Recorder>,
    ) -> io::Result<(Arc<Self>, Tasks)> {
        let relay = TcpListener::from_std(std::net::TcpListener::from(sockets.relay))?;
        let questions = UdpSocket::from_std(std::net::UdpSocket::from(sockets.questions))?;
        let streams = TcpListener::from_std(std::net::TcpListener::from(sockets.question_streams))?;
        let gateway = Arc::new(Self {
            rules,
            names: Mutex::default(),
            expected: Mutex::default(),
            open: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            recorder,
        });
        let tasks = [
            tokio::spawn(stub::serve_datagrams(questions, Arc::clone(&gateway))).abort_handle(),
            tokio::spawn(stub::serve_streams(streams, Arc::clone(&gateway))).abort_handle(),
            tokio::spawn(Arc::clone(&gateway).relay(relay)).abort_handle(),
        ];
        Ok((gateway, Tasks(tasks.to_vec())))
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
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
        let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() else { return Err(libc::ECONNREFUSED) };
        let mut outer = tokio::spawn(connect_outside(to));
        let patience = if socket::is_nonblocking(socket) { PATIENCE_OF_EVENT_LOOPS } else { CONNECT_TIMEOUT };
        let outer = match tokio::time::timeout(patience, &mut outer).await {
            Ok(Ok(Ok(stream))) => tokio::spawn(std::future::ready(Ok(stream))),
            Ok(Ok(Err(error))) => return Err(error.raw_os_error().unwrap_or(libc::ETIMEDOUT)),
            Ok(Err(_)) => return Err(libc::ECONNABORTED),
            // An event loop must not stand still: the rest happens behind a connection that may yet be reset.
            Err(_) => outer,
        };
        let number = |error: io::Error| error.raw_os_error().unwrap_or(libc::EIO);
        let port = socket::bound_port(socket).map_err(number)?;
        self.expected().insert(port, Expected { outer, to, permit });
        let connected = socket::connect(socket, SocketAddr::from((Ipv4Addr::LOCALHOST, RELAY_PORT))).await;
        connected.map_err(|error| {
            self.expected().remove(&port);
            number(error)
        })
    }

    fn expected(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what was let in. A connection that nobody expects came without asking, and is closed.
    async fn relay(self: Arc<Self>, listener: TcpListener) {
        // They end with this task, which ends with the environment.
        let mut passing = JoinSet::new();
        while let Ok((inner, from)) = listener.accept().await {
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

async fn connect_outside(to: SocketAddr) -> io::Result<TcpStream> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(to)).await;
    connected.unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)))
}

async fn pass(inner: TcpStream, expected: Expected, recorder: Arc<Recorder>) {
    let Expected { outer, to, permit } = expected;
    let Ok(Ok(outer)) = outer.await else {
        // What was taken for connected is not: the process learns it by a reset.
        let _ = inner.set_zero_linger();
        return;
    };
    // Both sides decide by themselves when to wait for more bytes.
    let _ = (inner.set_nodelay(true), outer.set_nodelay(true));
    let (mut inner, mut outer) = (Counted::new(inner), Counted::new(outer));
    if copy_bidirectional(&mut inner, &mut outer).await.is_err() {
        // A connection that broke must not look like one that ended, to either side.
        let _ = (inner.stream.set_zero_linger(), outer.stream.set_zero_linger());
    }
    recorder.record(Event::Disconnected { address: to, sent: inner.bytes_read, received: outer.bytes_read });
    drop(permit);
}

/// Whether an address stands for this machine's loopback, as connecting sees it.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    // Connecting to the unspecified address reaches loopback.
    let unspecified = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    address.to_canonical().is_loopback() || unspecified.contains(&address.to_canonical())
}

/// Connections of one environment at a time, those on their way included. Ours: a quarter of its descriptors.
const CONNECTIONS_MAX: usize = 256;
/// How long a connection outside may take. Linux gives up after some two minutes; ours is shorter than most functions.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a process that does not want to wait is made to.
const PATIENCE_OF_EVENT_LOOPS: Duration = Duration::from_millis(500);
