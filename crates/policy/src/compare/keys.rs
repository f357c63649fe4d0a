//! One context key: the values that tell its conditions apart, and whether one of them meets given wishes. Truth is
//! asked of the engine's own conditions, value by value, so that absent, several and unreadable values mean here what they
//! mean there.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Why,
    budget::{Budget, Spent},
    document::Test,
    language::{Machine, Scope, Symbols},
    text::{self, Fill, Filling, Flat},
    values,
    variables::Assignment,
    witness::{Facts, Given},
};
use crate::{
    Effect,
    operator::{Comparison, Qualifier},
    truth::Truth,
};

/// A wish: the test has, or does not have, its part in the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) test: usize,
    pub(super) effect: Effect,
    pub(super) holds: bool,
}

/// A key and everything it can be, as far as its tests can tell.
#[derive(Debug)]
pub(super) struct KeyAtoms {
    values: Vec<String>,
    /// So many values come before those that nobody would send.
    usual: usize,
    /// It is a variable's key, and settled.
    fixed: Option<Given>,
    may_be_many: bool,
    truths: BTreeMap<(usize, bool), Truths>,
}

/// When a test has its part in an effect.
#[derive(Debug)]
struct Truths {
    /// For what the key is settled to, if it is.
    fixed: bool,
    absent: bool,
    /// For each value alone.
    one: Vec<bool>,
    many: Several,
}

/// When a test holds for several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Several {
    IfAll,
    IfAny,
    Always(bool),
}

/// Values of one key.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) values: Vec<String>,
    usual: usize,
    /// Why the values may not be all that matter.
    pub(super) doubt: Option<Why>,
}

impl KeyAtoms {
    pub(super) fn new(
        key: &str,
        tests: &[(usize, &Test)],
        assignment: &Assignment,
        multivalued: bool,
        budget: &mut Budget,
    ) -> Result<(Self, Option<Why>), Spent> {
        let fixed = assignment.get(key);
        let samples = match fixed {
            Some(_) => Samples::default(),
            None => samples(key, tests, &|key, default| filled(assignment, key, default), budget)?,
        };
        let mut atoms = Self {
            values: samples.values,
            usual: samples.usual,
            fixed: fixed.cloned(),
            may_be_many: multivalued,
            truths: BTreeMap::new(),
        };
        for (number, test) in tests {
            budget.spend(atoms.values.len().saturating_mul(2))?;
            for effect in [Effect::Allow, Effect::Deny] {
                let truths = atoms.truths_of(key, test, effect, assignment);
                atoms.truths.insert((*number, effect == Effect::Deny), truths);
            }
        }
        Ok((atoms, samples.doubt))
    }

    fn truths_of(&self, key: &str, test: &Test, effect: Effect, assignment: &Assignment) -> Truths {
        let condition = test.compile();
        let holds = |given: Given| {
            let mut facts = Facts::default();
            for (variable, value) in assignment {
                facts.0.insert(variable, value.clone());
            }
            facts.0.insert(key, given);
            match (condition.holds(&facts), effect) {
                (Truth::True, _) | (Truth::Unknown, Effect::Deny) => true,
                (Truth::False, _) | (Truth::Unknown, Effect::Allow) => false,
            }
        };
        let some = self.values.first().map_or(values::UNREADABLE, String::as_str).to_owned();
        Truths {
            fixed: self.fixed.clone().is_some_and(holds),
            absent: holds(Given::Absent),
            one: self.values.iter().map(|value| holds(Given::One(value.clone()))).collect(),
            many: match test.operator.qualifier {
                Qualifier::ForAllValues => Several::IfAll,
                Qualifier::ForAnyValue => Several::IfAny,
                Qualifier::None => Several::Always(holds(Given::Many(vec![some.clone(), some]))),
            },
        }
    }

    /// Something that meets all wishes, preferably what people would send.
    pub(super) fn choose(&self, literals: &[Literal], budget: &mut Budget) -> Result<Option<Given>, Spent> {
        budget.spend(self.values.len().saturating_mul(literals.len()).saturating_add(1))?;
        let met = |truth: &dyn Fn(&Truths) -> bool| {
            literals.iter().all(|literal| self.truths(*literal).is_some_and(|t| truth(t) == literal.holds))
        };
        let one = |at: usize| met(&|truths: &Truths| truths.one.get(at).copied().unwrap_or(false));
        let value = |at: usize| self.values.get(at).cloned().unwrap_or_default();
        if let Some(fixed) = &self.fixed {
            return Ok(met(&|truths: &Truths| truths.fixed).then(|| fixed.clone()));
        }
        if let Some(at) = (0..self.usual).find(|at| one(*at)) {
            return Ok(Some(Given::One(value(at))));
        }
        if met(&|truths: &Truths| truths.absent) {
            return Ok(Some(Given::Absent));
        }
        if let Some(at) = (self.usual..self.values.len()).find(|at| one(*at)) {
            return Ok(Some(Given::One(value(at))));
        }
        let many = if self.may_be_many { self.several(literals) } else { None };
        Ok(many.map(|chosen| Given::Many(chosen.into_iter().map(value).collect())))
    }

