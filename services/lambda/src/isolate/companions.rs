//! Programs beside the runtime, as far as what holds them can have any: a machine has none.

use std::io;

use casemate_sandbox::{MemberEnd, Outlet, Residents, Signal};
use tokio::net::unix::pipe;

use super::{Isolate, Process};

impl Isolate {
    /// Lets the runtime begin, which waits for it where there are companions.
    pub(crate) fn run_runtime(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.run_runtime(),
            Self::Machine(_) => Ok(()),
        }
    }

    /// Why the runtime's program could not be executed, where there are companions.
    pub(crate) fn runtime_not_executed(&self) -> Option<io::Error> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.runtime_not_executed(),
            Self::Machine(_) => None,
        }
    }

    /// What companions write, once.
    pub(crate) fn take_companion_output(&mut self) -> Option<pipe::Receiver> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.take_companion_output(),
            Self::Machine(_) => None,
        }
    }

    /// Sockets that reach what listens inside, as many as there are companions; once.
    pub(crate) fn take_outlets(&self) -> Vec<Outlet> {
        match self {
            Self::Process(Process { sandbox, .. }) => std::iter::from_fn(|| sandbox.take_outlet()).collect(),
            Self::Machine(_) => Vec::new(),
        }
    }

    /// Resolves when a companion has ended that is not among `known`; never without companions.
    pub(crate) async fn companion_ended(&self, known: &[usize]) -> (usize, MemberEnd) {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.companion_ended(known).await,
            Self::Machine(_) => std::future::pending().await,
        }
    }

    /// Resolves when nothing is left.
    pub(crate) async fn over(&self) {
        match self {
            Self::Process(Process { sandbox, .. }) => drop(sandbox.over().await),
            Self::Machine(machine) => drop(machine.exited().await),
        }
    }

    /// Kills the runtime and whatever else runs beside the companions. An error: that cannot be told apart here.
    pub(crate) async fn end_all_but_companions(&self) -> io::Result<()> {
        let Self::Process(Process { sandbox, .. }) = self else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        sandbox.end_runtime(Signal::Kill);
        // Stopped first: what runs could fork faster than it is ended.
        let ended = match sandbox.freeze().await {
            Ok(()) => sandbox.kill_strays(&Residents::default()).await.map(drop),
            Err(error) => Err(error),
        };
        let thawed = sandbox.thaw().await;
        ended.and(thawed)
    }

    /// Signals the runtime; companions go on.
    pub(crate) fn end_runtime(&self, signal: Signal) {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.end_runtime(signal),
            Self::Machine(machine) => machine.kill(),
        }
    }
}
