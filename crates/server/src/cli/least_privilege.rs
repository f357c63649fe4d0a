//! `casemate least-privilege ROLE`: the minimal policies of a role, from its recorded use, with proofs.

use std::{path::PathBuf, process::ExitCode};

use casemate_minimise::{Certificate, Document, Outcome, Recorded, diff, minimise, sam};
use clap::Args;
use serde_json::{Value, json};

use super::{CliError, ClientOptions, client::Client, output, role_policies, sam_patch::SamPatch};

/// Makes the minimal policies of a role from what it was seen using.
///
/// Exit code 0 means that all three proofs hold: everything recorded is still allowed, nothing is granted that was not,
/// no statement is superfluous.
#[derive(Debug, Args)]
pub(crate) struct LeastPrivilege {
    /// Name or ARN of the role
    role: String,
    #[command(flatten)]
    client: ClientOptions,
    /// Machine-readable
    #[arg(long)]
    json: bool,
    /// A patch that makes the minimal policies those of the role in this template, for `patch -p1`; without a file, only
    /// the `Policies` property for a function
    #[arg(long, value_name = "TEMPLATE", num_args = 0..=1, conflicts_with = "json")]
    #[expect(clippy::option_option, reason = "how clap tells an option without its value from none")]
    sam: Option<Option<PathBuf>>,
    /// The role, or the function it belongs to, in the template [default: what the stack that made the role says]
    #[arg(long, value_name = "LOGICAL_ID", requires = "sam")]
    resource: Option<String>,
}

impl LeastPrivilege {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.make())
    }

    async fn make(self) -> Result<ExitCode, CliError> {
        let client = Client::from_options(&self.client)?;
        if !client.has_keys() {
            return Err("no keys in the environment or the data directory: records are not public".into());
        }
        let current = role_policies::fetch(&client, &self.role).await?;
        let recorded = role_policies::recorded(&client, &current.arn).await?;
        let documents = current.parsed()?;
        let outcome = minimise(&recorded, &documents)?;
        if outcome.documents.is_empty() {
            return Err(format!("nothing is recorded that the policies of {} grant", current.arn).into());
        }
        if self.json {
            output::line(&as_json(&recorded, &outcome).to_string());
        } else if let Some(template) = &self.sam {
            let place = place(&current.arn, &self.client.region);
            report_on(&outcome, output::progress);
            match template {
                None => output::line(sam::policies(&outcome.documents, &place, 6).trim_end()),
                // What goes on to `patch` must not be what has no proof.
                Some(_) if !outcome.certificate.holds() => {}
                Some(template) => {
                    let role = SamPatch { template, resource: self.resource.as_deref(), arn: &current.arn };
                    role.print(&client, &outcome.documents, place).await?;
                }
            }
        } else {
            print(&recorded, &documents, &outcome);
        }
        Ok(if outcome.certificate.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn print(recorded: &Recorded, current: &[Document], outcome: &Outcome) {
    output::line(&format!("# {}", recorded.arn));
    let pretty = |documents: &[Document]| -> String {
        let each = documents
            .iter()
            .map(|d| format!("{}: {}", d.name, serde_json::to_string_pretty(&d.json()).unwrap_or_default()));
        each.collect::<Vec<_>>().join("\n")
    };
    output::line("\n## Changes (- current, + minimal)");
    for line in diff(&pretty(current), &pretty(&outcome.documents)) {
        output::line(&line);
    }
    if !outcome.unused.is_empty() {
        output::line("\n## Never used");
    }
    for unused in &outcome.unused {
        let sid = unused.sid.clone().unwrap_or_else(|| format!("statement {}", unused.statement));
        let what = if unused.whole { "all of it" } else { "of its actions" };
        output::line(&format!("  {} / {sid}, {what}: {}", unused.policy, unused.actions.join(", ")));
    }
    output::line("\n## Minimal");
    for document in &outcome.documents {
        output::line(&format!("# {}.json", document.name));
        output::line(&serde_json::to_string_pretty(&document.json()).unwrap_or_default());
    }
    output::line("");
    report_on(outcome, output::line);
}

/// Proofs and remarks.
fn report_on(outcome: &Outcome, say: fn(&str)) {
    for note in &outcome.notes {
        say(&format!("note: {note}"));
    }
    for (action, resource) in &outcome.ungranted {
        say(&format!("note: {action} on {resource} is not granted by the current policies; left out"));
    }
    let Certificate { replay, subset, minimal } = &outcome.certificate;
    let mark = |holds: bool| if holds { "certified" } else { "NOT CERTIFIED" };
    let assuming = if replay.assuming.is_empty() {
        String::new()
    } else {
        let keys: Vec<&str> = replay.assuming.iter().map(String::as_str).collect();
        format!(", assuming that copied conditions on {} still hold", keys.join(", "))
    };
    let patterns = if replay.patterns == 0 {
        String::new()
    } else {
        format!("; {} more, known as {} patterns, are covered", replay.generalised_requests, replay.patterns)
    };
    say(&format!(
        "{}: {} different recorded requests replay as allowed{patterns}{assuming}",
        mark(replay.holds),
        replay.requests
    ));
    replay.refused.iter().for_each(|refused| say(&format!("  refused: {refused}")));
    say(&format!("{}: grants nothing the current policies do not ({})", mark(subset.holds), subset.method));
    if let Some(why) = &subset.inexact {
        say(&format!("  the exact comparison had no answer: {why}"));
    }
    subset.open.iter().for_each(|open| say(&format!("  not shown: {open}")));
    say(&format!(
        "{}: each of the {} statements is needed (an allow by a recorded request; a denial as far as can be told)",
        mark(minimal.holds),
        minimal.statements
    ));
    minimal.redundant.iter().for_each(|redundant| say(&format!("  can be left out: {redundant}")));
}

fn as_json(recorded: &Recorded, outcome: &Outcome) -> Value {
    let policies: Vec<Value> =
        outcome.documents.iter().map(|d| json!({ "name": d.name, "document": d.json() })).collect();
    let ungranted: Vec<Value> = outcome
        .ungranted
        .iter()
        .map(|(action, resource)| json!({ "action": action, "resource": resource }))
        .collect();
    json!({
        "role": recorded.arn,
        "policies": policies,
        "certified": outcome.certificate.holds(),
        "certificate": outcome.certificate,
        "unused": outcome.unused,
        "ungranted": ungranted,
        "notes": outcome.notes,
        "lost": recorded.lost,
    })
}

fn place(arn: &str, region: &str) -> sam::Place {
    let mut parts = arn.split(':');
    sam::Place {
        partition: parts.nth(1).unwrap_or_default().to_owned(),
        account: parts.nth(2).unwrap_or_default().to_owned(),
        region: region.to_owned(),
        ..sam::Place::default()
    }
}
