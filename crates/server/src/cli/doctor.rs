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
    /// Read the roots of all runtimes and say their digests, as a server's trail has them
    #[arg(long)]
    roots: bool,
    /// List every file of one runtime's root instead: SHA-256, bytes, rights, path. The digest is that of the list
    #[arg(long, value_name = "RUNTIME")]
    root: Option<String>,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        if let Some(id) = self.root {
            return list(&id);
        }
        with_runtime(|spawner| async move {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let driver = Driver::new(spawner?, RuntimeTable::discover(&path))?;
            output::line("Isolation layers of the process sandbox:");
            output::line(&driver.probe().await.to_string());
            output::line(&self.microvm.report(&driver).await);
            output::line("Runtimes:");
            for runtime in driver.runtimes().iter() {
                let digest = if self.roots { format!(": {}", runtime.listing()?.0) } else { String::new() };
                output::line(&format!("  {} ({}){digest}", runtime.id, runtime.version));
            }
            output::line(
                "Always in force: SigV4 on every signed operation, IAM on every call, sealed storage, audit chain.",
            );
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn list(id: &str) -> Result<ExitCode, CliError> {
    let table = RuntimeTable::discover(&std::env::var_os("PATH").unwrap_or_default());
    let runtime = table.find(id).ok_or_else(|| format!("the runtime {id} is not on this host"))?;
    let (_, listing) = runtime.listing()?;
    output::line(listing.trim_end());
    Ok(ExitCode::SUCCESS)
}
