//! Context keys, once action, principal, resource and variables are settled: values under which one side's allow applies
//! and none of its denies, and on the other side no allow, or a deny. Depth-first: each statement that must not apply
//! is refuted by one of its conditions, and a branch ends as soon as a key has no value left.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    Why,
    budget::{Budget, Spent},
    case::{Body, Case, Sets, Side},
    document::Test,
    keys::{KeyAtoms, Literal},
    variables::Assignment,
    witness::Given,
};

/// Keys already looked at under one assignment, by key and tests.
pub(super) type Known = BTreeMap<(String, Vec<usize>), (Rc<KeyAtoms>, Option<Why>)>;

/// The values of context keys.
pub(super) type Values = BTreeMap<String, Given>;

/// Statements refuted one within the other. Ours, for the stack; AWS's largest policies have under 100.
const DEPTH_MAX: usize = 1000;

/// One problem.
pub(super) struct Clauses<'a> {
    case: &'a Case<'a>,
    budget: &'a mut Budget,
    atoms: BTreeMap<&'a str, Rc<KeyAtoms>>,
    /// What has been wished so far.
    wishes: BTreeMap<&'a str, Vec<Literal>>,
    /// Why having no answer may prove nothing.
    pub(super) doubt: Option<Why>,
}

impl<'a> Clauses<'a> {
    pub(super) fn new(
        case: &'a Case<'a>,
        sets: &Sets,
        assignment: &Assignment,
        known: &mut Known,
        budget: &'a mut Budget,
    ) -> Result<Self, Spent> {
        let mut by_key: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
        for number in case.tests_of(&sets.bodies()) {
            if let Some(test) = case.tests.get(number) {
                by_key.entry(&test.key).or_default().push(number);
            }
        }
        let (mut atoms, mut doubt) = (BTreeMap::new(), None);
        for (key, numbers) in by_key {
            let name = (key.to_owned(), numbers);
            let (made, why) = if let Some(known) = known.get(&name) {
                known.clone()
            } else {
                let tests: Vec<(usize, &Test)> =
                    name.1.iter().filter_map(|at| case.tests.get(*at).map(|test| (*at, test))).collect();
                let several = case.multivalued.contains(key);
                let (made, why) = KeyAtoms::new(key, &tests, assignment, several, budget)?;
                known.entry(name).or_insert((Rc::new(made), why)).clone()
            };
            doubt = doubt.or(why);
            atoms.insert(key, made);
        }
        Ok(Self { case, budget, atoms, wishes: BTreeMap::new(), doubt })
    }

    /// Values under which `side` allows and the other side does not.
    pub(super) fn solve(&mut self, sets: &Sets, side: Side) -> Result<Option<Values>, Spent> {
        let other = side.other();
        for allow in sets.allows.of(side) {
            let refuted = sets.denies.of(side).union(sets.allows.of(other)).copied().collect();
            if let Some(values) = self.attempt(&[*allow], &refuted)? {
                return Ok(Some(values));
            }
            for deny in sets.denies.of(other) {
                if let Some(values) = self.attempt(&[*allow, *deny], sets.denies.of(side))? {
                    return Ok(Some(values));
                }
            }
        }
        Ok(None)
    }

    fn attempt(&mut self, met: &[usize], refuted: &BTreeSet<usize>) -> Result<Option<Values>, Spent> {
        self.wishes.clear();
        for body in met.iter().filter_map(|body| self.case.bodies.get(*body)) {
            for test in &body.tests {
                if !self.wish(Literal { test: *test, effect: body.effect, holds: true })? {
                    return Ok(None);
                }
            }
        }
        let mut bodies: Vec<&'a Body> =
            refuted.iter().filter_map(|body| self.case.bodies.get(*body)).collect();
        if bodies.len() > DEPTH_MAX {
            return Err(Spent);
        }
        bodies.sort_by_key(|body| body.tests.len());
        if !self.refute(&bodies)? {
            return Ok(None);
        }
        let mut values = Values::new();
        for (key, wishes) in &self.wishes {
            let Some(atoms) = self.atoms.get(key) else { continue };
            if let Some(given) = atoms.choose(wishes, self.budget)? {
                values.insert((*key).to_owned(), given);
            }
        }
        Ok(Some(values))
    }

    fn refute(&mut self, bodies: &[&'a Body]) -> Result<bool, Spent> {
        let Some((body, rest)) = bodies.split_first() else { return Ok(true) };
        let literal = |test: usize, holds: bool| Literal { test, effect: body.effect, holds };
        for test in &body.tests {
            // Some condition is false whatever else is chosen.
            let could_hold = self.wish(literal(*test, true))?;
            self.unwish(*test, could_hold);
            if !could_hold {
                return self.refute(rest);
            }
        }
        for test in &body.tests {
            if self.wish(literal(*test, false))? {
                if self.refute(rest)? {
                    return Ok(true);
                }
                self.unwish(*test, true);
            }
        }
        Ok(false)
    }

    /// Adds a wish, unless its key then has no value left.
    fn wish(&mut self, literal: Literal) -> Result<bool, Spent> {
        let Some(key) = self.case.tests.get(literal.test).map(|test| test.key.as_str()) else {
            return Ok(false);
        };
        let Some(atoms) = self.atoms.get(key) else { return Ok(false) };
        let wishes = self.wishes.entry(key).or_default();
        wishes.push(literal);
        let possible = atoms.choose(wishes, self.budget)?.is_some();
        if !possible {
            wishes.pop();
        }
        Ok(possible)
    }

    /// Takes the last wish for the test's key back.
    fn unwish(&mut self, test: usize, was_added: bool) {
        let key = self.case.tests.get(test).map(|test| test.key.as_str());
        if let Some(wishes) = key.and_then(|key| self.wishes.get_mut(key)).filter(|_| was_added) {
            wishes.pop();
        }
    }
}
