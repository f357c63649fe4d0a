//! The current statements, narrowed to what was used.
//!
//! Every statement made here comes from one current Allow statement and is narrower in each part, so that the whole can
//! grant nothing new. The certificates do not rely on that: they check the result.

use std::collections::{BTreeMap, BTreeSet};

use casemate_policy::Form;

use crate::{
    Error,
    contain::{action_within, apart, arn_within},
    cover::{How, Seen, cover},
    document::{Conditions, Document, Selection, Statement},
    engine::{Answer, Replay, unrecorded},
    learn::{beside, conditions, conditions_of_general, narrowed, signature},
    recorded::{Body, Exact, General, Recorded, resource_start},
};

/// Resources, or patterns of resources, of one action before they are generalised.
pub const RESOURCES_MAX: usize = 16;

/// A use that the current policies grant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Granted<'a> {
    pub(crate) action: &'a str,
    pub(crate) exact: &'a Exact,
}

/// A use known as a pattern, which one statement must cover.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Obligation {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) conditions: Conditions,
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    pub(crate) statements: Vec<Statement>,
    pub(crate) granted: Vec<Granted<'a>>,
    pub(crate) obligations: BTreeSet<Obligation>,
    /// Different requests behind the obligations.
    pub(crate) generalised: u64,
    /// `(action, resource)` that the current identity policies do not grant.
    pub(crate) ungranted: BTreeSet<(String, String)>,
    pub(crate) notes: BTreeSet<String>,
}

/// One action on one resource pattern under conditions.
type Pieces = BTreeSet<(String, String, Conditions)>;

/// Narrows.
pub(crate) fn narrow<'a>(recorded: &'a Recorded, current: &[Document]) -> Result<Draft<'a>, Error> {
    let statements: Vec<&Statement> = current.iter().flat_map(|document| &document.statements).collect();
    let denies: Vec<Statement> =
        statements.iter().filter(|s| !s.allows).map(|statement| (*statement).clone()).collect();
    let denies = Replay::of(&denies)?;
    let allows: Vec<&Statement> = statements.iter().filter(|s| s.allows).copied().collect();
    let replays: Vec<Replay> =
        allows.iter().map(|statement| Replay::of(&[(*statement).clone()])).collect::<Result<_, _>>()?;
    // Statements that can be replayed as a whole first: what they grant needs no assumption.
    let mut order: Vec<usize> = (0..allows.len()).collect();
    order.sort_by_key(|at| allows.get(*at).is_some_and(|statement| !unrecorded(statement).is_empty()));
    let mut draft = Draft::default();
    let mut groups: BTreeMap<(usize, &str), Vec<&Exact>> = BTreeMap::new();
    let mut pieces = Pieces::new();
    for entry in &recorded.entries {
        match &entry.body {
            Body::Exact(exact) => {
                let action = entry.action.as_str();
                let fits =
                    |at: &usize| replays.get(*at).is_some_and(|r| r.ask(action, exact) == Answer::Allowed);
                let by = order.iter().copied().find(fits);
                match by.filter(|_| denies.ask(action, exact) != Answer::Denied) {
                    Some(at) => {
                        groups.entry((at, action)).or_default().push(exact);
                        draft.granted.push(Granted { action, exact });
                    }
                    None => drop(draft.ungranted.insert((entry.action.clone(), exact.resource.clone()))),
                }
            }
            Body::General(general) => {
                general_pieces(&entry.action, general, &allows, &mut draft, &mut pieces);
            }
            Body::Refused(_) => {}
        }
    }
    for ((at, action), group) in groups {
        if let Some(statement) = allows.get(at) {
            exact_pieces(action, &group, statement, &mut draft.notes, &mut pieces);
        }
    }
    draft.statements = merged(pieces);
    Ok(draft)
}

/// Narrows one statement to one action's requests.
fn exact_pieces(
    action: &str,
    group: &[&Exact],
    statement: &Statement,
    notes: &mut BTreeSet<String>,
    pieces: &mut Pieces,
) {
    let mut by_resource: BTreeMap<Form, Vec<&Exact>> = BTreeMap::new();
    let forms = resources(action, group, statement, notes);
    for exact in group {
        let own = |form: &Form| form.filled(&exact.variables).as_deref() == Some(exact.resource.as_str());
        let fits = |form: &&Form| form.covers(&exact.resource) || own(form);
        let form = forms.iter().find(fits).cloned();
        by_resource
            .entry(form.unwrap_or_else(|| Form::Literal(exact.resource.clone())))
            .or_default()
            .push(exact);
    }
    for (form, group) in by_resource {
        let mut by_signature: BTreeMap<BTreeSet<&str>, Vec<&Exact>> = BTreeMap::new();
        let named = matches!(&form, Form::Literal(resource) if resource != "*");
        for exact in group {
            by_signature.entry(signature(exact, named)).or_default().push(exact);
        }
        for (names, group) in &by_signature {
            let learned = conditions(group, names, action, notes);
            let conditions = narrowed(&statement.conditions, learned);
            pieces.insert((action.to_owned(), pattern(&form), conditions));
        }
    }
}

