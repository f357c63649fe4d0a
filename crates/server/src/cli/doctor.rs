//! `casemate doctor`

use std::process::ExitCode;

use casemate_sandbox::{Driver, RuntimeTable};
use clap::Args;

use super::{CliError, microvm::MicrovmOptions, output, serve::with_runtime};

/// Shows what is in force on this machine.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    microvm: MicrovmOptions,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        with_runtime(|spawner| async move {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let driver = Driver::new(spawner?, RuntimeTable::discover(&path))?;
            output::line("Isolation layers of the process sandbox:");
            output::line(&driver.probe().await.to_string());
            output::line(&self.microvm.report(&driver).await);
            output::line("Runtimes:");
            for runtime in driver.runtimes().iter() {
                output::line(&format!("  {} ({})", runtime.id, runtime.version));
            }
            output::line(
                "Always in force: SigV4 on every signed operation, IAM on every call, sealed storage, audit chain.",
            );
            Ok(ExitCode::SUCCESS)
        })
    }
}
