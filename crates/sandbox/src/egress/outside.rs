//! What is outside for one environment: decides what its rules allow, and makes the connections.
//!
//! Who asks may be a supervisor beside the process, or a machine that says what it likes: nothing of the decision is theirs.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::Instant,
};

use super::{RELAY_PORT, RESOLVER_PORT, line::Line, names::Names, rules::Rules};
use crate::{
    pump::Recorder,
    spec::{AWS_ENDPOINT_PORT, Event, RUNTIME_API_PORT},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Outside {
    rules: Rules,
    /// What the host allows environments at all.
    ceiling: Rules,
    names: Mutex<Names>,
    open: Arc<Semaphore>,
    /// Names being looked up; held until the host's resolver has answered, however long that takes.
    lookups: Arc<Semaphore>,
    recorder: Arc<Recorder>,
}

/// A connection outside, with its place among those of the environment.
pub(super) type Opened = (Box<dyn Line>, OwnedSemaphorePermit);
/// The one task of the set makes it. What is dropped before its time ends with it.
pub(super) type Opening = JoinSet<io::Result<Opened>>;

/// What becomes of a connection to an address.
#[derive(Debug)]
pub(crate) enum Ruling {
    /// It may be made.
    Allowed(Allowed),
    /// The address is of the environment's own loopback, which holds what reaches it.
    Inside,
    /// It is refused.
    Denied,
}

/// Why a connection may be made.
#[derive(Debug)]
pub(crate) struct Allowed {
    /// The name that led to the address; `None` where the address itself is named.
    pub(crate) name: Option<String>,
}

impl Outside {
    /// For rules under a ceiling, with so many connections at a time.
    pub(crate) fn new(
        (rules, ceiling): (Rules, Rules),
        connections_max: usize,
        recorder: Arc<Recorder>,
    ) -> Self {
        Self {
            rules,
            ceiling,
            names: Mutex::default(),
            open: Arc::new(Semaphore::new(connections_max)),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            recorder,
        }
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Places for names being looked up.
    pub(super) fn lookups(&self) -> Arc<Semaphore> {
        Arc::clone(&self.lookups)
    }

    pub(super) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
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
    pub(crate) fn ruling(&self, to: SocketAddr, now: Instant) -> Ruling {
        let inside = is_loopback(to.ip());
        match self.allows(to, now) {
            Some(allowed) if !(inside && is_own(to)) => Ruling::Allowed(allowed),
            // Loopback of the environment's own namespace: the same barrier.
            _ if inside => Ruling::Inside,
            _ => Ruling::Denied,
        }
    }

    fn allows(&self, to: SocketAddr, now: Instant) -> Option<Allowed> {
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

    /// Begins a connection to an address that is allowed. The error is the number the calling process gets.
    pub(super) fn opening(&self, to: SocketAddr) -> Result<Opening, libc::c_int> {
        let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() else { return Err(libc::ECONNREFUSED) };
        if !self.is_meant(to) && is_own_address(to.ip()) {
            return Err(libc::ENETUNREACH);
        }
        let mut opening = Opening::new();
        opening.spawn(async move { Ok((connect(to).await?, permit)) });
        Ok(opening)
    }

    /// Whether the function and the host both name the address as such: a name, or a network that is half the internet, means
    /// nothing of this host, whatever its addresses are.
    fn is_meant(&self, to: SocketAddr) -> bool {
        self.rules.name_particularly(to) && self.ceiling.name_particularly(to)
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.open)
    }
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

async fn connect(to: SocketAddr) -> io::Result<Box<dyn Line>> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(to)).await;
    let stream = connected.unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)))?;
    // Both sides decide by themselves when to wait for more bytes.
    let _ = stream.set_nodelay(true);
    Ok(Box::new(stream))
}

/// Whether an address stands for this machine's loopback, as connecting sees it.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    // Connecting to the unspecified address reaches loopback.
    let unspecified = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    address.to_canonical().is_loopback() || unspecified.contains(&address.to_canonical())
}

/// The environment's own listeners are never anybody else's.
pub(super) fn is_own(to: SocketAddr) -> bool {
    [RUNTIME_API_PORT, AWS_ENDPOINT_PORT, RELAY_PORT, RESOLVER_PORT].contains(&to.port())
}

/// Where nothing is sent to.
const ANY_PORT: u16 = 9;
/// Names of one environment being looked up at a time.
const LOOKUPS_MAX: usize = 4;
/// How long a connection outside may take. Linux gives up after some two minutes; ours is shorter than most functions.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_hosts_addresses_are_its_own() {
        assert!(is_own_address(Ipv4Addr::LOCALHOST.into()) && is_own_address(Ipv6Addr::LOCALHOST.into()));
    }
}
