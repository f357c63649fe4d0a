//! The `casemate` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before everything else: a process that was started to be the spawner never gets further.
    casemate_sandbox::spawner::enter();
    // This program is also what runs in virtual machines, and what starts them.
    if let Some(code) = casemate_microvm::enter() {
        return code;
    }
    casemate::cli::run()
}
