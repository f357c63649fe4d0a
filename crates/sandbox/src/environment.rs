//! A running environment, as the Lambda service holds it.
//!
//! ```text
//!   starting ──▶ running ⇄ frozen ──▶ ended
//!                   └───────────────────▲   (kill, crash, out of memory, server gone: from any state)
//! ```
//! Knows nothing of invocations: who freezes when, and which event belongs to which request, is the caller's.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, unix::pipe},
    sync::{mpsc, watch},
};

use crate::{
    cgroup::{CpuShare, Group},
    egress,
    full::Full,
    members::Members,
    pump::{self, Activity, Recorded, Recorder},
    spec::{Exit, ExitStatus, Usage},
};

/// Number of an environment, unique within one driver.
pub type EnvironmentId = u64;

/// One execution environment. Dropping it kills it.
#[derive(Debug)]
pub struct Environment {
    pub(crate) id: EnvironmentId,
    pub(crate) pid: u32,
    pub(crate) runtime_api: TcpListener,
    pub(crate) aws_endpoint: TcpListener,
    pub(crate) stdout: Option<pipe::Receiver>,
    pub(crate) stderr: Option<pipe::Receiver>,
    pub(crate) events: Option<mpsc::Receiver<Recorded>>,
    /// Its way out, if it has one.
    pub(crate) _egress: Option<egress::Tasks>,
    pub(crate) tmp: Arc<OwnedFd>,
    pub(crate) activity: watch::Sender<Activity>,
    pub(crate) pidfd: Arc<OwnedFd>,
    pub(crate) group: Arc<Group>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) done: watch::Receiver<Option<Exit>>,
    /// Where there are companions: the runtime and they.
    pub(crate) members: Option<Members>,
}

impl Environment {
    /// Its number.
    pub fn id(&self) -> EnvironmentId {
        self.id
    }

    /// Host process id of the runtime, for the record.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Listens on 127.0.0.1:9001 inside. Whoever connects is this environment: nobody else can reach it.
    pub fn runtime_api(&self) -> &TcpListener {
        &self.runtime_api
    }

    /// Listens on 127.0.0.1:4566 inside; same guarantee.
    pub fn aws_endpoint(&self) -> &TcpListener {
        &self.aws_endpoint
    }

    /// The runtime's standard output, once. A reader that stops reading stops a writer that writes on.
    pub fn take_stdout(&mut self) -> Option<pipe::Receiver> {
        self.stdout.take()
    }

    /// The runtime's standard error, once.
    pub fn take_stderr(&mut self) -> Option<pipe::Receiver> {
        self.stderr.take()
    }

    /// What it tried or met, once. The channel ends with the environment.
    pub fn take_events(&mut self) -> Option<mpsc::Receiver<Recorded>> {
        self.events.take()
    }

    /// Lowers processor time from the initial allowance to the share of the memory size.
    pub fn end_init(&self) -> io::Result<()> {
        self.group.set_cpu(CpuShare::Invocation)
    }

    /// Gives it the initial allowance of processor time again, for work of the platform's own between requests.
    pub fn begin_init(&self) -> io::Result<()> {
        self.group.set_cpu(CpuShare::Init)
    }

    /// Says that a request begins: events that are limited per invocation start anew.
    pub fn begin_invocation(&self) {
        self.recorder.begin_invocation();
    }

    /// How many requests have begun. Events say after how many they happened.
    pub fn invocations(&self) -> u64 {
        self.recorder.invocations()
    }

    /// Stops every process; returns when all have stopped.
    pub async fn freeze(&self) -> io::Result<()> {
        self.group.begin_freeze()?;
        self.recorder.note_refused_forks(&self.group);
        self.recorder.tell_lost();
        let begun = tokio::time::Instant::now();
        for attempt in 0..FREEZE_LOOKS_MAX {
            if self.group.is_frozen()? {
                self.activity.send_replace(Activity::Frozen);
                return Ok(());
            }
            if begun.elapsed() > FREEZE_LIMIT {
                break;
            }
            if attempt < FREEZE_LOOKS_EAGER {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(FREEZE_PAUSE).await;
            }
        }
        Err(io::Error::from(io::ErrorKind::TimedOut))
    }

    /// Lets it run again.
    #[expect(clippy::unused_async, reason = "the pair of `freeze`; thawing a machine will wait")]
    pub async fn thaw(&self) -> io::Result<()> {
        self.activity.send_replace(Activity::Running);
        self.group.thaw()
    }

    /// Kills every process, now. `exited` tells when it is over.
    pub fn kill(&self) {
        pump::kill(&self.group, &self.pidfd);
    }

    /// Waits for the end: of the runtime, where companions may go on, else of everything.
    pub async fn exited(&self) -> Exit {
        let Some(members) = &self.members else { return self.over().await };
        tokio::select! {
            biased;
            status = members.runtime_ended() => {
                let out_of_memory = self.recorder.ran_out_of_memory() || self.group.memory_kills() > 0;
                Exit { status, out_of_memory, usage: self.usage() }
            }
            exit = self.over() => exit,
        }
    }

    /// Waits until no process is left.
    pub async fn over(&self) -> Exit {
        let mut done = self.done.clone();
        let ended = done.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        ended.unwrap_or(Exit { status: ExitStatus::Unknown, out_of_memory: false, usage: Usage::default() })
    }

    /// Kills it and waits for the end.
    pub async fn stop(self) -> Exit {
        self.kill();
        self.over().await
    }

    /// Whether its process has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.done.borrow().is_some()
    }

    /// What it has used so far. Limits that are met without the kernel's telling anybody are looked for, and recorded.
    pub fn usage(&self) -> Usage {
        let members = self.group.members().unwrap_or_default();
        self.recorder.note_refused_forks(&self.group);
        self.recorder.note_full(&Full::find(&self.tmp, &members));
        let ended = *self.done.borrow();
        ended.map_or_else(|| self.group.usage(), |exit| exit.usage)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if self.done.borrow().is_none() {
            self.kill();
        }
    }
}

/// Freezing takes some 50 µs; most looks are eager, the later ones leave the processor to others.
const FREEZE_LOOKS_EAGER: u32 = 200;
const FREEZE_LOOKS_MAX: u32 = 2_200;
/// Where looks take long.
const FREEZE_LIMIT: Duration = Duration::from_secs(5);
const FREEZE_PAUSE: Duration = Duration::from_millis(1);
