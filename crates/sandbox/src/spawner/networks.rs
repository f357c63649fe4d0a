//! Network namespaces that were made ahead, while nobody waited: making one costs more than all other namespaces together.
//!
//! ```text
//!   made ──▶ ready (at most READY_MAX) ──take──▶ an environment's, or ended with the attempt to make one
//! ```
//! Each has loopback up and the supervisor's sockets in it, is taken once and never comes back. They are held by descriptors
//! of the spawner alone and go with it, however it ends.
//!
//! Such a namespace belongs to the spawner's user namespace and not to the environment's, where nobody has a right over it,
//! whatever capabilities he might get in his own.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use crate::{
    child::network,
    error::{Failure, Step, at},
    sys,
};

/// See the module.
#[derive(Default)]
pub(super) struct Networks {
    home: Home,
    ready: Vec<Network>,
}

/// Where the spawner itself is.
#[derive(Default)]
enum Home {
    /// Where it was started: no environment has been asked for yet.
    #[default]
    Servers,
    /// In an empty network namespace of its own, to which it may come back. (Without root it may not come back to the
    /// server's; and it needs none.)
    Own(OwnedFd),
    /// It cannot be made: none are made ahead.
    Nowhere,
}

/// One of them, for one environment.
pub(super) struct Network {
    namespace: OwnedFd,
    sockets: Vec<OwnedFd>,
}

impl Networks {
    /// From now on environments are started: before, none is made.
    pub(super) fn want(&mut self) {
        if matches!(self.home, Home::Servers) {
            let made = sys::unshare(libc::CLONE_NEWNET).and_then(|()| current());
            self.home = made.map_or(Home::Nowhere, Home::Own);
        }
    }

    /// Whether one should be made as soon as there is time.
    pub(super) fn is_short(&self) -> bool {
        matches!(self.home, Home::Own(_)) && self.ready.len() < READY_MAX
    }

    /// Makes one. Where that cannot be done, no more are tried: each environment makes its own.
    pub(super) fn add(&mut self) {
        let Home::Own(home) = &self.home else { return };
        let made = sys::unshare(libc::CLONE_NEWNET).and_then(|()| {
            let made = furnish();
            enter_or_end(home);
            made
        });
        match made {
            Ok(network) => self.ready.push(network),
            Err(_) => self.home = Home::Nowhere,
        }
    }

    /// Gives one away.
    pub(super) fn take(&mut self) -> Option<Network> {
        self.ready.pop()
    }

    /// Does something in a namespace of the pool, such as making a process, which then is in it. It is given the sockets
    /// there; with `way_out`, those of that too.
    pub(super) fn within<T>(
        &self,
        network: Network,
        way_out: bool,
        act: impl FnOnce(Vec<OwnedFd>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Home::Own(home) = &self.home else {
            return Err(Failure::new(Step::Clone, &io::Error::from_raw_os_error(libc::EBADF)));
        };
        let Network { namespace, mut sockets } = network;
        enter(&namespace).map_err(at(Step::Clone))?;
        let more = if way_out { network::way_out() } else { Ok(Vec::new()) };
        let done = more.map_err(at(Step::Listen)).and_then(|more| {
            sockets.extend(more);
            act(sockets)
        });
        enter_or_end(home);
        done
    }
}

fn furnish() -> io::Result<Network> {
    network::loopback_up()?;
    Ok(Network { namespace: current()?, sockets: network::supervisors()? })
}

fn current() -> io::Result<OwnedFd> {
    File::open("/proc/self/ns/net").map(OwnedFd::from)
}

fn enter(namespace: &OwnedFd) -> io::Result<()> {
    // SAFETY: an open descriptor and an integer.
    sys::check(libc::c_long::from(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }))
        .map(drop)
}

/// INVARIANT: a spawner that cannot leave an environment's network makes no other environment in it: it ends, and another is
/// started.
fn enter_or_end(home: &OwnedFd) {
    if enter(home).is_err() {
        sys::exit_now(1);
    }
}

/// Made ahead and not used yet. Ours: as many as one function's environments are started at a time; each holds some 100 KiB of
/// the kernel's memory.
const READY_MAX: usize = 8;
