//! The search for a witness: one dimension of a request after the other, each cut into the few classes its patterns tell
//! apart. What is left of the statements shrinks on the way, and a remainder that has been looked at once, or in which
//! one side is plainly within the other, is not looked at again.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Document, Finding, Options, Why,
    budget::{Budget, Spent},
    case::{Case, Entry, Pair, Sets, Side},
    clauses::{Clauses, Known},
    keys::filled,
    language::{Atom, Machine, Scope, Symbols},
    principals, text,
    variables::{self, Assignment},
    witness::{Question, Witness},
};
use crate::{Effect, Principal, principal::Whom};

/// A comparison under way. The side in a pair is the one that allows what the other does not.
pub(super) struct Search<'a> {
    old: &'a [Document],
    new: &'a [Document],
    case: &'a Case<'a>,
    actions: Option<&'a [String]>,
    budget: Budget,
    found: Pair<Option<Witness>>,
    doubts: Pair<Option<Why>>,
}

/// What is settled before the resource.
struct Place {
    action: String,
    principal: Option<Principal>,
}

/// Steps after which a part of the search is put off until everything else has been looked at. Ours.
const PART_STEPS: u64 = 200_000;

impl<'a> Search<'a> {
    pub(super) fn new(
        old: &'a [Document],
        new: &'a [Document],
        case: &'a Case<'a>,
        options: &Options<'a>,
    ) -> Self {
        Self {
            old,
            new,
            case,
            actions: options.actions,
            budget: Budget::new(options.steps_max),
            found: Pair::default(),
            doubts: Pair::default(),
        }
    }

    /// What the new policies allow more, what they allow less, and the steps it took to say so.
    pub(super) fn run(mut self) -> (Finding, Finding, u64) {
        let settled = Side::BOTH.iter().all(|side| self.case.within(*side));
        let ended = if settled { Ok(()) } else { self.look() };
        let mut finding = |side: Side| match (self.found.of_mut(side).take(), self.doubts.of_mut(side).take())
        {
            (Some(witness), _) => Finding::Witness(Box::new(witness)),
            (None, _) if self.case.within(side) => Finding::Nothing,
            (None, _) if ended.is_err() => Finding::Unknown(Why::Budget),
            (None, Some(why)) => Finding::Unknown(why),
            (None, None) => Finding::Nothing,
        };
        let (more, less) = (finding(Side::New), finding(Side::Old));
        (more, less, self.budget.done())
    }

    /// The directions in which nothing has been found yet and something may be.
    fn open(&self, sets: &Sets) -> Vec<Side> {
        let open =
            |side: &Side| self.found.of(*side).is_none() && !self.case.within(*side) && !sets.within(*side);
        Side::BOTH.into_iter().filter(open).collect()
    }

    fn doubt(&mut self, sides: &[Side], why: Option<&Why>) {
        for side in sides {
            let doubt = self.doubts.of_mut(*side);
            *doubt = doubt.take().or_else(|| why.cloned());
        }
    }

    fn look(&mut self) -> Result<(), Spent> {
        let mut put_off = Vec::new();
        for (place, sets) in self.places()? {
            self.budget.begin_part(Some(PART_STEPS));
            if self.weigh(&sets, &place).is_err() {
                if self.budget.is_spent() {
                    return Err(Spent);
                }
                put_off.push((place, sets));
            }
        }
        self.budget.begin_part(None);
        put_off.into_iter().try_for_each(|(place, sets)| self.weigh(&sets, &place))
    }

