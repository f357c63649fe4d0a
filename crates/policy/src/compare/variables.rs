//! Policy variables tie two facts of a request together: a key's value, and the text it is put into. The comparer settles
//! the keys first, to a few values each, and compares what is then free of variables.
//!
//! One made-up value stands for all others where it can be shown to: the key has no conditions but `Null`, and wherever
//! a pattern comes to the variable, every other pattern either no longer matches, matches whatever follows, or comes to
//! the same variable. Any value can then be exchanged for any other in key and text at once, and no pattern notices.
//! Where that cannot be shown, the texts that other patterns expect in the variable's place are tried too, and finding
//! nothing proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Why,
    budget::{Budget, Spent},
    case::Case,
    document::{Listed, Test},
    keys,
    language::{Machine, Symbol, Symbols},
    text::{self, Fill},
    witness::Given,
};
use crate::{
    operator::Comparison,
    template::{Reading, Token, tokens},
};

/// The keys of variables, each settled.
pub(super) type Assignment = BTreeMap<String, Given>;

/// Values tried for one variable, and for all variables together. Ours.
const VALUES_MAX: usize = 12;
const ASSIGNMENTS_MAX: usize = 200;

/// What to try, and why it may not be enough.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) assignments: Vec<Assignment>,
    pub(super) doubt: Option<Why>,
}

/// What is known of one variable's key.
#[derive(Debug, Default)]
struct Variable {
    values: Vec<String>,
    is_tied: bool,
}

/// Settles the variables in what is left of some statements.
pub(super) fn plan(case: &Case<'_>, bodies: &BTreeSet<usize>, budget: &mut Budget) -> Result<Plan, Spent> {
    let numbers: BTreeSet<usize> =
        bodies.iter().filter_map(|body| case.bodies.get(*body)).map(|body| body.resources).collect();
    let resources: Vec<&Listed> = numbers.iter().filter_map(|at| case.resources.get(*at)).collect();
    let tests: Vec<&Test> = case.tests_of(bodies).into_iter().filter_map(|at| case.tests.get(at)).collect();
    let mut keys: BTreeSet<String> = BTreeSet::new();
    for listed in resources.iter().filter(|listed| listed.variables) {
        keys.extend(listed.texts.iter().flat_map(|text| variables(text)));
    }
    for test in tests.iter().filter(|test| test.variables && takes_variables(test.operator.comparison)) {
        keys.extend(test.values.iter().flat_map(|text| variables(text)));
    }
    if keys.is_empty() {
        return Ok(Plan { assignments: vec![Assignment::new()], doubt: None });
    }
    let keys: Vec<String> = keys.into_iter().collect();
    let mut known: Vec<Variable> = keys.iter().map(|_| Variable::default()).collect();
    let hole = |key: &str, _: Option<&str>| {
        keys.iter().position(|known| known == key).map_or(Fill::Missing, Fill::Hole)
    };
    let places: Vec<Vec<Symbols>> = resources
        .iter()
        .map(|listed| {
            let flat = |text: &String| text::resource(text, listed.variables, &hole);
            listed.texts.iter().flat_map(flat).map(|flat| flat.symbols).collect()
        })
        .collect();
    look(&places, &mut known, budget)?;
    let tested: BTreeSet<&str> = tests.iter().map(|test| test.key.as_str()).collect();
    for key in tested {
        let own: Vec<&Test> = tests.iter().copied().filter(|test| test.key == key).collect();
        let places: Vec<Vec<Symbols>> = own.iter().map(|test| keys::patterns(test, &hole).concat()).collect();
        look(&places, &mut known, budget)?;
        let Some(at) = keys.iter().position(|known| known == key) else { continue };
        let own: Vec<(usize, &Test)> =
            own.into_iter().filter(|test| test.operator.comparison != Comparison::Null).enumerate().collect();
        if let Some(variable) = known.get_mut(at).filter(|_| !own.is_empty()) {
            variable.is_tied = true;
            variable.values.append(&mut keys::samples(key, &own, &text::nothing, budget)?.values);
        }
    }
    Ok(combined(case, &keys, known))
}

fn takes_variables(comparison: Comparison) -> bool {
    match comparison {
        Comparison::Exact | Comparison::IgnoreCase | Comparison::Like | Comparison::Arn => true,
        Comparison::Number(_)
        | Comparison::Date(_)
        | Comparison::Bool
        | Comparison::Binary
        | Comparison::Network
        | Comparison::Null => false,
    }
}

fn variables(text: &str) -> impl Iterator<Item = String> {
    tokens(text, Reading { variables: true, wildcards: true }).into_iter().filter_map(|token| match token {
        Token::Variable { key, .. } => Some(key),
        Token::Star | Token::Any | Token::Text(_) => None,
    })
}

