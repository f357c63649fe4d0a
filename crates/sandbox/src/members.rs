//! The runtime and its companions, as the supervisor holds them: letting the runtime go, signals, ends, and sockets that
//! connect within the environment's own network.
//!
//! Knows nothing of what companions are for.

use std::{
    fs::File,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::unix::AsyncFd,
    net::{TcpStream, unix::pipe},
    sync::watch,
};

use crate::{
    environment::Environment,
    residents::Residents,
    spec::{ExitStatus, MemberEnd},
    sys,
    wire::Report,
    wiring::next_report,
};

/// What comes from the child with companions.
pub(crate) struct Parts {
    go: OwnedFd,
    output: OwnedFd,
    /// The runtime's, then the companions'.
    pidfds: Vec<OwnedFd>,
    outlets: Vec<OwnedFd>,
}

impl Parts {
    pub(crate) fn of(mut fds: impl Iterator<Item = OwnedFd>, outlets: Vec<OwnedFd>) -> Option<Self> {
        Some(Self { go: fds.next()?, output: fds.next()?, pidfds: fds.collect(), outlets })
    }

    /// Who is about to execute a program of ours.
    pub(crate) fn launching(&self) -> io::Result<Vec<OwnedFd>> {
        self.pidfds.iter().map(OwnedFd::try_clone).collect()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Members {
    go: Mutex<Option<OwnedFd>>,
    output: Option<pipe::Receiver>,
    pidfds: Vec<OwnedFd>,
    outlets: Mutex<Vec<OwnedFd>>,
    ends: watch::Receiver<Vec<Option<MemberEnd>>>,
}

impl Members {
    /// Begins to take reports of ends.
    pub(crate) fn begin(parts: Parts, channel: AsyncFd<OwnedFd>) -> io::Result<Self> {
        let Parts { go, output, pidfds, outlets } = parts;
        let (sender, ends) = watch::channel(vec![None; pidfds.len()]);
        tokio::spawn(take_reports(channel, sender));
        let output = Some(pipe::Receiver::from_owned_fd(output)?);
        Ok(Self { go: Mutex::new(Some(go)), output, pidfds, outlets: Mutex::new(outlets), ends })
    }

    /// The runtime's process and those of the companions, as far as they have not ended.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.pidfds.iter().filter_map(|pidfd| sys::pid_of(pidfd.as_fd()).ok())
    }

    /// Resolves when the runtime has ended; never where the environment ended as a whole.
    pub(crate) async fn runtime_ended(&self) -> ExitStatus {
        let mut ends = self.ends.clone();
        let ended = |ends: &Vec<Option<MemberEnd>>| ends.first().is_some_and(Option::is_some);
        let end = match ends.wait_for(ended).await {
            Ok(ends) => ends.first().copied().flatten(),
            Err(_) => None,
        };
        match end {
            Some(MemberEnd::Exited(status)) => status,
            Some(MemberEnd::NotExecuted(_)) => ExitStatus::Unknown,
            None => std::future::pending().await,
        }
    }
}

/// The first word on a member's end counts: what could not be executed also exits.
async fn take_reports(channel: AsyncFd<OwnedFd>, ends: watch::Sender<Vec<Option<MemberEnd>>>) {
    while let Ok(Some((report, _))) = next_report(&channel).await {
        let Report::Ended { member, end } = report else { return };
        ends.send_if_modified(|ends| match ends.get_mut(member) {
            Some(slot @ None) => {
                *slot = Some(end);
                true
            }
            _ => false,
        });
    }
}

/// How a runtime is told to end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Signal {
    /// SIGTERM: it may do something before.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// A socket in an environment's network, held outside: it reaches what listens there, and nothing else.
#[derive(Debug)]
pub struct Outlet(OwnedFd);

impl From<OwnedFd> for Outlet {
    /// Of a TCP socket that blocks nobody and is not connected.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl Outlet {
    /// Connects to a port inside. An earlier connection of this outlet is broken off, whoever still holds its stream.
    pub async fn connect(&mut self, port: u16) -> io::Result<TcpStream> {
        sys::socket::disconnect(&self.0)?;
        sys::socket::connect(&self.0, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        TcpStream::from_std(std::net::TcpStream::from(self.0.try_clone()?))
    }
}

impl Environment {
    /// Lets the runtime begin, where there are companions. Once; later calls do nothing.
    pub fn run_runtime(&self) -> io::Result<()> {
        let Some(members) = &self.members else { return Ok(()) };
        let go = members.go.lock().unwrap_or_else(PoisonError::into_inner).take();
        go.map_or(Ok(()), |go| File::from(go).write_all(b"g"))
    }

