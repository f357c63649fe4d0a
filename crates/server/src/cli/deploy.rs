//! `casemate deploy`

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{CliError, ClientOptions, client::Client, output, package, stack};

/// Packages local code and creates or updates a stack on a running server.
#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    client: ClientOptions,
    #[command(flatten)]
    what: Template,
}

/// A template and what to make of it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Template {
    /// The SAM or CloudFormation template
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
    /// Name of the stack [default: name of the template's directory]
    #[arg(long)]
    stack_name: Option<String>,
    /// A template parameter, Key=Value; may be repeated
    #[arg(long = "parameter", value_parser = parameter)]
    parameters: Vec<(String, String)>,
}

impl Deploy {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = Client::from_options(&self.client)?;
            let deployed = self.what.deploy(&client).await?;
            print_outputs(&deployed);
            Ok(ExitCode::SUCCESS)
        })
    }
}

impl Template {
    pub(crate) async fn deploy(&self, client: &Client) -> Result<stack::Deployed, CliError> {
        let name = self.name()?;
        output::progress(&format!("deploying {} as stack `{name}`", self.path.display()));
        let packaged = package::package(client, &self.path).await?;
        output::progress(&format!("  {} packages uploaded", packaged.packages));
        stack::deploy(client, &name, &packaged.template, &self.parameters).await
    }

    fn name(&self) -> Result<String, CliError> {
        if let Some(name) = &self.stack_name {
            return Ok(name.clone());
        }
        let path = self.path.canonicalize().map_err(|error| format!("`{}`: {error}", self.path.display()))?;
        let directory = path.parent().and_then(|parent| parent.file_name()).and_then(|name| name.to_str());
        // AWS: stack names begin with a letter and hold letters, digits and hyphens.
        let name: String = directory
            .unwrap_or("app")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(name);
        }
        Err("the directory's name is no stack name; give one with --stack-name".into())
    }
}

pub(crate) fn print_outputs(deployed: &stack::Deployed) {
    let width = deployed.outputs.iter().map(|(key, _, _)| key.len()).max().unwrap_or(0);
    for (key, value, _) in &deployed.outputs {
        output::line(&format!("  {key:<width$}  {value}"));
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not Key=Value"))
}
