//! Certificates: computed from the documents as they would be stored, by the engine and by comparison, never assumed.

use std::collections::BTreeSet;

use casemate_policy::{
    Kind,
    compare::{self, Finding, Options, Witness},
};
use serde::Serialize;

use crate::{
    Error,
    contain::{apart, arn_within},
    document::{Document, Statement},
    engine::{Answer, Replay, unrecorded},
    learn::implied,
    narrow::{Draft, Obligation, concerns_action},
};

/// What was proved, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Everything recorded is still allowed.
    pub replay: ReplayProof,
    /// Nothing is granted that was not granted before.
    pub subset: SubsetProof,
    /// No statement can be left out.
    pub minimal: MinimalProof,
}

/// All recorded requests replay as allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayProof {
    /// Proved.
    pub holds: bool,
    /// Requests put to the engine again.
    pub requests: usize,
    /// Requests that are known as patterns only.
    pub generalised_requests: u64,
    /// Patterns compared with the statements.
    pub patterns: usize,
    /// Condition keys of copied conditions that are not recorded; that they hold is assumed, as it was before.
    pub assuming: BTreeSet<String>,
    /// What would be refused.
    pub refused: Vec<String>,
}

/// The new documents grant nothing the current ones do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubsetProof {
    /// Proved.
    pub holds: bool,
    /// How.
    pub method: &'static str,
    /// What could not be shown to be granted before.
    pub open: Vec<String>,
    /// Why the exact comparison had no answer, if it had none.
    pub inexact: Option<String>,
}

/// Steps of the exact comparison; beyond it the statements are compared one by one. Seconds at most.
const STEPS_MAX: u64 = 5_000_000;

/// Removing any statement breaks something recorded, or lifts a prohibition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MinimalProof {
    /// Proved.
    pub holds: bool,
    /// Statements tried.
    pub statements: usize,
    /// Those that could be left out.
    pub redundant: Vec<String>,
}

impl Certificate {
    /// Whether all three hold.
    pub fn holds(&self) -> bool {
        self.replay.holds && self.subset.holds && self.minimal.holds
    }
}

/// Certifies `new` documents against the record and the `current` ones.
pub(crate) fn certify(
    draft: &Draft<'_>,
    new: &[Document],
    current: &[Document],
) -> Result<Certificate, Error> {
    let statements = |documents: &[Document]| -> Vec<Statement> {
        documents.iter().flat_map(|document| document.statements.clone()).collect()
    };
    let ours = statements(new);
    Ok(Certificate {
        replay: replay(draft, &ours)?,
        subset: subset(new, current)?,
        minimal: minimal(draft, &ours)?,
    })
}

fn replay(draft: &Draft<'_>, ours: &[Statement]) -> Result<ReplayProof, Error> {
    let engine = Replay::of(ours)?;
    let asked = draft.granted.iter().filter(|g| engine.ask(g.action, g.exact) != Answer::Allowed);
    let mut refused: Vec<String> = asked.map(|g| format!("{} on {}", g.action, g.exact.resource)).collect();
    let open = draft.obligations.iter().filter(|obligation| !covered(obligation, ours));
    refused.extend(open.map(|obligation| format!("{} on {}", obligation.action, obligation.resource)));
    let relevant = |statement: &&Statement| {
        statement.allows || draft.granted.iter().any(|g| concerns_action(&statement.actions, g.action))
    };
    Ok(ReplayProof {
        holds: refused.is_empty(),
        requests: draft.granted.len(),
        generalised_requests: draft.generalised,
        patterns: draft.obligations.len(),
        assuming: ours.iter().filter(relevant).flat_map(unrecorded).collect(),
        refused,
    })
}

/// Whether one statement grants everything an obligation stands for.
pub(crate) fn covered(obligation: &Obligation, statements: &[Statement]) -> bool {
    statements.iter().any(|statement| {
        statement.allows
            && concerns_action(&statement.actions, &obligation.action)
            && !statement.resources.inverted
            && statement.resources.patterns.iter().any(|wide| arn_within(&obligation.resource, wide))
            && statement
                .tests()
                .all(|(operator, key, values)| implied(&obligation.conditions, operator, key, values))
    })
}

