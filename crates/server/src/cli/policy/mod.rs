//! `casemate policy …`: what can be said of policy documents without a server.

mod diff;
mod lint;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::CliError;

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
    /// Find what policies say that their authors probably did not mean
    Lint(lint::Lint),
}

impl Policy {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        match self.action {
            Action::Diff(command) => Ok(command.run()),
            Action::Lint(command) => command.run(),
        }
    }
}