    /// Values that together meet all wishes: what must hold of all of them is kept to by each, and for whatever must
    /// hold of some there is one.
    fn several(&self, literals: &[Literal]) -> Option<BTreeSet<usize>> {
        let mut pool: BTreeSet<usize> = (0..self.values.len()).collect();
        let mut needs: Vec<(&Truths, bool)> = Vec::new();
        for literal in literals {
            let truths = self.truths(*literal)?;
            match (truths.many, literal.holds) {
                (Several::Always(holds), wanted) if holds != wanted => return None,
                (Several::Always(_), _) => {}
                (Several::IfAll, true) | (Several::IfAny, false) => {
                    pool.retain(|at| truths.one.get(*at) == Some(&literal.holds));
                }
                (Several::IfAll, false) | (Several::IfAny, true) => needs.push((truths, literal.holds)),
            }
        }
        let mut chosen = BTreeSet::new();
        for (truths, wanted) in needs {
            chosen.insert(*pool.iter().find(|at| truths.one.get(**at) == Some(&wanted))?);
        }
        if chosen.is_empty() {
            chosen.insert(*pool.first()?);
        }
        Some(chosen)
    }

    fn truths(&self, literal: Literal) -> Option<&Truths> {
        self.truths.get(&(literal.test, literal.effect == Effect::Deny))
    }
}

/// What an assignment puts in a variable's place.
pub(super) fn filled(assignment: &Assignment, key: &str, default: Option<&str>) -> Fill {
    match (assignment.get(key), default) {
        (Some(Given::One(value)), _) => Fill::Text(value.clone()),
        (Some(Given::Absent) | None, Some(default)) => Fill::Text(default.to_owned()),
        (Some(Given::Many(_)), _) | (Some(Given::Absent) | None, None) => Fill::Missing,
    }
}

/// Values that tell the tests of a key apart.
pub(super) fn samples(
    key: &str,
    tests: &[(usize, &Test)],
    fill: Filling<'_>,
    budget: &mut Budget,
) -> Result<Samples, Spent> {
    let mut wanted: BTreeMap<Family, Vec<String>> = BTreeMap::new();
    let mut samples = Samples::default();
    for (_, test) in tests {
        let Some(family) = Family::of(test.operator.comparison) else { continue };
        wanted.entry(family).or_default().extend(test.values.iter().cloned());
        let ascii = test.values.iter().all(|value| value.is_ascii());
        if test.operator.comparison == Comparison::IgnoreCase && !ascii {
            samples.doubt = Some(Why::LetterCase(key.to_owned()));
        }
    }
    for (family, texts) in &wanted {
        let mut made = match family {
            Family::Text => text_values(tests, fill, budget)?,
            Family::Number => values::numbers(texts),
            Family::Date => values::dates(texts),
            Family::Bool => values::booleans(),
            Family::Binary => values::binaries(texts),
            Family::Network => values::addresses(texts),
        };
        samples.values.append(&mut made);
    }
    if wanted.len() > 1 {
        samples.doubt = Some(Why::MixedTypes(key.to_owned()));
        samples.values.extend(wanted.values().flatten().cloned());
    }
    if wanted.is_empty() {
        samples.values.push("x".to_owned());
    }
    samples.usual = samples.values.len();
    if wanted.keys().any(|family| *family != Family::Text) {
        samples.values.push(values::UNREADABLE.to_owned());
    }
    Ok(samples)
}

/// What kind of values an operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Text,
    Number,
    Date,
    Bool,
    Binary,
    Network,
}

impl Family {
    fn of(comparison: Comparison) -> Option<Self> {
        Some(match comparison {
            Comparison::Exact | Comparison::IgnoreCase | Comparison::Like | Comparison::Arn => Self::Text,
            Comparison::Number(_) => Self::Number,
            Comparison::Date(_) => Self::Date,
            Comparison::Bool => Self::Bool,
            Comparison::Binary => Self::Binary,
            Comparison::Network => Self::Network,
            Comparison::Null => return None,
        })
    }
}

/// The patterns of a test, apart by whether they are complete; empty for typed tests.
pub(super) fn patterns(test: &Test, fill: Filling<'_>) -> [Vec<Symbols>; 2] {
    let read = |value: &String| -> Option<Flat> {
        match test.operator.comparison {
            Comparison::Exact => Some(text::exact(value, test.variables, fill)),
            Comparison::IgnoreCase => Some(text::ignoring_case(value, test.variables, fill)),
            Comparison::Like => Some(text::like(value, test.variables, fill)),
            Comparison::Arn => text::arn_condition(value, test.variables, fill),
            Comparison::Number(_)
            | Comparison::Date(_)
            | Comparison::Bool
            | Comparison::Binary
            | Comparison::Network
            | Comparison::Null => None,
        }
    };
    let (complete, perhaps): (Vec<Flat>, Vec<Flat>) =
        test.values.iter().filter_map(read).partition(|flat| flat.complete);
    [complete, perhaps].map(|flats| flats.into_iter().map(|flat| flat.symbols).collect())
}

fn text_values(
    tests: &[(usize, &Test)],
    fill: Filling<'_>,
    budget: &mut Budget,
) -> Result<Vec<String>, Spent> {
    let mut groups: Vec<Vec<Symbols>> = tests.iter().flat_map(|(_, test)| patterns(test, fill)).collect();
    if tests.iter().any(|(_, test)| test.operator.comparison == Comparison::Arn) {
        groups.push(vec![text::whole_arn()]);
    }
    let machine = Machine::new(groups.iter().map(Vec::as_slice));
    let atoms = machine.atoms(budget, Scope::default())?;
    Ok(atoms.into_iter().map(|atom| atom.text).collect())
}
