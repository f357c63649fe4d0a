//! `casemate outbox`

use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;

use super::{CliError, ClientOptions, client::Client, output};
use crate::admin;

/// Shows messages waiting for people.
#[derive(Debug, Args)]
pub(crate) struct Outbox {
    #[command(flatten)]
    client: ClientOptions,
    /// Only messages to this username or destination
    #[arg(long)]
    to: Option<String>,
    /// Messages at most, newest last
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

impl Outbox {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.show())
    }

    async fn show(self) -> Result<ExitCode, CliError> {
        let client = Client::from_options(&self.client)?;
        if !client.has_keys() {
            return Err(
                "the outbox is for administrators: no keys in the environment or the data directory".into()
            );
        }
        let target = format!("/_casemate/outbox?limit={}", self.limit);
        let answer = client.send(admin::SERVICE, "GET", &target, Vec::new(), Bytes::new()).await?.json()?;
        let messages =
            answer.get("messages").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        for message in messages.iter().filter(|message| self.concerns(message)) {
            if self.json {
                output::line(&message.to_string());
            } else {
                let text = |name: &str| message.get(name).and_then(serde_json::Value::as_str).unwrap_or("");
                output::line(&format!(
                    "{}  {} to {} ({}, {}): {}",
                    text("queuedAt"),
                    text("reason"),
                    text("destination"),
                    text("username"),
                    text("source"),
                    text("text")
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn concerns(&self, message: &serde_json::Value) -> bool {
        self.to.as_ref().is_none_or(|wanted| {
            ["username", "destination"]
                .iter()
                .any(|name| message.get(*name).and_then(serde_json::Value::as_str) == Some(wanted.as_str()))
        })
    }
}
