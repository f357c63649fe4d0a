//! Writes `services/<service>/src/api.rs` and `ops.rs`.
//!
//! The files in `ops/` are the list of what is implemented; exactly the shapes those operations reach are generated.

mod errors;
mod model;
mod operations;
mod reach;
mod schemas;
mod types;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::{Outcome, files, names};
use model::Model;
use reach::Reach;

/// Service folders and the type that implements each.
const SERVICE_TYPES: &[(&str, &str)] = &[
    ("apigateway", "ApiGateway"),
    ("cloudformation", "CloudFormation"),
    ("cognito_idp", "CognitoIdp"),
    ("dynamodb", "DynamoDb"),
    ("iam", "Iam"),
    ("kms", "Kms"),
    ("lambda", "Lambda"),
    ("logs", "Logs"),
    ("organizations", "Organizations"),
    ("sts", "Sts"),
];

/// `codegen [--check] [--stdout --ops A,B] [service…]`
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let mut check = false;
    let mut stdout = false;
    let mut only: Option<Vec<String>> = None;
    let mut services = Vec::new();
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "--check" => check = true,
            "--stdout" => stdout = true,
            "--ops" => {
                let list = rest.next().ok_or("--ops wants a list of operations")?;
                only = Some(list.split(',').map(str::to_owned).collect());
            }
            flag if flag.starts_with('-') => return Err(format!("codegen knows no {flag}")),
            service => services.push(service),
        }
    }
    if services.is_empty() {
        services = SERVICE_TYPES.iter().map(|(folder, _)| *folder).collect();
    }
    let mut report = Vec::new();
    let mut failures = Vec::new();
    for service in services {
        let outcome = match (&only, stdout) {
            (Some(ops), true) => return generate(&load(service)?, ops).and_then(|(api, _)| format(&api)),
            (None, false) => one(service, check),
            _ => return Err("--stdout and --ops go together".to_owned()),
        };
        match outcome {
            Ok(text) => report.push(text),
            Err(text) => failures.push(text),
        }
    }
    if failures.is_empty() {
        return Ok(report.join("\n"));
    }
    report.append(&mut failures);
    Err(report.join("\n"))
}

/// Generates or checks one service.
fn one(service: &str, check: bool) -> Outcome {
    let source = files::root().join("services").join(service).join("src");
    let model = load(service)?;
    let ops = implemented(&model, &source.join("ops"))?;
    if ops.is_empty() {
        return Ok(format!("{service}: no files in ops/, nothing to generate"));
    }
    let (api, list) = generate(&model, &ops)?;
    let outputs = [(source.join("api.rs"), format(&api)?), (source.join("ops.rs"), format(&list)?)];
    let mut notes = Vec::new();
    for (path, text) in &outputs {
        let name = path.strip_prefix(files::root()).unwrap_or(path).display().to_string();
        if check {
            let old = files::read(path).unwrap_or_default();
            if let Some(difference) = first_difference(&old, text) {
                notes.push(format!("{name} is not what codegen writes: {difference}"));
            }
        } else if files::write(path, text)? {
            notes.push(format!("wrote {name}"));
        }
    }
    if check && !notes.is_empty() {
        return Err(format!("{}\nrun: cargo xtask codegen {service}", notes.join("\n")));
    }
    if !check {
        notes.extend(skeletons(service, &ops, &source.join("ops"))?);
    }
    notes.insert(0, format!("{service}: {} operations", ops.len()));
    Ok(notes.join("\n  "))
}

/// How much of one service's model there is.
#[derive(Debug)]
pub(crate) struct Coverage {
    /// Its folder.
    pub(crate) service: &'static str,
    /// Operations of its model.
    pub(crate) total: usize,
    /// Those without a file, by name.
    pub(crate) missing: Vec<String>,
}

/// What there is of every service.
pub(crate) fn coverage() -> Result<Vec<Coverage>, String> {
    let of = |&(service, _): &(&'static str, &str)| {
        let model = load(service)?;
        let there = implemented(&model, &files::root().join("services").join(service).join("src/ops"))?;
        let all: Vec<String> = model.operations().map(str::to_owned).collect();
        let total = all.len();
        let mut missing: Vec<String> = all.into_iter().filter(|name| !there.contains(name)).collect();
        missing.sort();
        Ok(Coverage { service, total, missing })
    };
    SERVICE_TYPES.iter().map(of).collect()
}

fn load(service: &str) -> Result<Model, String> {
    if service_type(service).is_none() {
        let known = names::nearest(service, SERVICE_TYPES.iter().map(|(folder, _)| *folder));
        return Err(format!("no service {service}{}", did_you_mean(known)));
    }
    Model::parse(service, &files::read(&files::root().join("models").join(format!("{service}.json")))?)
}

fn service_type(service: &str) -> Option<&'static str> {
    SERVICE_TYPES.iter().find(|(folder, _)| *folder == service).map(|(_, name)| *name)
}

