//! The way to one spawner: requests, and which roots it has assembled.
//!
//! Knows nothing of who starts another spawner when this one ends.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    time::Duration,
};

use tokio::{io::unix::AsyncFd, sync::Mutex};

use crate::{
    error::StartError,
    spec::TemplateInner,
    sys,
    wire::{self, Report, Request},
    wiring::{channel, next_report},
};

/// Requests to one spawner. The last clone's end is the spawner's end.
#[derive(Debug)]
pub(crate) struct Link {
    requests: AsyncFd<OwnedFd>,
    /// Names of the roots it has.
    assembled: Mutex<BTreeSet<String>>,
    /// How long each step of a start may take.
    pub(crate) patience: Duration,
}

impl Link {
    /// Must be called inside a tokio runtime.
    pub(crate) fn new(requests: OwnedFd, patience: Duration) -> io::Result<Self> {
        Ok(Self { requests: sys::watch(requests)?, assembled: Mutex::default(), patience })
    }

    /// Has the root of a template assembled, unless this spawner has it.
    pub(crate) async fn assemble(&self, template: &TemplateInner) -> Result<(), StartError> {
        let mut assembled = self.assembled.lock().await;
        if assembled.contains(&template.name) {
            return Ok(());
        }
        let request = Request::Prepare { name: template.name.clone(), plan: template.plan.clone() };
        match self.ask(&request).await? {
            Report::Prepared => {
                assembled.insert(template.name.clone());
                Ok(())
            }
            Report::RootFailed { path, errno } => {
                Err(StartError::Root { path, source: io::Error::from_raw_os_error(errno) })
            }
            Report::Failed(failure) => Err(failure.into()),
            _ => Err(StartError::SpawnerGone),
        }
    }

    /// A request with one answer.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Report, StartError> {
        self.ask_about(request, &[]).await
    }

    /// The same, with descriptors that belong to it.
    pub(crate) async fn ask_about(&self, request: &Request, about: &[RawFd]) -> Result<Report, StartError> {
        let (ours, theirs) = sys::packet_pair().map_err(StartError::Supervisor)?;
        let mut sent = vec![theirs.as_raw_fd()];
        sent.extend(about);
        self.send(request, &sent).await?;
        drop(theirs);
        let channel = channel(ours).map_err(StartError::Supervisor)?;
        let answer = tokio::time::timeout(self.patience, next_report(&channel)).await;
        let answer = answer.map_err(|_| StartError::TimedOut)?.map_err(StartError::Supervisor)?;
        answer.map(|(report, _)| report).ok_or(StartError::SpawnerGone)
    }

    /// A request whose answers come on a channel among the descriptors.
    pub(crate) async fn send(&self, request: &Request, fds: &[RawFd]) -> Result<(), StartError> {
        let payload = wire::to_file(request).map_err(StartError::Supervisor)?;
        let mut all = vec![payload.as_raw_fd()];
        all.extend(fds);
        loop {
            let mut ready = self.requests.writable().await.map_err(StartError::Supervisor)?;
            match ready.try_io(|socket| wire::send(socket.as_fd(), b"request", &all)) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(_)) => return Err(StartError::SpawnerGone),
                Err(_would_block) => {}
            }
        }
    }
}
