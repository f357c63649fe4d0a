//! Findings in the Static Analysis Results Interchange Format, 2.1.0.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::finding::{Finding, RULES, Severity};

/// Where the format is defined.
// OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run over files, each with its findings.
pub fn report(version: &str, files: &[(String, Vec<Finding>)]) -> Json {
    let rules: Vec<Json> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "name": rule.name,
                "shortDescription": { "text": rule.name },
                "fullDescription": { "text": rule.why },
                "help": { "text": rule.fix },
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect();
    let results: Vec<Json> = files
        .iter()
        .flat_map(|(file, findings)| findings.iter().map(move |finding| result(file, finding)))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "casemate policy lint", "version": version, "rules": rules } },
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn result(file: &str, finding: &Finding) -> Json {
    let statement = finding.statement.map(|at| format!("Statement[{at}]"));
    let place: Vec<String> = finding.place.clone().into_iter().chain(statement).collect();
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": finding.line.unwrap_or(1).max(1) },
        },
    });
    if !place.is_empty()
        && let Some(fields) = location.as_object_mut()
    {
        fields.insert("logicalLocations".to_owned(), json!([{ "fullyQualifiedName": place.join("/") }]));
    }
    let index = RULES.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": level(finding.rule.severity),
        "message": { "text": finding.message },
        "locations": [location],
    })
}

/// A path as a relative reference.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
