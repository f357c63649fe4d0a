//! What connects a starting environment with the supervisor: a channel, three pipes, and what is handed over.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    time::Duration,
};

use tokio::{
    io::unix::AsyncFd,
    net::{TcpListener, unix::pipe},
};

use crate::{
    cgroup::Group,
    egress::Sockets,
    error::StartError,
    members, sys,
    wire::{self, Report},
};

/// Both ends of everything that connects an environment with the supervisor.
pub(crate) struct Wiring {
    pub(crate) channel: AsyncFd<OwnedFd>,
    pub(crate) exit: pipe::Receiver,
    pub(crate) stdout: pipe::Receiver,
    pub(crate) stderr: pipe::Receiver,
    theirs: Vec<OwnedFd>,
}

impl Wiring {
    pub(crate) fn new(group: &Group) -> io::Result<Self> {
        let (ours, theirs) = sys::packet_pair()?;
        let mut sent = vec![theirs];
        let mut receiver = || -> io::Result<pipe::Receiver> {
            let (read, write) = sys::pipe()?;
            sent.push(write);
            pipe::Receiver::from_owned_fd(read)
        };
        let (exit, stdout, stderr) = (receiver()?, receiver()?, receiver()?);
        sent.extend(group.open_unified()?);
        sent.extend(group.open_tasks()?);
        Ok(Self { channel: channel(ours)?, exit, stdout, stderr, theirs: sent })
    }

    pub(crate) fn theirs(&self) -> Vec<RawFd> {
        self.theirs.iter().map(AsRawFd::as_raw_fd).collect()
    }

    /// So that an end of file means what it says.
    pub(crate) fn close_theirs(&mut self) {
        self.theirs.clear();
    }
}

/// What spawner and child hand over.
pub(crate) struct Parts {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) runtime_api: OwnedFd,
    pub(crate) aws_endpoint: OwnedFd,
    pub(crate) way_out: Option<Sockets>,
    pub(crate) tmp: OwnedFd,
    pub(crate) filter: OwnedFd,
    /// What comes with companions.
    pub(crate) members: Option<members::Parts>,
}

pub(crate) async fn gather_in_time(
    channel: &AsyncFd<OwnedFd>,
    patience: Duration,
) -> Result<Parts, StartError> {
    let mut process = None;
    let gathered = tokio::time::timeout(patience, gather(channel, &mut process)).await;
    let gathered = gathered.unwrap_or(Err(StartError::TimedOut));
    if let (Err(_), Some((_, pidfd))) = (&gathered, &process) {
        // Not every host has a control group by which it could be found.
        let _ = sys::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
    }
    gathered
}

/// Reports of spawner and child interleave; the child's last one comes when all layers are in force.
async fn gather(
    channel: &AsyncFd<OwnedFd>,
    process: &mut Option<(u32, OwnedFd)>,
) -> Result<Parts, StartError> {
    let (mut listeners, mut supervised) = (None, None);
    let mut outlets = Vec::new();
    loop {
        let next = next_report(channel).await.map_err(StartError::Supervisor)?;
        let Some((report, fds)) = next else { return Err(StartError::SpawnerGone) };
        let mut fds = fds.into_iter();
        match report {
            Report::Started { pid } => *process = fds.next().map(|pidfd| (pid, pidfd)),
            Report::Listening => listeners = fds.next().zip(fds.next()).map(|both| (both, way_out(fds))),
            Report::Reaching => outlets.extend(fds),
            Report::Supervised => {
                let outlets = std::mem::take(&mut outlets);
                supervised = fds.next().zip(fds.next()).map(|both| (both, members::Parts::of(fds, outlets)));
            }
            Report::Failed(failure) => return Err(failure.into()),
            Report::Prepared
            | Report::RootFailed { .. }
            | Report::Probed(_)
            | Report::Ended { .. }
            | Report::Bound => {
                return Err(StartError::SpawnerGone);
            }
        }
        if let (Some(_), Some(_), Some(_)) = (&*process, &listeners, &supervised) {
            break;
        }
    }
    match (process.take(), listeners, supervised) {
        (
            Some((pid, pidfd)),
            Some(((runtime_api, aws_endpoint), way_out)),
            Some(((tmp, filter), members)),
        ) => Ok(Parts { pid, pidfd, runtime_api, aws_endpoint, way_out, tmp, filter, members }),
        _ => Err(StartError::SpawnerGone),
    }
}

fn way_out(mut fds: impl Iterator<Item = OwnedFd>) -> Option<Sockets> {
    Some(Sockets { relay: fds.next()?, questions: fds.next()?, question_streams: fds.next()? })
}

pub(crate) async fn next_report(channel: &AsyncFd<OwnedFd>) -> io::Result<Option<(Report, Vec<OwnedFd>)>> {
    loop {
        let mut ready = channel.readable().await?;
        if let Ok(received) = ready.try_io(|channel| wire::receive(channel.as_fd())) {
            let Some((bytes, fds)) = received? else { return Ok(None) };
            return Ok(Some((serde_json::from_slice(&bytes)?, fds)));
        }
    }
}

pub(crate) fn channel(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    sys::set_nonblocking(socket.as_fd())?;
    sys::watch(socket)
}

/// A listener made by the child, for the supervisor's reactor.
pub(crate) fn listener(socket: OwnedFd) -> io::Result<TcpListener> {
    TcpListener::from_std(std::net::TcpListener::from(socket))
}

/// A start takes milliseconds; this is for machines in deep trouble.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(20);
