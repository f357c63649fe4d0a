//! `casemate policy diff`: does a change of policies allow anything new? Reads files, prints, and answers by exit code;
//! how policies are compared is `casemate_policy::compare`'s business.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use casemate_policy::{
    Kind, Principal, Verdict,
    compare::{Answer, Comparison, Document, Finding, Given, Options, Relation, STEPS_MAX, Witness, compare},
};
use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};

use super::super::{CliError, output};

/// Exit codes beside 0, "nothing more is allowed".
const MORE: u8 = 1;
const BAD_INPUT: u8 = 2;
const UNKNOWN: u8 = 3;

/// Compares policies.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes, for use as a gate:\n  \
    0  the new policies allow nothing that the old ones do not\n  \
    1  the new policies allow more: the request shown\n  \
    2  an argument, a file or a policy is not valid\n  \
    3  it could not be proved that nothing more is allowed, and no such request was found")]
pub(crate) struct Diff {
    /// Policy document before the change; `-` for standard input
    old: PathBuf,
    /// Policy document after the change; `-` for standard input
    new: PathBuf,
    /// Another policy that applies beside OLD (can be repeated)
    #[arg(long = "old", value_name = "FILE")]
    more_old: Vec<PathBuf>,
    /// Another policy that applies beside NEW (can be repeated)
    #[arg(long = "new", value_name = "FILE")]
    more_new: Vec<PathBuf>,
    /// What the policies are attached to
    #[arg(long, value_enum, default_value_t = Attached::Identity)]
    kind: Attached,
    /// The actions there are, one a line [default: every text service:name]
    #[arg(long, value_name = "FILE")]
    actions: Option<PathBuf>,
    /// Every context key may have several values, not only those used with ForAllValues or ForAnyValue
    #[arg(long)]
    any_key_multivalued: bool,
    /// Steps of work before giving up
    #[arg(long, value_name = "N", default_value_t = STEPS_MAX)]
    steps: u64,
    /// Machine-readable
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Attached {
    Identity,
    Resource,
}

impl Diff {
    pub(crate) fn run(self) -> ExitCode {
        match self.compared() {
            Ok(found) => {
                if self.json {
                    output::line(&machine(&found).to_string());
                } else {
                    output::line(&human(&found));
                }
                ExitCode::from(code(&found))
            }
            Err(error) => {
                output::error(&error.to_string());
                ExitCode::from(BAD_INPUT)
            }
        }
    }

    fn compared(&self) -> Result<Comparison, CliError> {
        let files = |first: &PathBuf, more: &[PathBuf]| -> Vec<PathBuf> {
            std::iter::once(first).chain(more).cloned().collect()
        };
        let (old, new) = (files(&self.old, &self.more_old), files(&self.new, &self.more_new));
        let inputs = old.iter().chain(&new).chain(&self.actions);
        if inputs.filter(|path| is_stdin(path)).count() > 1 {
            return Err("standard input can be read only once".into());
        }
        let documents = |files: &[PathBuf]| -> Result<Vec<Document>, CliError> {
            files.iter().map(|path| self.document(path)).collect()
        };
        let (old, new) = (documents(&old)?, documents(&new)?);
        let actions = self.actions.as_deref().map(listed_actions).transpose()?;
        Ok(compare(
            &old,
            &new,
            &Options {
                actions: actions.as_deref(),
                any_key_multivalued: self.any_key_multivalued,
                steps_max: self.steps,
            },
        ))
    }

