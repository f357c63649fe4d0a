//! `casemate serve`

use std::process::ExitCode;

use clap::Args;

use super::{CliError, ServerOptions, output, running};

/// Serves until stopped.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    server: ServerOptions,
}

impl Serve {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        with_runtime(|spawner| async move {
            let running = running::start(&self.server, spawner).await?;
            output::line(&format!(
                "serving account {} in {} at {}",
                running.site.scope.account, running.site.scope.region, running.site.endpoint
            ));
            running.until_stopped().await?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Starts the spawner, sets up diagnostics, then the runtime: in this order, because the spawner dies with the thread that
/// started it, which is the main one.
pub(crate) fn with_runtime<F, W>(work: W) -> Result<ExitCode, CliError>
where
    W: FnOnce(Result<casemate_sandbox::spawner::Spawner, String>) -> F,
    F: Future<Output = Result<ExitCode, CliError>>,
{
    let spawner = casemate_sandbox::spawner::start_sealed().map_err(|error| error.to_string());
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(work(spawner))
}
