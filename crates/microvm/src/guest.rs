//! The agent: process 1 of the guest, which obeys the host and starts the function in the process sandbox.
//!
//! ```text
//!   boot: devices, modules, disks, new root ──exec──▶ serve: spawner, port, hello ──▶ requests until the machine ends
//! ```
//! Holds no secret of its own. What the host sends it is meant for this machine's one function.

mod boot;
mod companions;
mod egress;
mod function;
mod hold;
mod port;
mod serve;
mod vsock;

use std::{io, process::ExitCode};

/// First argument of a program that is to be process 1 of a guest.
pub(crate) const NAME: &str = "casemate-guest";

/// Runs as process 1; does not return while the machine is meant to live.
pub(crate) fn main(stage: Option<&str>) -> ExitCode {
    if std::process::id() != 1 {
        // Elsewhere it would mount things over what is there.
        report(&io::Error::other("this is for the first process of a machine"));
        return ExitCode::FAILURE;
    }
    let ended = match stage {
        Some(PROBE) => {
            let _ = io::Write::write_all(&mut io::stdout(), PROBE_LINE.as_bytes());
            return ExitCode::SUCCESS;
        }
        Some(SECOND_STAGE) => boot::mounts().and_then(|()| serve::run()),
        _ => boot::into_root(),
    };
    if let Err(error) = ended {
        report(&error);
    }
    // The kernel panics when process 1 ends, and `panic=-1` makes the machine end.
    ExitCode::FAILURE
}

/// To the console, which the host keeps the end of.
fn report(error: &io::Error) {
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("casemate guest: {error}\n"));
}

fn about<T>(what: &str, result: Result<T, impl Into<io::Error>>) -> io::Result<T> {
    result.map_err(|error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("{what}: {error}"))
    })
}

/// Argument with which process 1 begins.
pub(crate) const BOOT: &str = "boot";
/// Argument with which process 1 only says [`PROBE_LINE`].
pub(crate) const PROBE: &str = "probe";
pub(crate) const PROBE_LINE: &str = "casemate guest is alive\n";
const SECOND_STAGE: &str = "serve";
/// Where the agent lies on the runtime disk.
pub(crate) const AGENT_PATH: &str = "/casemate/guest";
/// Below it lies the root that the function sees.
pub(crate) const ROOT: &str = "/casemate/root";
/// How that root is put together.
pub(crate) const PLAN_PATH: &str = "/casemate/root.json";
/// Where the code disk is mounted.
pub(crate) const CODE_MOUNT: &str = "/casemate/code";
