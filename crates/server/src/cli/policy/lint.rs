//! `casemate policy lint`: advice on policy documents and on those inside SAM and CloudFormation templates.

use std::{fs, path::PathBuf, process::ExitCode};

use casemate_advice::{
    Attached, Finding, Resource, Severity, kind_of, lint, lint_attached, lint_template, lint_together, sarif,
    unused,
};
use casemate_cloudformation::outline;
use casemate_kernel::policy;
use casemate_minimise::Unused;
use casemate_names::Arn;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::{
    CliError, ClientOptions,
    client::Client,
    output,
    role_policies::{self, RolePolicies},
};

/// Larger files are no policies (AWS: 131,072 characters) and no templates (51,200 bytes).
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Looks at policy documents, templates, and the policies of roles on a server with what was never used of them.
///
/// Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 a file cannot be read.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Policy documents (JSON) or templates (JSON or YAML)
    #[arg(required_unless_present = "role")]
    files: Vec<PathBuf>,
    /// Name or ARN of a role whose policies are fetched, with the trust policy, and compared with its recorded use; can be
    /// repeated
    #[arg(long)]
    role: Vec<String>,
    #[command(flatten)]
    client: ClientOptions,
    /// What the documents are
    #[arg(long, value_enum, default_value_t = KindName::Auto)]
    kind: KindName,
    /// ARN of the queue, topic or secret that the documents are meant for
    #[arg(long, value_parser = attached_to, conflicts_with_all = ["role", "kind"])]
    resource: Option<Arn>,
    /// The least severity that counts as a failure
    #[arg(long, value_enum, default_value_t = Least::Warning)]
    fail_on: Least,
    /// As SARIF 2.1.0
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindName {
    /// Told by its form: principals make it a resource's or a role's
    Auto,
    Identity,
    Resource,
    Trust,
    Boundary,
    Session,
    ServiceControl,
    ResourceControl,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Least {
    Note,
    Warning,
    Error,
}

impl Lint {
    pub(crate) fn run(self) -> Result<ExitCode, CliError> {
        let mut files = Vec::new();
        let mut unreadable = false;
        for path in &self.files {
            match self.look_at(path) {
                Ok(findings) => files.push((path.display().to_string(), findings)),
                Err(error) => {
                    output::error(&format!("`{}`: {error}", path.display()));
                    unreadable = true;
                }
            }
        }
        match self.look_at_roles() {
            Ok(found) => files.extend(found),
            Err(error) => {
                output::error(&error.to_string());
                unreadable = true;
            }
        }
        self.show(&files)?;
        let least = match self.fail_on {
            Least::Note => Severity::Note,
            Least::Warning => Severity::Warning,
            Least::Error => Severity::Error,
        };
        let counts = |finding: &Finding| finding.rule.severity >= least;
        Ok(if unreadable {
            ExitCode::from(2)
        } else if files.iter().any(|(_, findings)| findings.iter().any(counts)) {
            ExitCode::from(1)
        } else {
            ExitCode::SUCCESS
        })
    }

    fn look_at(&self, path: &PathBuf) -> Result<Vec<Finding>, CliError> {
        if fs::metadata(path)?.len() > FILE_BYTES_MAX {
            return Err(format!("is larger than {FILE_BYTES_MAX} bytes").into());
        }
        let text = fs::read_to_string(path)?;
        let tree: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        if tree.as_ref().is_some_and(|tree| tree.get("Resources").is_none()) {
            if let Some(attached) = self.resource.as_ref().and_then(Attached::to) {
                return Ok(lint_attached(&text, &attached));
            }
            let kind = self.kind().unwrap_or_else(|| kind_of(&text));
            return Ok(lint(&text, kind));
        }
        if self.resource.is_some() {
            return Err("is no policy in JSON, and only such can be meant for a resource".into());
        }
        let resources = outline::resources(&text)
            .map_err(|error| format!("is neither a policy in JSON nor a template: {error}"))?;
        let resources: Vec<Resource> = resources
            .into_iter()
            .map(|made| Resource {
                logical_id: made.logical_id,
                kind: made.kind,
                line: made.line,
                properties: made.properties,
            })
            .collect();
        Ok(lint_template(&resources))
    }

    /// The policies of the roles, each under the name `ROLE/POLICY`, and whom they trust.
    fn look_at_roles(&self) -> Result<Vec<(String, Vec<Finding>)>, CliError> {
        if self.role.is_empty() {
            return Ok(Vec::new());
        }
        let client = Client::from_options(&self.client)?;
        if !client.has_keys() {
            return Err("no keys in the environment or the data directory: records are not public".into());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut found = Vec::new();
        for role in &self.role {
            found.extend(runtime.block_on(look_at_role(&client, role))?);
        }
        Ok(found)
    }

    fn kind(&self) -> Option<policy::Kind> {
        Some(match self.kind {
            KindName::Auto => return None,
            KindName::Identity => policy::Kind::Identity,
            KindName::Resource => policy::Kind::Resource,
            KindName::Trust => policy::Kind::Trust,
            KindName::Boundary => policy::Kind::Boundary,
            KindName::Session => policy::Kind::Session,
            KindName::ServiceControl => policy::Kind::ServiceControl,
            KindName::ResourceControl => policy::Kind::ResourceControl,
        })
    }

    fn show(&self, files: &[(String, Vec<Finding>)]) -> Result<(), CliError> {
        if self.sarif {
            let report = sarif::report(env!("CARGO_PKG_VERSION"), files);
            output::line(&serde_json::to_string_pretty(&report)?);
        } else if self.json {
            let files = files.iter().map(|(file, findings)| json!({ "file": file, "findings": findings }));
            let report = json!({ "files": files.collect::<Vec<_>>() });
            output::line(&serde_json::to_string_pretty(&report)?);
        } else {
            for (file, findings) in files {
                for finding in findings {
                    for line in shown(file, finding) {
                        output::line(&line);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The ARN of a resource whose service's rules are known.
fn attached_to(text: &str) -> Result<Arn, String> {
    let arn = Arn::parse(text).map_err(|error| error.to_string())?;
    match Attached::to(&arn) {
        Some(_) => Ok(arn),
        None => Err("not the ARN of a queue, a topic or a secret (with its six last characters)".to_owned()),
    }
}

async fn look_at_role(client: &Client, role: &str) -> Result<Vec<(String, Vec<Finding>)>, CliError> {
    let current = role_policies::fetch(client, role).await?;
    let recorded = role_policies::recorded(client, &current.arn).await?;
    let never = casemate_minimise::unused(&recorded, &current.parsed()?)?;
    if recorded.lost > 0 {
        output::error(&format!("{}: {} requests could not be recorded", current.arn, recorded.lost));
    }
    Ok(findings_of(role, &current, &never))
}

/// The property of a role that says whom it trusts; so is the trust policy called, which has no name of its own.
const TRUST: &str = "AssumeRolePolicyDocument";

fn findings_of(role: &str, current: &RolePolicies, never: &[Unused]) -> Vec<(String, Vec<Finding>)> {
    let mut each: Vec<(String, Vec<Finding>)> = Vec::new();
    for (name, text) in &current.documents {
        let mut findings = lint(text, policy::Kind::Identity);
        let here = never.iter().filter(|unused| unused.policy == *name);
        findings.extend(here.map(|found| unused(text, found.statement, found.sid.clone(), &found.actions)));
        each.push((format!("{role}/{name}"), findings));
    }
    let all: Vec<(&str, &str)> =
        current.documents.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    for (at, finding) in lint_together(&all) {
        if let Some((_, findings)) = each.get_mut(at) {
            findings.push(finding);
        }
    }
    each.push((format!("{role}/{TRUST}"), lint(&current.trust, policy::Kind::Trust)));
    each
}

fn shown(file: &str, finding: &Finding) -> [String; 2] {
    let severity = match finding.rule.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let line = finding.line.map_or_else(String::new, |line| format!(":{line}"));
    let sid = finding.sid.as_ref().map_or_else(String::new, |sid| format!(" (Sid {sid})"));
    let statement = finding.statement.map_or_else(String::new, |at| format!(" statement {at}{sid}"));
    let place = finding.place.as_ref().map_or_else(String::new, |place| format!(" {place}"));
    let rule = finding.rule;
    let plain = |text: String| -> String {
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    };
    [
        plain(format!(
            "{file}{line}: {severity} {} {}:{place}{statement}: {}",
            rule.id, rule.name, finding.message
        )),
        format!("    {} {}", rule.why, rule.fix),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roles_trust_policy_is_looked_at_as_one_and_named() {
        let github = "token.actions.githubusercontent.com";
        let trust = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{github}")},
            "Condition": {"StringEquals": {format!("{github}:aud"): "sts.amazonaws.com"}},
        }});
        let allowed = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "dynamodb:*", "Resource": "arn:aws:dynamodb:us-east-1:111122223333:table/t",
        }});
        let role = RolePolicies {
            arn: "arn:aws:iam::111122223333:role/app".to_owned(),
            trust: trust.to_string(),
            documents: vec![("p".to_owned(), allowed.to_string())],
        };
        let found = findings_of("app", &role, &[]);
        let found: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|(name, findings)| (name.as_str(), findings.iter().map(|finding| finding.rule.id).collect()))
            .collect();
        assert_eq!(found, [("app/p", vec!["CM002"]), ("app/AssumeRolePolicyDocument", vec!["CM032"])]);
    }
}
