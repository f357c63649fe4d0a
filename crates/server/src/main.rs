//! The `casemate` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before everything else: a process that was started to be the spawner never gets further.
    casemate_sandbox::spawner::enter();
    casemate::cli::run()
}