/// The operations that have a file, by the model's names, in the order of the files.
fn implemented(model: &Model, folder: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for file in files::names_in(folder) {
        let Some(stem) = file.strip_suffix(".rs") else { continue };
        let operation = model.operations().find(|name| names::snake(name) == stem);
        let Some(operation) = operation else {
            let all: Vec<String> = model.operations().map(names::snake).collect();
            let hint = did_you_mean(names::nearest(stem, all.iter().map(String::as_str)));
            return Err(format!("{}/{file} is no operation of {}{hint}", folder.display(), model.service));
        };
        found.push(operation.to_owned());
    }
    Ok(found)
}

fn did_you_mean(known: Option<&str>) -> String {
    known.map_or_else(String::new, |known| format!("; did you mean {known}?"))
}

/// The text of `api.rs` and `ops.rs`, not yet formatted.
fn generate(model: &Model, ops: &[String]) -> Result<(String, String), String> {
    let service = &model.service;
    let reach = Reach::of(model, ops)?;
    let body = [
        operations::bindings(ops),
        types::all(&reach)?,
        errors::all(&reach)?,
        operations::metas(model, &reach, ops)?,
        errors::metas(&reach),
        schemas::all(&reach)?,
    ]
    .concat();
    let preamble = operations::preamble(model).replace("@imports@", &operations::imports(&body));
    let api = [header(service), preamble, body].concat();
    let service_type = service_type(service).ok_or("unknown service")?;
    let list = header(service) + &operations::list(ops, service_type);
    Ok((api, list))
}

fn header(service: &str) -> String {
    format!("// @generated by cargo xtask codegen from models/{service}.json. Do not edit.\n\n")
}

/// Puts a skeleton into every empty operation file. It does not compile until it says what must be allowed.
fn skeletons(service: &str, ops: &[String], folder: &Path) -> Result<Vec<String>, String> {
    let service_type = service_type(service).ok_or("unknown service")?;
    let mut notes = Vec::new();
    for op in ops {
        let path = folder.join(format!("{}.rs", names::snake(op)));
        if files::read(&path)?.trim().is_empty() {
            files::write(&path, &format(&operations::skeleton(op, service_type))?)?;
            notes.push(format!("{op}: skeleton written"));
        }
    }
    Ok(notes)
}

/// Formats with the repository's own settings.
fn format(text: &str) -> Outcome {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--quiet", "--config-path"])
        .arg(files::root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("rustfmt: {error}"))?;
    let mut stdin = rustfmt.stdin.take().ok_or("rustfmt takes no input")?;
    let input = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = rustfmt.wait_with_output().map_err(|error| format!("rustfmt: {error}"))?;
    let written = writer.join().is_ok_and(|result| result.is_ok());
    if !output.status.success() || !written {
        return Err(format!(
            "rustfmt refuses the generated text: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

fn first_difference(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    if old.is_empty() {
        return Some("it does not exist".to_owned());
    }
    let (old_lines, new_lines) = (old.lines().count(), new.lines().count());
    let at = old.lines().zip(new.lines()).position(|(a, b)| a != b).unwrap_or(old_lines.min(new_lines));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(end)").trim().to_owned();
    Some(format!("line {}: has `{}`, should be `{}`", at + 1, line(old), line(new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_different_line_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let said = first_difference("a\nb\n", "a\nc\n").unwrap();
        assert!(said.starts_with("line 2") && said.contains("`b`") && said.contains("`c`"));
    }

    #[test]
    fn what_has_no_file_is_missing_and_nothing_else() {
        let all = coverage().unwrap();
        assert_eq!(all.len(), SERVICE_TYPES.len());
        let iam = all.iter().find(|coverage| coverage.service == "iam").unwrap();
        assert!(iam.missing.iter().all(|name| name != "CreateRole"));
        for Coverage { service, total, missing } in &all {
            let folder = files::root().join("services").join(service).join("src/ops");
            let there = files::names_in(&folder).iter().filter_map(|name| name.strip_suffix(".rs")).count();
            assert_eq!(there + missing.len(), *total, "{service}");
        }
    }

    #[test]
    fn unknown_services_and_operations_are_refused_with_a_hint() {
        assert!(load("dynamo_db").err().unwrap().contains("did you mean dynamodb?"));
        let refused = generate(&load("sts").unwrap(), &["GetCallerIdentify".to_owned()]).err().unwrap();
        assert!(refused.contains("GetCallerIdentify"), "{refused}");
    }

    #[test]
    fn only_reachable_shapes_are_generated() {
        let (api, list) = generate(&load("sts").unwrap(), &["GetCallerIdentity".to_owned()]).unwrap();
        assert!(api.contains("pub struct GetCallerIdentityOutput"));
        assert!(!api.contains("AssumeRole"));
        assert!(list.contains("mod get_caller_identity;"));
    }

    #[test]
    fn every_operation_of_every_model_can_be_generated_or_says_why_not() {
        let mut refused = Vec::new();
        for (service, _) in SERVICE_TYPES {
            let model = load(service).unwrap();
            let all: Vec<String> = model.operations().map(str::to_owned).collect();
            refused.extend(all.iter().filter_map(|op| generate(&model, std::slice::from_ref(op)).err()));
        }
        assert!(
            refused.iter().all(|why| why.contains("event stream")
                || why.contains("document")
                || why.contains("pattern"))
        );
        assert!(refused.len() < 20, "{refused:#?}");
    }
}
