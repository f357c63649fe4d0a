//! Network namespaces that were made ahead, while nobody waited: making one costs more than all other namespaces together.
//!
//! ```text
//!   made ──▶ ready (at most READY_MAX) ──within──▶ an environment's, or ended with the attempt to make one
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

    /// Makes one. Where that cannot be done, no more are tried, nor are those that were made used: each environment makes its
    /// own.
    pub(super) fn add(&mut self) {
        let Home::Own(home) = &self.home else { return };
        let made = sys::unshare(libc::CLONE_NEWNET).and_then(|()| {
            let made = furnish();
            enter_or_end(home);
            made
        });
        self.note(made);
    }

    fn note(&mut self, made: io::Result<Network>) {
        match made {
            Ok(network) => self.ready.push(network),
            Err(_) => *self = Self { home: Home::Nowhere, ready: Vec::new() },
        }
    }

    /// Does something in a namespace of the pool, such as making a process, which then is in it. It is given the sockets
    /// there; with `way_out`, those of that too. Where there is none, or none that can be entered, it is given nothing and
    /// makes its own.
    pub(super) fn within<T>(
        &mut self,
        way_out: bool,
        act: impl FnOnce(Option<Vec<OwnedFd>>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        // INVARIANT: entered only where there is a way back.
        let (Home::Own(home), Some(network)) = (&self.home, self.ready.pop()) else { return act(None) };
        let Network { namespace, mut sockets } = network;
        if enter(&namespace).is_err() {
            return act(None);
        }
        let more = if way_out { network::way_out() } else { Ok(Vec::new()) };
        let done = more.map_err(at(Step::Listen)).and_then(|more| {
            sockets.extend(more);
            act(Some(sockets))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Something that is no network namespace.
    fn broken() -> Network {
        Network { namespace: File::open("/dev/null").unwrap().into(), sockets: Vec::new() }
    }

    fn with(ready: Vec<Network>) -> Networks {
        Networks { home: Home::Own(current().unwrap()), ready }
    }

    #[test]
    fn a_start_makes_its_own_where_the_one_made_ahead_cannot_be_entered() {
        let mut networks = with(vec![broken()]);
        assert!(networks.within(false, |sockets| Ok(sockets.is_none())).unwrap());
        assert!(networks.ready.is_empty());
    }

    #[test]
    fn one_that_cannot_be_made_fails_no_later_start() {
        let mut networks = with(vec![broken(), broken()]);
        networks.note(Err(io::Error::from_raw_os_error(libc::ENOSPC)));
        assert!(networks.ready.is_empty() && !networks.is_short());
        for _ in 0..3 {
            assert!(networks.within(true, |sockets| Ok(sockets.is_none())).unwrap());
        }
    }
}
