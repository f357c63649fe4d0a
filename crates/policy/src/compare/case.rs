//! Both sides of a comparison, with equal parts given equal numbers: what both sides say in the same words is then seen
//! to be the same without looking into it.

use std::collections::BTreeSet;

use super::document::{Document, Listed, Test};
use crate::{Effect, operator::Qualifier, principal::Whom};

/// Before or after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Old,
    New,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::New, Self::Old];

    pub(super) fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

/// Something for each side.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair<T> {
    old: T,
    new: T,
}

impl<T> Pair<T> {
    pub(super) fn of(&self, side: Side) -> &T {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }

    pub(super) fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        }
    }
}

/// A statement of either side.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) side: Side,
    pub(super) whom: &'a Whom,
    /// In [`Case::actions`].
    pub(super) actions: usize,
    /// In [`Case::bodies`].
    pub(super) body: usize,
}

/// What is left of a statement once action and principal are settled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) effect: Effect,
    /// In [`Case::resources`].
    pub(super) resources: usize,
    /// In [`Case::tests`], ordered.
    pub(super) tests: Vec<usize>,
}

/// Both sides.
#[derive(Debug, Default)]
pub(super) struct Case<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) actions: Vec<Listed>,
    pub(super) resources: Vec<Listed>,
    pub(super) tests: Vec<Test>,
    pub(super) bodies: Vec<Body>,
    /// Keys that may have several values.
    pub(super) multivalued: BTreeSet<String>,
    /// Whole statements of both sides, by number.
    whole: Sets,
}

impl<'a> Case<'a> {
    /// `any_multivalued`: every key may have several values, not only those that a set operator is used on.
    pub(super) fn new(old: &'a [Document], new: &'a [Document], any_multivalued: bool) -> Self {
        let mut case = Self::default();
        let mut whole: Vec<(usize, usize, &Whom)> = Vec::new();
        for (side, documents) in [(Side::Old, old), (Side::New, new)] {
            for (texts, effect, whom) in documents.iter().flat_map(Document::statements) {
                let lower = texts.actions.texts.iter().map(|text| text.to_ascii_lowercase()).collect();
                let actions =
                    intern(&mut case.actions, tidied(Listed { texts: lower, ..texts.actions.clone() }));
                let resources = intern(&mut case.resources, tidied(texts.resources.clone()));
                let mut tests: Vec<usize> = Vec::new();
                for test in &texts.conditions {
                    if any_multivalued || test.operator.qualifier != Qualifier::None {
                        case.multivalued.insert(test.key.clone());
                    }
                    tests.push(intern(&mut case.tests, tidied_test(test.clone())));
                }
                tests.sort_unstable();
                tests.dedup();
                let body = intern(&mut case.bodies, Body { effect, resources, tests });
                case.entries.push(Entry { side, whom, actions, body });
                case.whole.insert(side, effect, intern(&mut whole, (actions, body, whom)));
            }
        }
        case
    }

    /// Whether `side` allows nothing that the other does not because of what it was written from.
    pub(super) fn within(&self, side: Side) -> bool {
        self.whole.within(side)
    }

    /// The tests of some bodies, with their numbers, each once.
    pub(super) fn tests_of(&self, bodies: &BTreeSet<usize>) -> BTreeSet<usize> {
        bodies
            .iter()
            .filter_map(|body| self.bodies.get(*body))
            .flat_map(|body| body.tests.iter().copied())
            .collect()
    }
}

/// Bodies of statements that apply, as far as is settled.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sets {
    pub(super) allows: Pair<BTreeSet<usize>>,
    pub(super) denies: Pair<BTreeSet<usize>>,
}

impl Sets {
    pub(super) fn insert(&mut self, side: Side, effect: Effect, body: usize) {
        let sets = match effect {
            Effect::Allow => &mut self.allows,
            Effect::Deny => &mut self.denies,
        };
        sets.of_mut(side).insert(body);
    }

    /// Whether it is plain that `side` allows nothing that the other does not: it has only allows the other has too,
    /// and all its denies.
    pub(super) fn within(&self, side: Side) -> bool {
        self.allows.of(side).is_subset(self.allows.of(side.other()))
            && self.denies.of(side.other()).is_subset(self.denies.of(side))
    }

    pub(super) fn bodies(&self) -> BTreeSet<usize> {
        let all =
            Side::BOTH.into_iter().flat_map(|side| self.allows.of(side).iter().chain(self.denies.of(side)));
        all.copied().collect()
    }

    /// Only the bodies that `keep` accepts.
    pub(super) fn filtered(&self, keep: &BTreeSet<usize>) -> Self {
        let common = |set: &BTreeSet<usize>| set.intersection(keep).copied().collect();
        let pair = |pair: &Pair<BTreeSet<usize>>| Pair { old: common(&pair.old), new: common(&pair.new) };
        Self { allows: pair(&self.allows), denies: pair(&self.denies) }
    }
}

fn intern<T: PartialEq>(all: &mut Vec<T>, item: T) -> usize {
    all.iter().position(|known| *known == item).unwrap_or_else(|| {
        all.push(item);
        all.len().saturating_sub(1)
    })
}

fn tidied(mut listed: Listed) -> Listed {
    listed.texts.sort_unstable();
    listed.texts.dedup();
    listed.variables = listed.variables && listed.texts.iter().any(|text| text.contains("${"));
    listed
}

fn tidied_test(mut test: Test) -> Test {
    test.values.sort_unstable();
    test.values.dedup();
    test.variables = test.variables && test.values.iter().any(|text| text.contains("${"));
    test
}
