//! Elements that are spelt so that they mean nothing, and statements without effect.

use std::collections::BTreeSet;

use casemate_policy::Kind;

use super::at;
use crate::{
    actions,
    document::{Condition, Document, Statement},
    finding::{ARN_FORM, Finding, OLD_VERSION, UNKNOWN_ACTION, UNREACHABLE},
    glob::fits,
};

/// AWS: arn, partition, service, region, account, resource.
const ARN_PARTS: usize = 6;

pub(super) fn all(document: &Document, kind: Kind) -> Vec<Finding> {
    let mut found = Vec::new();
    for statement in &document.statements {
        found.extend(["Action", "NotAction"].iter().flat_map(|name| unknown_actions(statement, name)));
        found.extend(["Resource", "NotResource"].iter().flat_map(|name| misshapen(statement, name)));
        if !document.variables {
            found.extend(variables(statement));
        }
    }
    if kind != Kind::ServiceControl {
        found.extend(document.allows().filter_map(|allow| unreachable_by(document, allow)));
    }
    found
}

fn unknown_actions(statement: &Statement, name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for pattern in statement.texts(name) {
        let Some((service, _)) = pattern.split_once(':') else { continue };
        if !actions::knows(service) || !actions::matching(pattern).is_empty() {
            continue;
        }
        let hint = match actions::similar_action(pattern) {
            Some(similar) => format!("; did you mean {similar}?"),
            None => String::new(),
        };
        found.push(at(&UNKNOWN_ACTION, statement, format!("{name} `{pattern}` matches no action{hint}")));
    }
    found
}

fn misshapen(statement: &Statement, name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for arn in statement.texts(name) {
        if arn == "*" {
            continue;
        }
        let parts: Vec<&str> = arn.splitn(ARN_PARTS, ':').collect();
        let what = match parts.as_slice() {
            ["arn", _, _, _, account, _] if !is_account(account) => {
                format!("has `{account}` where the account belongs")
            }
            ["arn", _, _, _, _, ""] => "names no resource".to_owned(),
            ["arn", _, _, _, _, _] => continue,
            ["arn", ..] => format!("has {} parts instead of {ARN_PARTS}", parts.len()),
            _ => "does not begin with `arn:`".to_owned(),
        };
        found.push(at(&ARN_FORM, statement, format!("{name} `{arn}` {what}")));
    }
    found
}

/// Twelve digits, nothing (services without accounts), `aws` (what AWS owns), or a pattern.
fn is_account(text: &str) -> bool {
    let digits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits || text.is_empty() || text == "aws" || text.contains(['*', '?', '$'])
}

fn variables(statement: &Statement) -> Vec<Finding> {
    let conditions = statement.conditions();
    let values = conditions.iter().flat_map(Condition::texts);
    let resources = ["Resource", "NotResource"].into_iter().flat_map(|name| statement.texts(name));
    let all: BTreeSet<String> = values.chain(resources.map(str::to_owned)).collect();
    let used = all.iter().filter(|text| text.contains("${"));
    used.map(|text| at(&OLD_VERSION, statement, format!("`{text}` is taken letter by letter"))).collect()
}

/// A Deny for everybody, without conditions, that covers every action and resource of the statement.
fn unreachable_by(document: &Document, allow: &Statement) -> Option<Finding> {
    let covers = |deny: &&Statement| {
        !deny.allows
            && deny.conditions().is_empty()
            && !deny.has("NotPrincipal")
            && (!deny.has("Principal") || deny.principals("AWS").contains(&"*"))
            && covered(deny, allow, "Action")
            && (covered(deny, allow, "Resource") || !deny.has("Resource") && !deny.has("NotResource"))
    };
    let deny = document.statements.iter().find(covers)?;
    let by = deny.sid.as_ref().map_or_else(String::new, |sid| format!(" (Sid {sid})"));
    Some(at(&UNREACHABLE, allow, format!("statement {}{by} denies all that it allows", deny.at)))
}

fn covered(deny: &Statement, allow: &Statement, name: &str) -> bool {
    let (wide, narrow) = (deny.texts(name), allow.texts(name));
    // Variables may be anything, in either.
    let plain = |text: &&str| !text.contains("${");
    !narrow.is_empty()
        && narrow.iter().chain(&wide).all(plain)
        && narrow.iter().all(|text| wide.iter().any(|pattern| fits(pattern, text)))
}