/// Looks at every variable of the patterns that are matched against one text.
fn look(groups: &[Vec<Symbols>], known: &mut [Variable], budget: &mut Budget) -> Result<(), Spent> {
    for symbols in groups.iter().flatten() {
        let holes = symbols.iter().filter_map(|symbol| match symbol {
            Symbol::Hole { key, .. } => Some(*key),
            _ => None,
        });
        let holes: Vec<usize> = holes.collect();
        let Some(first) = holes.first() else { continue };
        let mut around = around_hole(groups, symbols, budget)?;
        // Where a second variable stands depends on the first one's value.
        around.is_tied |= holes.len() > 1;
        for key in if holes.len() > 1 { holes } else { vec![*first] } {
            let Some(variable) = known.get_mut(key) else { continue };
            variable.is_tied |= around.is_tied;
            variable.values.extend(around.values.iter().cloned());
        }
    }
    Ok(())
}

/// Whether any value may stand in the first hole of `symbols` as far as the other patterns can tell; and what they
/// expect there.
fn around_hole(groups: &[Vec<Symbols>], symbols: &Symbols, budget: &mut Budget) -> Result<Variable, Spent> {
    let mut found = Variable::default();
    let is_hole = |symbol: &Symbol| matches!(symbol, Symbol::Hole { .. });
    let Some(at) = symbols.iter().position(is_hole) else { return Ok(found) };
    let before: Symbols = symbols.iter().take(at).copied().collect();
    let (mut own, mut in_part) = (None, false);
    if let Some(Symbol::Hole { key, in_part: part }) = symbols.get(at) {
        (own, in_part) = (Some(*key), *part);
    }
    let after = symbols.get(at.saturating_add(1)).copied();
    // After a wildcard the variable has no fixed place.
    found.is_tied = before.iter().any(|symbol| matches!(symbol, Symbol::Many | Symbol::One));
    let until = [before];
    let machine = Machine::new(groups.iter().map(Vec::as_slice).chain([until.as_slice()]));
    let marker = groups.len();
    let goes_on = |state: &[usize]| state.iter().any(|position| machine.group(*position) == marker);
    machine.walk(budget, &goes_on, &mut |state, _| {
        if !machine.accepted(state).contains(&marker) {
            return;
        }
        let is_other = |position: &usize| {
            let same = matches!(machine.symbol(*position), Symbol::Hole { key, .. } if Some(key) == own);
            machine.group(*position) != marker && !same
        };
        let others: Vec<usize> = state.iter().copied().filter(is_other).collect();
        let unclear =
            |position: &usize| matches!(machine.symbol(*position), Symbol::Hole { .. } | Symbol::Stuck);
        let takes_all = |c: &char| in_part && *c == ':' || machine.step(&others, *c) == others;
        let uniform = !others.iter().any(unclear) && machine.characters(&others).iter().all(takes_all);
        if !uniform {
            found.is_tied = true;
            found.values.extend(others.iter().map(|position| expected(&machine, *position, after)));
        }
    })?;
    found.values.retain(|value| !value.is_empty());
    Ok(found)
}

/// The literal text a pattern goes on with, up to what follows the variable.
fn expected(machine: &Machine, position: usize, after: Option<Symbol>) -> String {
    let literal = |symbol: Symbol| match symbol {
        Symbol::Char(c) | Symbol::Fold(c) if Some(symbol) != after => Some(c),
        _ => None,
    };
    (position..).map_while(|position| literal(machine.symbol(position))).collect()
}

/// Every combination of values, in which each key is also absent, up to the limits.
fn combined(case: &Case<'_>, keys: &[String], known: Vec<Variable>) -> Plan {
    let mut plan = Plan { assignments: vec![Assignment::new()], doubt: None };
    for (key, variable) in keys.iter().zip(known) {
        if variable.is_tied {
            plan.doubt = Some(Why::Variable(key.clone()));
        }
        let last = key.rsplit([':', '/']).next().unwrap_or(key);
        let mut values = vec![Given::One(format!("some-{last}"))];
        for value in variable.values {
            let value = Given::One(value);
            if values.len() < VALUES_MAX && !values.contains(&value) {
                values.push(value);
            }
        }
        values.push(Given::Absent);
        if case.multivalued.contains(key) {
            // A variable has no value then, whatever they are.
            let several = vec![format!("some-{last}"), format!("other-{last}")];
            values.extend([Given::Many(several), Given::Many(Vec::new())]);
        }
        let longer = values.iter().flat_map(|value| {
            plan.assignments.iter().map(move |before| {
                let mut longer = before.clone();
                longer.insert(key.clone(), value.clone());
                longer
            })
        });
        plan.assignments = longer.collect();
        if plan.assignments.len() > ASSIGNMENTS_MAX {
            plan.assignments.truncate(ASSIGNMENTS_MAX);
            plan.doubt = Some(Why::Variable(key.clone()));
        }
    }
    plan
}
