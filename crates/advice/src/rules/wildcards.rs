//! Statements that allow more than anyone lists: stars and inverses.

use casemate_policy::Kind;

use super::at;
use crate::{
    actions,
    document::{Document, Statement},
    finding::{EVERY_ACTION, EVERY_ACTION_OF_SERVICE, EVERY_RESOURCE, Finding, NOT_ACTION, NOT_RESOURCE},
};

/// Actions named in a message; the rest is counted.
const NAMED_MAX: usize = 3;

pub(super) fn all(document: &Document, kind: Kind) -> Vec<Finding> {
    let mut found = Vec::new();
    for statement in document.allows() {
        found.extend(of_actions(statement));
        if statement.has("NotAction") {
            let listed = statement.texts("NotAction").join(", ");
            found.push(at(&NOT_ACTION, statement, format!("allows everything but {listed}")));
        }
        if statement.has("NotResource") {
            let listed = statement.texts("NotResource").join(", ");
            found.push(at(&NOT_RESOURCE, statement, format!("includes every resource but {listed}")));
        }
        // In a resource's own policy `*` is the resource.
        if kind == Kind::Identity {
            found.extend(of_resources(statement));
        }
    }
    found
}

fn of_actions(statement: &Statement) -> Vec<Finding> {
    let mut found = Vec::new();
    for action in statement.texts("Action") {
        if matches!(action, "*" | "*:*") {
            found.push(at(&EVERY_ACTION, statement, format!("allows `{action}`")));
        } else if let Some((service, "*")) = action.split_once(':') {
            found.push(at(&EVERY_ACTION_OF_SERVICE, statement, format!("allows every action of {service}")));
        }
    }
    found
}

fn of_resources(statement: &Statement) -> Option<Finding> {
    if !statement.texts("Resource").contains(&"*") || statement.texts("Action").contains(&"*") {
        return None;
    }
    // A condition on the resource is another way to say which.
    if statement.conditions().iter().any(|condition| limits_resources(condition.key)) {
        return None;
    }
    let mut limitable: Vec<String> = statement
        .texts("Action")
        .iter()
        .flat_map(|pattern| actions::matching(pattern))
        .filter(|action| actions::has_resources(action))
        .collect();
    limitable.sort();
    limitable.dedup();
    let (first, more) = limitable.split_at_checked(NAMED_MAX).unwrap_or((&limitable, &[]));
    let named = first.join(", ");
    let rest = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    (!limitable.is_empty()).then(|| {
        at(
            &EVERY_RESOURCE,
            statement,
            format!("allows on `*` what could be limited to resources: {named}{rest}"),
        )
    })
}

fn limits_resources(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.contains("resourcetag/") || key.starts_with("aws:resource") || key == "iam:passedtoservice"
}
