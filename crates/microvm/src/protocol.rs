//! The control messages between host and agent: JSON, one message per frame.
//!
//! Plain data. What a message makes happen is the agent's and the machine's business.

use std::{fmt, path::PathBuf};

use casemate_sandbox::{Event, ExecPolicy, Exit, MemberEnd, Signal, Step, Usage};
use serde::{Deserialize, Serialize};

use crate::beside::Beside;

/// Version of this protocol; both sides must speak the same.
pub(crate) const PROTOCOL: u32 = 5;
/// Name of the virtio-serial port.
pub(crate) const PORT_NAME: &str = "casemate";
/// The agent's port of vsock, where there is no virtio-serial.
pub(crate) const VSOCK_PORT: u32 = 1_024;
/// What the agent says first on a connection of vsock.
pub(crate) const PORT_READY: u8 = 6;
/// A word among the kernel's arguments: the channel is vsock.
pub(crate) const VSOCK_WORD: &str = "casemate.channel=vsock";
/// Serial numbers of the disks.
pub(crate) const RUNTIME_DISK: &str = "runtime";
pub(crate) const CODE_DISK: &str = "code";
/// Streams with these ports are the function's outputs; the others are connections to that port.
pub(crate) const STDOUT_PORT: u16 = 1;
pub(crate) const STDERR_PORT: u16 = 2;
/// What all companions write.
pub(crate) const COMPANIONS_PORT: u16 = 3;
/// And from this on, one for each companion: connections into the function's network, which the host asks for.
pub(crate) const OUTLET_PORTS: u16 = 16;

/// From the host. Each is answered once, in order.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Request {
    pub(crate) number: u64,
    pub(crate) command: Command,
}

/// What the agent does.
#[derive(Deserialize, Serialize)]
pub(crate) enum Command {
    /// Nothing; for measuring and for knowing that everything before has been done.
    Ping,
    /// The time now, in nanoseconds since 1970.
    SetClock { unix_ns: u64 },
    /// The machine's state is about to be kept: stops the function, if there is one, until the next [`Command::Refresh`].
    Hold,
    /// The time, and fresh randomness for the kernel: 64 bytes as hexadecimal digits. First of all after a boot or a
    /// restore. A function that was stopped for a copy goes on when all that is done, and not otherwise.
    Refresh { unix_ns: u64, entropy: String },
    /// Starts the function's runtime in the process sandbox.
    Start(Start),
    /// The initial allowance of processor time again.
    BeginInit,
    /// Initialisation is over: processor time by memory size from now on.
    EndInit,
    /// Events that are limited per invocation start anew.
    BeginInvocation,
    /// The function's processes now are its runtime's.
    NoteResidents,
    /// Ends those that came since.
    EndStrays,
    /// What the function has used.
    Usage,
    /// Kills the function.
    Kill,
    /// Lets a runtime begin that waits because of its companions.
    RunRuntime,
    /// Signals the runtime; companions go on.
    EndRuntime(Signal),
    /// Kills the runtime and what else runs beside the companions.
    EndAllButCompanions,
    /// Asks for a connection to a port inside by way of this outlet, whose earlier one ends. It comes, or why it does not, as
    /// a stream of [`OUTLET_PORTS`] that says first which attempt it is of.
    Reach { outlet: usize, attempt: u64, port: u16 },
}

impl fmt::Debug for Command {
    // Entropy and environment variables are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ping => "Ping",
            Self::SetClock { .. } => "SetClock",
            Self::Hold => "Hold",
            Self::Refresh { .. } => "Refresh",
            Self::Start(_) => "Start",
            Self::BeginInit => "BeginInit",
            Self::EndInit => "EndInit",
            Self::NoteResidents => "NoteResidents",
            Self::EndStrays => "EndStrays",
            Self::Usage => "Usage",
            Self::BeginInvocation => "BeginInvocation",
            Self::Kill => "Kill",
            Self::RunRuntime => "RunRuntime",
            Self::EndRuntime(_) => "EndRuntime",
            Self::EndAllButCompanions => "EndAllButCompanions",
            Self::Reach { .. } => "Reach",
        })
    }
}

/// What to start. Its root lies on the runtime disk, code and layers on the code disk.
#[derive(Deserialize, Serialize)]
pub(crate) struct Start {
    pub(crate) argv: Vec<String>,
    pub(crate) working_dir: PathBuf,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) memory_mb: u64,
    pub(crate) tmp_mb: u64,
    pub(crate) pids_max: u64,
    pub(crate) exec_policy: ExecPolicy,
    pub(crate) hostname: String,
    /// Whether connections outside are asked of the host, on streams of the sandbox's ports for them.
    pub(crate) way_out: bool,
    pub(crate) beside: Beside,
}

/// From the agent.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Message {
    /// First of all.
    Hello { protocol: u32, layers: String },
    /// To the request of this number; the text says why not.
    Answer { number: u64, outcome: Result<Answer, String> },
    /// Something the function tried or met, and after how many invocations had begun.
    Event { event: Event, invocation: u64 },
    /// The function has ended: the runtime, where companions may go on. With the error number if it was never executed.
    Exited { exit: Exit, not_executed: Option<i32> },
    /// A companion has ended, or never began: its place in the list.
    CompanionEnded { index: usize, end: MemberEnd },
    /// Nothing of the function is left; told where there are companions.
    Over,
}

/// What comes of a command.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// So many processes were ended.
    Ended(usize),
    /// So much was used.
    Used(Usage),
    /// The function was not started, by its own doing: at this step, with this error number.
    NotBegun { step: Step, errno: i32 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_command_are_not_printed() {
        let entropy = "ab".repeat(64);
        let command = Command::Refresh { unix_ns: 1, entropy: entropy.clone() };
        assert!(!format!("{:?}", Request { number: 1, command }).contains(&entropy));
    }
}