    /// Every combination of statements that some action and principal leaves.
    fn places(&mut self) -> Result<Vec<(Place, Sets)>, Spent> {
        let mut places = Vec::new();
        let mut seen = BTreeSet::new();
        for atom in self.action_atoms()? {
            let applies = |entry: &&Entry<'_>| {
                let inverted = self.case.actions.get(entry.actions).is_some_and(|listed| listed.inverted);
                atom.groups.contains(&entry.actions) != inverted
            };
            let entries: Vec<&Entry<'a>> = self.case.entries.iter().filter(applies).collect();
            let whom: Vec<&Whom> = entries.iter().map(|entry| entry.whom).collect();
            let everyone = whom.iter().all(|whom| matches!(whom, Whom::Attached));
            let callers: Vec<(Option<Principal>, BTreeSet<usize>)> = if everyone {
                vec![(None, (0..entries.len()).collect())]
            } else {
                let all = principals::candidates(&whom, &mut self.budget)?;
                all.into_iter().map(|(principal, named)| (Some(principal), named)).collect()
            };
            for (principal, named) in callers {
                let mut sets = Sets::default();
                for entry in named.iter().filter_map(|at| entries.get(*at)) {
                    sets.insert(entry.side, self.effect(entry.body), entry.body);
                }
                if seen.insert(sets.clone()) {
                    places.push((Place { action: atom.text.clone(), principal }, sets));
                }
            }
        }
        Ok(places)
    }

    fn effect(&self, body: usize) -> Effect {
        // A body that does not exist denies.
        self.case.bodies.get(body).map_or(Effect::Deny, |body| body.effect)
    }

    /// The actions that the statements tell apart.
    fn action_atoms(&mut self) -> Result<Vec<Atom>, Spent> {
        let mut groups: Vec<Vec<Symbols>> = Vec::new();
        for listed in &self.case.actions {
            groups.push(listed.texts.iter().map(|text| text::action(text)).collect());
        }
        let domain = groups.len();
        groups.push(text::any_action());
        let machine = Machine::new(groups.iter().map(Vec::as_slice));
        let Some(actions) = self.actions else {
            let allows = self.case.entries.iter().filter(|entry| self.effect(entry.body) == Effect::Allow);
            let allows: BTreeSet<usize> = allows.map(|entry| entry.actions).collect();
            let inverted = |at: &usize| self.case.actions.get(*at).is_some_and(|listed| listed.inverted);
            let goals: Vec<usize> =
                if allows.iter().any(inverted) { Vec::new() } else { allows.into_iter().collect() };
            return machine.atoms(&mut self.budget, Scope { domain: Some(domain), goals: &goals, weak: "" });
        };
        let mut atoms: BTreeMap<Vec<usize>, String> = BTreeMap::new();
        for action in actions {
            self.budget.spend(action.len().saturating_mul(groups.len()))?;
            let mut groups = machine.read(&action.to_ascii_lowercase());
            if groups.contains(&domain) {
                groups.retain(|group| *group != domain);
                atoms.entry(groups).or_insert_with(|| action.clone());
            }
        }
        Ok(atoms.into_iter().map(|(groups, text)| Atom { text, groups }).collect())
    }

    /// Action and principal are settled; variables, resource and keys are not.
    fn weigh(&mut self, sets: &Sets, place: &Place) -> Result<(), Spent> {
        let open = self.open(sets);
        if open.is_empty() {
            return Ok(());
        }
        let plan = variables::plan(self.case, &sets.bodies(), &mut self.budget)?;
        self.doubt(&open, plan.doubt.as_ref());
        for assignment in &plan.assignments {
            let (mut seen, mut known) = (BTreeSet::new(), Known::new());
            for (resource, sets) in self.resource_atoms(sets, assignment)? {
                let open = self.open(&sets);
                if open.is_empty() || !seen.insert(sets.clone()) {
                    continue;
                }
                let mut clauses = Clauses::new(self.case, &sets, assignment, &mut known, &mut self.budget)?;
                let mut solved = Vec::new();
                for side in &open {
                    solved.extend(clauses.solve(&sets, *side)?.map(|values| (*side, values)));
                }
                let doubt = clauses.doubt.clone();
                self.doubt(&open, doubt.as_ref());
                for (side, mut context) in solved {
                    context.extend(assignment.iter().map(|(key, given)| (key.clone(), given.clone())));
                    let (action, resource) = (place.action.clone(), resource.clone());
                    let principal = place.principal.clone();
                    self.report(side, Question { principal, action, resource, context });
                }
            }
        }
        Ok(())
    }

    /// The resources that the statements tell apart, each with what is left of them.
    fn resource_atoms(&mut self, sets: &Sets, assignment: &Assignment) -> Result<Vec<(String, Sets)>, Spent> {
        let fill = |key: &str, default: Option<&str>| filled(assignment, key, default);
        let mut groups: Vec<Vec<Symbols>> = Vec::new();
        // For each body its group, and whether it is about everything else.
        let mut places: BTreeMap<usize, (usize, bool)> = BTreeMap::new();
        let mut made: BTreeMap<(usize, bool), usize> = BTreeMap::new();
        for number in sets.bodies() {
            let Some(body) = self.case.bodies.get(number) else { continue };
            let Some(listed) = self.case.resources.get(body.resources) else { continue };
            // What perhaps fits: a deny reckons with it, an allow does not; for a `NotResource` it is the other way.
            let perhaps = (body.effect == Effect::Deny) != listed.inverted;
            let group = *made.entry((body.resources, perhaps)).or_insert_with(|| {
                let flats =
                    listed.texts.iter().flat_map(|text| text::resource(text, listed.variables, &fill));
                groups.push(flats.filter(|flat| flat.complete || perhaps).map(|flat| flat.symbols).collect());
                groups.len().saturating_sub(1)
            });
            places.insert(number, (group, listed.inverted));
        }
        let domain = groups.len();
        groups.push(text::any_resource());
        let allows = places.iter().filter(|(body, _)| self.effect(**body) == Effect::Allow);
        let allows: Vec<(usize, bool)> = allows.map(|(_, place)| *place).collect();
        let mut goals = Vec::new();
        if allows.iter().all(|(_, inverted)| !inverted) {
            goals.extend(allows.into_iter().map(|(group, _)| group));
        }
        let machine = Machine::new(groups.iter().map(Vec::as_slice));
        // `*` stands for actions that know no resources: only if no ARN shows the same.
        let scope = Scope { domain: Some(domain), goals: &goals, weak: "*" };
        let atoms = machine.atoms(&mut self.budget, scope)?;
        let left = |atom: Atom| {
            let applies = |(group, inverted): &(usize, bool)| atom.groups.contains(group) != *inverted;
            let kept = places.iter().filter(|(_, place)| applies(place)).map(|(body, _)| *body).collect();
            (atom.text, sets.filtered(&kept))
        };
        Ok(atoms.into_iter().map(left).collect())
    }

    /// Puts the request to the engine; only what it confirms is a witness.
    fn report(&mut self, side: Side, question: Question) {
        if self.found.of(side).is_some() {
            return;
        }
        let witness = question.ask(self.old, self.new);
        let (here, there) = match side {
            Side::New => (&witness.new, &witness.old),
            Side::Old => (&witness.old, &witness.new),
        };
        if here.is_allowed() && !there.is_allowed() {
            *self.found.of_mut(side) = Some(witness);
        } else {
            self.doubt(&[side], Some(&Why::NotConfirmed));
        }
    }
}
