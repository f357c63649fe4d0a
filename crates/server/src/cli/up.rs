//! `casemate up`: deploy a template into an embedded instance and serve it.

use std::process::ExitCode;

use clap::Args;

use super::{
    CliError, ServerOptions,
    client::{Client, Keys, administrator},
    deploy::{Template, print_outputs},
    output,
    running::{self, Running},
    serve::with_runtime,
};

/// Deploys a template and serves it.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    what: Template,
    /// Stop after the deployment instead of serving (to see that it works)
    #[arg(long)]
    once: bool,
}

impl Up {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        with_runtime(|spawner| async move {
            output::progress("starting");
            let running = running::start(&self.server, spawner).await?;
            match self.deploy(&running).await {
                Ok(()) if !self.once => running.until_stopped().await?,
                Ok(()) => running.shutdown().await,
                Err(error) => {
                    running.shutdown().await;
                    return Err(error);
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    async fn deploy(&self, running: &Running) -> Result<(), CliError> {
        let keys = keys(running)?;
        let local = format!("http://localhost:{}", self.server.listen.port());
        let client = Client::new(&local, running.site.scope.region.as_str(), Some(keys), None)?;
        let deployed = self.what.deploy(&client).await?;
        output::line("");
        output::line(&format!(
            "serving account {} in {} at {}",
            running.site.scope.account, running.site.scope.region, running.site.endpoint
        ));
        print_outputs(&deployed);
        output::line("");
        for (key, value, description) in &deployed.outputs {
            if key.starts_with("Try") {
                output::line(&format!("{description}\n  {value}"));
            }
        }
        output::line(&format!(
            "\nadministrator: source {}   audit: casemate log --data-dir {}   stop: Ctrl-C",
            running.settings.administrator_path().display(),
            running.settings.data_dir.display()
        ));
        Ok(())
    }
}

fn keys(running: &Running) -> Result<Keys, CliError> {
    let path = running.settings.administrator_path();
    administrator(&path).ok_or_else(|| {
        let path = path.display();
        format!("`{path}` is gone; start with `casemate serve` and use `casemate deploy` with your own keys")
            .into()
    })
}
