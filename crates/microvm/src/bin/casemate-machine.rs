//! The guest's process 1 and QEMU's launcher; see `casemate_microvm::enter`.

use std::process::ExitCode;

fn main() -> ExitCode {
    casemate_microvm::enter().unwrap_or(ExitCode::FAILURE)
}
