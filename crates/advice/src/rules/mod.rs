//! The rules, by what they look at.

mod attached;
mod conditions;
pub(crate) mod escalation;
mod principals;
mod structure;
#[cfg(test)]
mod tests;
mod wildcards;

use casemate_policy::{Kind, Policy};

use crate::{
    Attached,
    document::{Document, Statement},
    finding::{Finding, Rule, UNREADABLE},
};

/// Findings of one document.
pub(crate) fn all(
    document: &Document,
    text: &str,
    kind: Kind,
    attached: Option<&Attached<'_>>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    // What a template has yet to fill in cannot be parsed, and need not be.
    if document.settled
        && let Err(error) = Policy::parse(text, kind)
    {
        let place = if error.place().is_empty() { String::new() } else { format!(" ({})", error.place()) };
        found.push(Finding::whole(&UNREADABLE, format!("{error}{place}")));
    }
    found.extend(structure::all(document, kind));
    found.extend(conditions::all(document));
    found.extend(principals::all(document, kind));
    // Ceilings grant nothing: to allow everything in them is how they begin.
    if matches!(kind, Kind::Identity | Kind::Resource) {
        found.extend(wildcards::all(document, kind));
    }
    if kind == Kind::Identity {
        found.extend(escalation::all(document));
    }
    if kind == Kind::Resource {
        found.extend(attached::all(document, text, attached));
    }
    found
}

/// A finding about a statement.
fn at(rule: &'static Rule, statement: &Statement, message: impl Into<String>) -> Finding {
    Finding { statement: Some(statement.at), sid: statement.sid.clone(), ..Finding::whole(rule, message) }
}