    /// What companions write, once: standard output and standard error of all of them.
    pub fn take_companion_output(&mut self) -> Option<pipe::Receiver> {
        self.members.as_mut().and_then(|members| members.output.take())
    }

    /// A socket of its network, as long as there are any: one for each companion.
    pub fn take_outlet(&self) -> Option<Outlet> {
        let members = self.members.as_ref()?;
        members.outlets.lock().unwrap_or_else(PoisonError::into_inner).pop().map(Outlet)
    }

    /// Resolves when a companion has ended that is not among `known`, with its place in the list; never without companions.
    pub async fn companion_ended(&self, known: &[usize]) -> (usize, MemberEnd) {
        let Some(members) = &self.members else { return std::future::pending().await };
        let mut ends = members.ends.clone();
        let news = |ends: &Vec<Option<MemberEnd>>| {
            let mut companions = ends.iter().skip(1).enumerate().filter(|(index, _)| !known.contains(index));
            companions.find_map(|(index, end)| Some((index, (*end)?)))
        };
        let found = match ends.wait_for(|ends| news(ends).is_some()).await {
            Ok(ends) => news(&ends),
            Err(_) => None,
        };
        match found {
            Some(found) => found,
            None => std::future::pending().await,
        }
    }

    /// Resolves when every companion has ended, or the environment as a whole.
    pub async fn companions_over(&self) {
        let Some(members) = &self.members else { return };
        let mut ends = members.ends.clone();
        tokio::select! {
            all = ends.wait_for(|ends| ends.iter().skip(1).all(Option::is_some)) => drop(all),
            _ = self.over() => {}
        }
    }

    /// Why the runtime's program could not be executed, where there are companions.
    pub fn runtime_not_executed(&self) -> Option<io::Error> {
        match self.members.as_ref()?.ends.borrow().first() {
            Some(Some(MemberEnd::NotExecuted(errno))) => Some(io::Error::from_raw_os_error(*errno)),
            _ => None,
        }
    }

    /// Kills the runtime and whatever else runs beside the companions. An error: something may be left.
    pub async fn end_all_but_companions(&self) -> io::Result<()> {
        self.end_runtime(Signal::Kill);
        // Stopped first: what runs could fork faster than it is ended.
        let ended = match self.freeze().await {
            Ok(()) => self.kill_strays(&Residents::default()).await.map(drop),
            Err(error) => Err(error),
        };
        let thawed = self.thaw().await;
        ended.and(thawed)
    }

    /// Signals the runtime alone; without companions that is the whole environment, which is only ever killed.
    pub fn end_runtime(&self, signal: Signal) {
        let number = match signal {
            Signal::Terminate => libc::SIGTERM,
            Signal::Kill => libc::SIGKILL,
        };
        match (self.members.as_ref().and_then(|members| members.pidfds.first()), signal) {
            // One that is gone needs none.
            (Some(pidfd), _) => drop(sys::pidfd_signal(pidfd.as_fd(), number)),
            (None, Signal::Kill) => self.kill(),
            (None, Signal::Terminate) => drop(sys::pidfd_signal(self.pidfd.as_fd(), number)),
        }
    }
}
