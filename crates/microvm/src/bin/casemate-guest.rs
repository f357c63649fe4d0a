//! Process 1 of the guest; see `casemate_microvm::guest`.

use std::process::ExitCode;

fn main() -> ExitCode {
    casemate_microvm::guest::main()
}
