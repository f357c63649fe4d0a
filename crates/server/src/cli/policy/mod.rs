//! `casemate policy …`: what can be said of policy documents without a server.

mod diff;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Works on policy documents.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Compare policies exactly and show a request that only one side allows
    Diff(diff::Diff),
}

impl Policy {
    /// The exit code is the answer, so errors have theirs too.
    pub(crate) fn run(self) -> ExitCode {
        match self.action {
            Action::Diff(command) => command.run(),
        }
    }
}