    fn document(&self, path: &Path) -> Result<Document, CliError> {
        let kind = match self.kind {
            Attached::Identity => Kind::Identity,
            Attached::Resource => Kind::Resource,
        };
        let name = path.display().to_string();
        Document::parse(&name, &read(path)?, kind).map_err(|error| {
            let place =
                if error.place().is_empty() { String::new() } else { format!(" ({})", error.place()) };
            format!("`{name}`: {error}{place}").into()
        })
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read(path: &Path) -> Result<String, CliError> {
    if is_stdin(path) {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map_err(|error| format!("standard input: {error}"))?;
        return Ok(text);
    }
    fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()).into())
}

fn listed_actions(path: &Path) -> Result<Vec<String>, CliError> {
    let text = read(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let checked = lines.map(|line| match line.split_once(':') {
        Some((service, name)) if !service.is_empty() && !name.is_empty() && !name.contains(':') => {
            Ok(line.to_owned())
        }
        Some(_) | None => Err(format!("`{}`: `{line}` is not an action", path.display()).into()),
    });
    let actions: Vec<String> = checked.collect::<Result<_, CliError>>()?;
    if actions.is_empty() {
        // Where there is nothing to do, nothing is more than before: not what anybody wants to be told.
        return Err(format!("`{}` lists no actions", path.display()).into());
    }
    Ok(actions)
}

fn code(found: &Comparison) -> u8 {
    match found.more {
        Finding::Nothing => 0,
        Finding::Witness(_) => MORE,
        Finding::Unknown(_) => UNKNOWN,
    }
}

fn human(found: &Comparison) -> String {
    let side = |finding: &Finding, word: &str| match finding {
        Finding::Nothing => vec![format!("The new policies allow nothing {word} than the old.")],
        Finding::Unknown(why) => {
            vec![format!("Unknown whether the new policies allow {word} than the old: {why}.")]
        }
        Finding::Witness(witness) => {
            let mut lines = vec![format!("The new policies allow {word} than the old. For example:")];
            lines.extend(shown(witness));
            lines
        }
    };
    let mut lines = side(&found.more, "more");
    lines.extend(side(&found.less, "less"));
    lines.join("\n")
}

fn shown(witness: &Witness) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(principal) = &witness.principal {
        lines.push(format!("  principal  {}", name(principal)));
    }
    lines.push(format!("  action     {}", witness.action));
    lines.push(format!("  resource   {}", witness.resource));
    for (key, given) in &witness.context {
        let text = match given {
            Given::Absent => format!("{key} is absent"),
            Given::One(value) => format!("{key} = {value:?}"),
            Given::Many(values) => format!("{key} = {values:?}"),
        };
        lines.push(format!("  context    {text}"));
    }
    lines.push(format!("  old        {}", said(&witness.old)));
    lines.push(format!("  new        {}", said(&witness.new)));
    lines
}

fn said(answer: &Answer) -> String {
    let verb = match answer.verdict {
        Verdict::Allow => "allowed",
        Verdict::ExplicitDeny => "denied",
        Verdict::ImplicitDeny => "not allowed",
    };
    match &answer.decisive {
        None => format!("{verb}: no statement applies"),
        Some(decisive) => {
            let sid = decisive.sid.as_ref().map_or(String::new(), |sid| format!(" ({sid})"));
            format!("{verb} by {}, Statement[{}]{sid}", decisive.policy, decisive.statement)
        }
    }
}

/// A caller in a word or an ARN.
fn name(principal: &Principal) -> String {
    match principal {
        Principal::Anonymous => "anonymous".to_owned(),
        Principal::Root { account } => format!("the root user of {account}"),
        Principal::User { arn, unique_id, .. } => format!("{arn} ({unique_id})"),
        Principal::Session { role_arn, role_unique_id, session_arn, .. } => {
            format!("{session_arn}, a session of {role_arn} ({role_unique_id})")
        }
        Principal::FederatedUser { arn, .. } => arn.clone(),
        Principal::Service { name } => name.clone(),
        Principal::WebIdentity { provider } => format!("a user of {provider}"),
    }
}

fn machine(found: &Comparison) -> Json {
    let relation = match found.relation() {
        Relation::Equal => "equal",
        Relation::More => "more",
        Relation::Less => "less",
        Relation::Both => "both",
        Relation::Unknown => "unknown",
    };
    let side = |finding: &Finding| match finding {
        Finding::Nothing => json!({"result": "nothing"}),
        Finding::Unknown(why) => json!({"result": "unknown", "why": why.to_string()}),
        Finding::Witness(witness) => json!({"result": "witness", "witness": request(witness)}),
    };
    json!({
        "relation": relation,
        "more": side(&found.more),
        "less": side(&found.less),
        "steps": found.steps,
    })
}

fn request(witness: &Witness) -> Json {
    let given = |given: &Given| match given {
        Given::Absent => Json::Null,
        Given::One(value) => json!(value),
        Given::Many(values) => json!(values),
    };
    let context: serde_json::Map<String, Json> =
        witness.context.iter().map(|(key, value)| (key.clone(), given(value))).collect();
    json!({
        "principal": witness.principal.as_ref().map(caller),
        "action": witness.action,
        "resource": witness.resource,
        "context": context,
        "old": verdict(&witness.old),
        "new": verdict(&witness.new),
    })
}

fn caller(principal: &Principal) -> Json {
    match principal {
        Principal::Anonymous => json!({"type": "Anonymous"}),
        Principal::Root { account } => json!({"type": "Account", "account": account}),
        Principal::User { arn, unique_id, account } => {
            json!({"type": "User", "arn": arn, "uniqueId": unique_id, "account": account})
        }
        Principal::Session { role_arn, role_unique_id, session_arn, account } => json!({
            "type": "AssumedRole", "arn": session_arn, "roleArn": role_arn, "uniqueId": role_unique_id, "account": account,
        }),
        Principal::FederatedUser { arn, account } => {
            json!({"type": "FederatedUser", "arn": arn, "account": account})
        }
        Principal::Service { name } => json!({"type": "Service", "name": name}),
        Principal::WebIdentity { provider } => json!({"type": "WebIdentity", "provider": provider}),
    }
}

fn verdict(answer: &Answer) -> Json {
    let verdict = match answer.verdict {
        Verdict::Allow => "allowed",
        Verdict::ExplicitDeny => "explicitDeny",
        Verdict::ImplicitDeny => "implicitDeny",
    };
    let decisive = answer.decisive.as_ref().map(
        |decisive| json!({"policy": decisive.policy, "sid": decisive.sid, "statement": decisive.statement}),
    );
    json!({"verdict": verdict, "decisive": decisive})
}
