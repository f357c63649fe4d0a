//! Starts QEMU with nothing but its own files; see `casemate_microvm::confine`.

use std::process::ExitCode;

fn main() -> ExitCode {
    casemate_microvm::confine::main()
}