/// By exact comparison; where that has no answer, statement by statement.
fn subset(new: &[Document], current: &[Document]) -> Result<SubsetProof, Error> {
    let read = |documents: &[Document]| -> Result<Vec<compare::Document>, Error> {
        let each = documents.iter().filter(|document| !document.statements.is_empty()).map(|document| {
            compare::Document::parse(document.name.clone(), &document.json().to_string(), Kind::Identity)
                .map_err(|error| Error::Broken(error.to_string()))
        });
        each.collect()
    };
    let options = Options { steps_max: STEPS_MAX, ..Options::default() };
    let inexact = match compare::compare(&read(current)?, &read(new)?, &options).more {
        Finding::Nothing => {
            return Ok(SubsetProof {
                holds: true,
                method: "exact comparison",
                open: Vec::new(),
                inexact: None,
            });
        }
        Finding::Witness(witness) => {
            let open = vec![shown(&witness)];
            return Ok(SubsetProof { holds: false, method: "exact comparison", open, inexact: None });
        }
        Finding::Unknown(why) => Some(why.to_string()),
    };
    let all = |documents: &[Document]| -> Vec<Statement> {
        documents.iter().flat_map(|document| document.statements.clone()).collect()
    };
    let open = not_within(&all(new), &all(current));
    Ok(SubsetProof { holds: open.is_empty(), method: "statement by statement", open, inexact })
}

/// A request that is allowed now and was not.
fn shown(witness: &Witness) -> String {
    let keys: Vec<String> = witness.context.iter().map(|(key, given)| format!("{key} = {given:?}")).collect();
    let with = if keys.is_empty() { String::new() } else { format!(" with {}", keys.join(", ")) };
    format!("{} on {}{with}", witness.action, witness.resource)
}

/// What of `ours` does not lie within one of `theirs`: sound, and "open" wherever it cannot tell.
pub(crate) fn not_within(ours: &[Statement], theirs: &[Statement]) -> Vec<String> {
    let mut open = Vec::new();
    for statement in ours.iter().filter(|statement| statement.allows) {
        if statement.actions.inverted || statement.resources.inverted {
            open.push(format!("{}: not a list of actions and resources", label(statement)));
            continue;
        }
        for action in &statement.actions.patterns {
            for resource in &statement.resources.patterns {
                let granted = theirs.iter().any(|wide| grants(wide, action, resource, statement));
                if !granted {
                    open.push(format!("{action} on {resource}"));
                }
                let lifted = theirs
                    .iter()
                    .filter(|deny| !deny.allows && concerns(deny, action, resource))
                    .filter(|deny| !ours.iter().any(|own| same_meaning(own, deny)));
                open.extend(
                    lifted.map(|deny| format!("{action} on {resource}, which {} denies", label(deny))),
                );
            }
        }
    }
    open
}

fn grants(wide: &Statement, action: &str, resource: &str, narrow: &Statement) -> bool {
    // A pattern in an action could stand for actions that are not checked.
    let plain = !action.contains(['*', '?']);
    let resources = &wide.resources;
    let resource_inside = if resources.inverted {
        resources.patterns.iter().all(|pattern| apart(resource, pattern))
    } else {
        resources.patterns.iter().any(|pattern| arn_within(resource, pattern))
    };
    wide.allows
        && plain
        && concerns_action(&wide.actions, action)
        && resource_inside
        && wide.tests().all(|(operator, key, values)| implied(&narrow.conditions, operator, key, values))
}

/// Whether a denial could have to do with an action on a resource pattern.
pub(crate) fn concerns(deny: &Statement, action: &str, resource: &str) -> bool {
    let patterns = &deny.resources.patterns;
    let elsewhere = if deny.resources.inverted {
        patterns.iter().any(|pattern| arn_within(resource, pattern))
    } else {
        patterns.iter().all(|pattern| apart(resource, pattern))
    };
    concerns_action(&deny.actions, action) && !elsewhere
}

fn same_meaning(a: &Statement, b: &Statement) -> bool {
    Statement { sid: None, ..a.clone() } == Statement { sid: None, ..b.clone() }
}

fn minimal(draft: &Draft<'_>, ours: &[Statement]) -> Result<MinimalProof, Error> {
    let mut redundant = Vec::new();
    for (at, statement) in ours.iter().enumerate() {
        let others: Vec<Statement> =
            ours.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, s)| s.clone()).collect();
        let needed = if statement.allows {
            let engine = Replay::of(&others)?;
            draft.granted.iter().any(|g| engine.ask(g.action, g.exact) != Answer::Allowed)
                || draft.obligations.iter().any(|obligation| !covered(obligation, &others))
        } else {
            others.iter().filter(|other| other.allows).any(|allow| touches(statement, allow))
        };
        if !needed {
            redundant.push(label(statement));
        }
    }
    Ok(MinimalProof { holds: redundant.is_empty(), statements: ours.len(), redundant })
}

/// Whether a denial takes something from an Allow statement, as far as can be told.
pub(crate) fn touches(deny: &Statement, allow: &Statement) -> bool {
    let actions = allow.actions.patterns.iter();
    actions.into_iter().any(|action| allow.resources.patterns.iter().any(|r| concerns(deny, action, r)))
}

fn label(statement: &Statement) -> String {
    let first = statement.actions.patterns.first().map_or("", String::as_str);
    statement.sid.clone().unwrap_or_else(|| format!("a statement on {first}"))
}
