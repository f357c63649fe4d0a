//! `casemate shadow`: candidates for the policies of a user or role, tried on live traffic.

use std::{path::PathBuf, process::ExitCode};

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CliError, ClientOptions,
    client::Client,
    output,
    role_policies::{self, percent_encoded},
};
use crate::admin;

/// Tries policies on live traffic without putting them in force.
#[derive(Debug, Args)]
pub(crate) struct Shadow {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Evaluate these policies beside those in force; a report begun before starts again
    Set {
        /// Name or ARN of the role, or ARN of a user
        principal: String,
        /// Identity policies that would take the place of all of the principal's own
        #[arg(required = true)]
        policies: Vec<PathBuf>,
        #[command(flatten)]
        client: ClientOptions,
    },
    /// Show which decisions would change
    Report {
        /// Name or ARN of the role, or ARN of a user; all of the account when left out
        principal: Option<String>,
        /// Machine-readable
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        client: ClientOptions,
    },
    /// Stop
    Clear {
        /// Name or ARN of the role, or ARN of a user
        principal: String,
        #[command(flatten)]
        client: ClientOptions,
    },
}

impl Shadow {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match self.action {
                Action::Set { principal, policies, client } => set(&client, &principal, &policies).await,
                Action::Report { principal, json, client } => {
                    report(&client, principal.as_deref(), json).await
                }
                Action::Clear { principal, client } => {
                    let client = Client::from_options(&client)?;
                    let target = target(&client, Some(&principal)).await?;
                    let answer = send(&client, "DELETE", &target, Bytes::new()).await?;
                    let cleared = answer.get("cleared").and_then(Value::as_bool) == Some(true);
                    output::line(if cleared { "cleared" } else { "there was no candidate" });
                    Ok(ExitCode::SUCCESS)
                }
            }
        })
    }
}

async fn set(options: &ClientOptions, principal: &str, files: &[PathBuf]) -> Result<ExitCode, CliError> {
    let client = Client::from_options(options)?;
    let mut policies = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        let document: Value = serde_json::from_str(&text)
            .map_err(|error| format!("`{}` is not JSON: {error}", file.display()))?;
        policies.push(json!({ "name": file.display().to_string(), "document": document }));
    }
    let target = target(&client, Some(principal)).await?;
    let body = json!({ "policies": policies }).to_string();
    send(&client, "PUT", &target, Bytes::from(body)).await?;
    output::line("watching; nothing is changed. See: casemate shadow report");
    Ok(ExitCode::SUCCESS)
}

async fn report(options: &ClientOptions, principal: Option<&str>, json: bool) -> Result<ExitCode, CliError> {
    let client = Client::from_options(options)?;
    let target = target(&client, principal).await?;
    let answer = send(&client, "GET", &target, Bytes::new()).await?;
    if json {
        output::line(&answer.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let shadows = list(&answer, "shadows");
    if shadows.is_empty() {
        output::line("no candidate is being tried");
    }
    for shadow in shadows {
        let number = |name: &str| shadow.get(name).and_then(Value::as_u64).unwrap_or(0);
        output::line(&format!(
            "{} since {}: {} decisions, {} would be refused, {} would be allowed",
            text(&shadow, "principal"),
            text(&shadow, "setAt"),
            number("evaluated"),
            number("newlyRefused"),
            number("newlyAllowed")
        ));
        for change in list(&shadow, "changes") {
            let side = |name: &str| change.get(name).map(shown).unwrap_or_default();
            output::line(&format!(
                "  {} × {} on {}: {} → {}",
                change.get("count").and_then(Value::as_u64).unwrap_or(0),
                text(&change, "action"),
                text(&change, "resource"),
                side("before"),
                side("after")
            ));
        }
        if number("changesLost") > 0 {
            output::line(&format!("  and {} further changed decisions", number("changesLost")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// E.g. `allowed by OwnNotes of notes (identity-based)`.
fn shown(side: &Value) -> String {
    let allowed = side.get("allowed").and_then(Value::as_bool) == Some(true);
    let verdict = if allowed { "allowed" } else { "refused" };
    let by = side.get("decisive").filter(|decisive| !decisive.is_null()).map(|decisive| {
        let position = decisive.get("statement").and_then(Value::as_u64).unwrap_or(0);
        let sid = decisive.get("sid").and_then(Value::as_str).map(str::to_owned);
        format!(
            " by {} of {}",
            sid.unwrap_or_else(|| format!("statement {position}")),
            text(decisive, "policy")
        )
    });
    format!("{verdict}{} ({})", by.unwrap_or_default(), text(side, "layer"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

async fn target(client: &Client, principal: Option<&str>) -> Result<String, CliError> {
    if !client.has_keys() {
        return Err("no keys in the environment or the data directory".into());
    }
    let Some(principal) = principal else { return Ok("/_casemate/shadow".to_owned()) };
    let arn = if principal.starts_with("arn:") {
        principal.to_owned()
    } else {
        role_policies::arn(client, principal).await?
    };
    Ok(format!("/_casemate/shadow?principal={}", percent_encoded(&arn)))
}

async fn send(client: &Client, method: &str, target: &str, body: Bytes) -> Result<Value, CliError> {
    client.send(admin::SERVICE, method, target, Vec::new(), body).await?.json()
}
