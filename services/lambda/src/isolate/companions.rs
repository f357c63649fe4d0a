//! Programs beside the runtime: on this kernel, or in a machine.

use std::io;

use casemate_sandbox::{MemberEnd, Signal};
use tokio::net::unix::pipe;

use super::{Channel, Isolate, Process};

/// How many times longer the end may take in a machine that is emulated.
// DIVERGES: AWS's 2 seconds are short for an interpreter under emulation, which is for tests and for trying things out.
const EMULATED_END: u32 = 2;

/// A way to what listens inside an environment, and to nothing else.
#[derive(Debug)]
pub(crate) enum Outlet {
    /// On this kernel.
    Socket(casemate_sandbox::Outlet),
    /// Over a machine's port.
    Machine(casemate_microvm::Outlet),
}

impl Outlet {
    /// Connects to a port inside. An earlier connection of this outlet is broken off.
    pub(crate) async fn connect(&mut self, port: u16) -> io::Result<Channel> {
        match self {
            Self::Socket(outlet) => outlet.connect(port).await.map(Channel::Socket),
            Self::Machine(outlet) => outlet.connect(port).await.map(Channel::Machine),
        }
    }
}

impl Isolate {
    /// Lets the runtime begin, which waits for it where there are companions.
    pub(crate) async fn run_runtime(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.run_runtime(),
            Self::Machine(machine) => machine.run_runtime().await,
        }
    }

    /// Why the runtime's program could not be executed, where there are companions.
    pub(crate) fn runtime_not_executed(&self) -> Option<io::Error> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.runtime_not_executed(),
            Self::Machine(machine) => machine.runtime_not_executed(),
        }
    }

    /// What companions write, once.
    pub(crate) fn take_companion_output(&mut self) -> Option<pipe::Receiver> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.take_companion_output(),
            Self::Machine(machine) => machine.take_companion_output(),
        }
    }

    /// Ways to what listens inside, as many as there are companions; once.
    pub(crate) fn take_outlets(&mut self) -> Vec<Outlet> {
        match self {
            Self::Process(Process { sandbox, .. }) => {
                std::iter::from_fn(|| sandbox.take_outlet()).map(Outlet::Socket).collect()
            }
            Self::Machine(machine) => machine.take_outlets().into_iter().map(Outlet::Machine).collect(),
        }
    }

    /// Resolves when a companion has ended that is not among `known`; never without companions.
    pub(crate) async fn companion_ended(&self, known: &[usize]) -> (usize, MemberEnd) {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.companion_ended(known).await,
            Self::Machine(machine) => machine.companion_ended(known).await,
        }
    }

    /// Resolves when nothing is left.
    pub(crate) async fn over(&self) {
        match self {
            Self::Process(Process { sandbox, .. }) => drop(sandbox.over().await),
            Self::Machine(machine) => machine.over().await,
        }
    }

    /// Kills the runtime and whatever else runs beside the companions. An error: that cannot be told apart here.
    pub(crate) async fn end_all_but_companions(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.end_all_but_companions().await,
            Self::Machine(machine) => machine.end_all_but_companions().await,
        }
    }

    /// Signals the runtime; companions go on.
    pub(crate) async fn end_runtime(&self, signal: Signal) {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.end_runtime(signal),
            Self::Machine(machine) => machine.end_runtime(signal).await,
        }
    }

    /// How many times longer than AWS's times its end may take.
    pub(crate) fn patience(&self) -> u32 {
        if self.is_emulated() { EMULATED_END } else { 1 }
    }
}
