//! The `casemate` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    casemate::cli::run()
}