/// How to name the resources: one by one, by a variable, or by prefixes that the current statement has room for.
fn resources(
    action: &str,
    group: &[&Exact],
    statement: &Statement,
    notes: &mut BTreeSet<String>,
) -> BTreeSet<Form> {
    let each = || group.iter().map(|exact| Form::Literal(exact.resource.clone())).collect();
    let from = group.iter().map(|exact| resource_start(&exact.resource)).max().unwrap_or(0);
    let seen: Vec<Seen<'_>> =
        group.iter().map(|exact| Seen { text: &exact.resource, variables: &exact.variables }).collect();
    let Some(cover) = cover(&seen, How { personal: from > 0, from, limit: RESOURCES_MAX }) else {
        return each();
    };
    let inside = |form: &Form| {
        !statement.resources.inverted
            && statement.resources.patterns.iter().any(|pattern| arn_within(&form.text(), pattern))
    };
    if !cover.forms.iter().all(|form| matches!(form, Form::Literal(_)) || inside(form)) {
        return each();
    }
    if !cover.beside.is_empty() {
        notes.insert(beside(action, "resources", &cover.beside));
    }
    if cover.generalised {
        notes.insert(format!("{action}: the resources are generalised, there were too many to list"));
    }
    cover.forms
}

/// Narrows every statement that may have granted generalised requests.
fn general_pieces(
    action: &str,
    general: &General,
    allows: &[&Statement],
    draft: &mut Draft<'_>,
    pieces: &mut Pieces,
) {
    draft.notes.insert(format!(
        "{action}: {} further requests are known as patterns only, there were too many",
        general.folded
    ));
    let learned = conditions_of_general(general, action, &mut draft.notes);
    let mut found = false;
    for statement in allows.iter().filter(|statement| concerns_action(&statement.actions, action)) {
        for resource in general_resources(general, &statement.resources) {
            found = true;
            let conditions = narrowed(&statement.conditions, learned.clone());
            let obligation = Obligation { action: action.to_owned(), resource: resource.clone(), conditions };
            pieces.insert((action.to_owned(), resource, obligation.conditions.clone()));
            draft.obligations.insert(obligation);
        }
    }
    if found {
        draft.generalised += general.folded;
    } else {
        draft.ungranted.insert((action.to_owned(), "(generalised)".to_owned()));
    }
}

/// The observed patterns within a statement's resources; where they overlap only, the statement's own pattern.
fn general_resources(general: &General, resources: &Selection) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if resources.inverted {
        // What is not excluded cannot be written as a pattern within: only texts surely apart can.
        let observed = general.resources.iter().flatten().map(pattern);
        found.extend(observed.filter(|form| resources.patterns.iter().all(|pattern| apart(form, pattern))));
        return found;
    }
    for wide in &resources.patterns {
        match &general.resources {
            Some(forms) => {
                for form in forms.iter().map(pattern) {
                    if arn_within(&form, wide) {
                        found.insert(form);
                    } else if !apart(&form, wide) {
                        found.insert(wide.clone());
                    }
                }
            }
            None => drop(found.insert(wide.clone())),
        }
    }
    found
}

/// Whether `Action` or `NotAction` selects this action.
pub(crate) fn concerns_action(actions: &Selection, action: &str) -> bool {
    actions.patterns.iter().any(|pattern| action_within(action, pattern)) != actions.inverted
}

/// `*` is the resource of actions that have none, not a text with a star.
fn pattern(form: &Form) -> String {
    match form {
        Form::Literal(text) if text == "*" => "*".to_owned(),
        form => form.text(),
    }
}

/// Puts pieces with the same conditions together: first the resources of an action, then actions on the same resources.
fn merged(pieces: Pieces) -> Vec<Statement> {
    let mut by_action: BTreeMap<(String, Conditions), BTreeSet<String>> = BTreeMap::new();
    for (action, resource, conditions) in pieces {
        by_action.entry((action, conditions)).or_default().insert(resource);
    }
    let mut by_resources: BTreeMap<(BTreeSet<String>, Conditions), BTreeSet<String>> = BTreeMap::new();
    for ((action, conditions), resources) in by_action {
        by_resources.entry((without_inner(&resources), conditions)).or_default().insert(action);
    }
    let list = |texts: BTreeSet<String>| Selection { patterns: texts.into_iter().collect(), inverted: false };
    let mut statements: Vec<Statement> = by_resources
        .into_iter()
        .map(|((resources, conditions), actions)| Statement {
            sid: None,
            allows: true,
            actions: list(actions),
            resources: list(resources),
            conditions,
        })
        .collect();
    statements.sort_by(|a, b| (&a.actions, &a.resources).cmp(&(&b.actions, &b.resources)));
    statements
}

/// Leaves out patterns that lie within others.
fn without_inner(resources: &BTreeSet<String>) -> BTreeSet<String> {
    let inner = |one: &String| resources.iter().any(|other| other != one && arn_within(one, other));
    resources.iter().filter(|one| !inner(one)).cloned().collect()
}
