//! Sets of texts given by patterns, read side by side: a product automaton whose states are made as they are reached.
//! Each group of patterns is one set; a walk over the reachable states finds every combination of sets that some text
//! lies in, with a shortest such text. Refuses to know what the texts mean.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    rc::Rc,
};

use super::budget::{Budget, Spent};

/// One element of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Symbol {
    /// Itself.
    Char(char),
    /// Every character with this lower case.
    Fold(char),
    /// Any one character.
    One,
    /// Any one character but a colon.
    OneInPart,
    /// Any text.
    Many,
    /// Any text without colons.
    ManyInPart,
    /// A text not known yet. What follows it in the pattern is not read.
    Hole {
        /// Which one.
        key: usize,
        /// It cannot have colons.
        in_part: bool,
    },
    /// Within a hole.
    Stuck,
    /// The pattern is complete.
    End,
}

/// A pattern.
pub(super) type Symbols = Vec<Symbol>;

/// Positions in all patterns, ordered.
pub(super) type State = Vec<usize>;

#[derive(Debug, Clone, Copy)]
struct Node {
    symbol: Symbol,
    pattern: usize,
    group: usize,
}

/// Groups of patterns.
#[derive(Debug)]
pub(super) struct Machine {
    nodes: Vec<Node>,
    starts: Vec<usize>,
}

/// A shortest text of one combination of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    pub(super) text: String,
    /// The groups it lies in, ordered.
    pub(super) groups: Vec<usize>,
}

/// Steps charged for each position of a state that must be remembered, so that the budget bounds memory too.
const STATE_STEPS: usize = 4;

/// A state, and from which one it was reached by which character.
type Reached = (Rc<[usize]>, Option<(usize, char)>);

/// Told of every state a walk comes to, with a way to spell a text that leads there.
pub(super) type Visit<'a> = dyn FnMut(&[usize], &dyn Fn() -> String) + 'a;

/// What a walk may leave out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scope<'a> {
    /// Only texts of this group count.
    pub(super) domain: Option<usize>,
    /// Only texts of at least one of these groups count; empty for no such wish.
    pub(super) goals: &'a [usize],
    /// A text that is only taken if the combination has no other: legal, but nothing to show to people.
    pub(super) weak: &'a str,
}

impl Machine {
    pub(super) fn new<'a>(groups: impl IntoIterator<Item = &'a [Symbols]>) -> Self {
        let mut machine = Self { nodes: Vec::new(), starts: Vec::new() };
        let mut pattern = 0_usize;
        for (group, patterns) in groups.into_iter().enumerate() {
            for symbols in patterns {
                machine.starts.push(machine.nodes.len());
                let mut add = |symbol| machine.nodes.push(Node { symbol, pattern, group });
                let known = symbols.iter().take_while(|symbol| !matches!(symbol, Symbol::Hole { .. }));
                known.for_each(|symbol| add(*symbol));
                match symbols.iter().find(|symbol| matches!(symbol, Symbol::Hole { .. })) {
                    Some(hole) => [*hole, Symbol::Stuck].into_iter().for_each(add),
                    None => add(Symbol::End),
                }
                pattern = pattern.saturating_add(1);
            }
        }
        machine
    }

    pub(super) fn start(&self) -> State {
        self.close(self.starts.clone())
    }

    pub(super) fn symbol(&self, position: usize) -> Symbol {
        self.nodes.get(position).map_or(Symbol::End, |node| node.symbol)
    }

    pub(super) fn group(&self, position: usize) -> usize {
        self.nodes.get(position).map_or(usize::MAX, |node| node.group)
    }

    /// Adds what is reached without reading, and drops what makes no difference.
    fn close(&self, mut positions: Vec<usize>) -> State {
        let mut at = 0;
        while let Some(position) = positions.get(at).copied() {
            if matches!(self.symbol(position), Symbol::Many | Symbol::ManyInPart) {
                positions.push(position.saturating_add(1));
            }
            at = at.saturating_add(1);
        }
        positions.sort_unstable();
        positions.dedup();
        // Whatever a pattern still takes from before a `*`, it also takes from there.
        let mut open = None;
        let mut kept: Vec<usize> = Vec::with_capacity(positions.len());
        for position in positions.into_iter().rev() {
            let Some(node) = self.nodes.get(position) else { continue };
            if open == Some(node.pattern) {
                continue;
            }
            if node.symbol == Symbol::Many {
                open = Some(node.pattern);
            }
            kept.push(position);
        }
        kept.reverse();
        // A group with a pattern that takes everything from here on needs no other pattern.
        let mut full: BTreeMap<usize, usize> = BTreeMap::new();
        for position in &kept {
            let next = self.symbol(position.saturating_add(1));
            if self.symbol(*position) == Symbol::Many && next == Symbol::End {
                full.entry(self.group(*position)).or_insert(*position);
            }
        }
        if !full.is_empty() {
            kept.retain(|position| {
                full.get(&self.group(*position))
                    .is_none_or(|only| position == only || *position == only.saturating_add(1))
            });
        }
        kept
    }

    /// The state after one more character.
    pub(super) fn step(&self, state: &[usize], c: char) -> State {
        let next = state.iter().filter_map(|position| {
            let (goes_on, stays) = match self.symbol(*position) {
                Symbol::Char(wanted) => (wanted == c, false),
                Symbol::Fold(wanted) => (wanted == fold(c), false),
                Symbol::One | Symbol::Hole { .. } => (true, false),
                Symbol::OneInPart => (c != ':', false),
                Symbol::Many | Symbol::Stuck => (false, true),
                Symbol::ManyInPart => (false, c != ':'),
                Symbol::End => (false, false),
            };
            if stays { Some(*position) } else { goes_on.then(|| position.saturating_add(1)) }
        });
        self.close(next.collect())
    }

    /// One character for each way in which the state can go on.
    pub(super) fn characters(&self, state: &[usize]) -> Vec<char> {
        let mut told_apart = BTreeSet::new();
        for position in state {
            match self.symbol(*position) {
                Symbol::Char(c) => {
                    told_apart.insert(c);
                }
                Symbol::Fold(c) => told_apart.extend(spellings(c)),
                Symbol::OneInPart | Symbol::ManyInPart => {
                    told_apart.insert(':');
                }
                Symbol::One | Symbol::Many | Symbol::Hole { .. } | Symbol::Stuck | Symbol::End => {}
            }
        }
        let plain =
            ('x'..='z').chain('a'..='w').chain('0'..='9').chain('A'..='Z').chain('\u{a1}'..=char::MAX);
        let other = plain.into_iter().find(|c| !told_apart.contains(c));
        other.into_iter().chain(told_apart).collect()
    }

    /// The groups a text that ends in this state lies in, ordered.
    pub(super) fn accepted(&self, state: &[usize]) -> Vec<usize> {
        let ended = state.iter().filter(|position| self.symbol(**position) == Symbol::End);
        let mut groups: Vec<usize> = ended.map(|position| self.group(*position)).collect();
        groups.dedup();
        groups
    }

    /// The groups that `text` lies in.
    pub(super) fn read(&self, text: &str) -> Vec<usize> {
        let end = text.chars().fold(self.start(), |state, c| self.step(&state, c));
        self.accepted(&end)
    }

    /// Visits every reachable state that `goes_on` accepts, those with shorter texts first.
    pub(super) fn walk(
        &self,
        budget: &mut Budget,
        goes_on: &dyn Fn(&[usize]) -> bool,
        visit: &mut Visit<'_>,
    ) -> Result<(), Spent> {
        let start: Rc<[usize]> = self.start().into();
        let mut seen: HashSet<Rc<[usize]>> = HashSet::from([Rc::clone(&start)]);
        let mut queue: Vec<Reached> = vec![(start, None)];
        let mut at = 0;
        while let Some((state, _)) = queue.get(at).cloned() {
            visit(&state, &|| spelled(&queue, at));
            for c in self.characters(&state) {
                budget.spend(state.len().saturating_add(1))?;
                let next = self.step(&state, c);
                if goes_on(&next) && !seen.contains(&*next) {
                    budget.spend(next.len().saturating_mul(STATE_STEPS))?;
                    let next: Rc<[usize]> = next.into();
                    seen.insert(Rc::clone(&next));
                    queue.push((next, Some((at, c))));
                }
            }
            at = at.saturating_add(1);
        }
        Ok(())
    }

    /// Every combination of groups that some text lies in.
    pub(super) fn atoms(&self, budget: &mut Budget, scope: Scope<'_>) -> Result<Vec<Atom>, Spent> {
        let lives = |state: &[usize], wanted: &dyn Fn(usize) -> bool| {
            state.iter().any(|position| wanted(self.group(*position)))
        };
        let goes_on = |state: &[usize]| {
            scope.domain.is_none_or(|domain| lives(state, &|group| group == domain))
                && (scope.goals.is_empty() || lives(state, &|group| scope.goals.contains(&group)))
        };
        let mut found: BTreeMap<Vec<usize>, String> = BTreeMap::new();
        let mut order: Vec<Vec<usize>> = Vec::new();
        self.walk(budget, &goes_on, &mut |state, text| {
            let mut groups = self.accepted(state);
            if let Some(domain) = scope.domain {
                if !groups.contains(&domain) {
                    return;
                }
                groups.retain(|group| *group != domain);
            }
            match found.get_mut(&groups) {
                None => {
                    order.push(groups.clone());
                    found.insert(groups, text());
                }
                Some(known) if known == scope.weak => *known = text(),
                Some(_) => {}
            }
        })?;
        let atom = |groups: Vec<usize>| found.remove(&groups).map(|text| Atom { text, groups });
        Ok(order.into_iter().filter_map(atom).collect())
    }
}

fn spelled(queue: &[Reached], mut at: usize) -> String {
    let mut text = Vec::new();
    while let Some((_, Some((before, c)))) = queue.get(at) {
        text.push(*c);
        at = *before;
    }
    text.iter().rev().collect()
}

/// The lower case of a character, where that is one character.
pub(super) fn fold(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// The characters whose lower case is `c`: complete for ASCII, where the Kelvin sign is the only surprise.
fn spellings(c: char) -> impl Iterator<Item = char> {
    let upper = c.to_uppercase().filter(move |upper| fold(*upper) == c);
    let kelvin = (c == 'k').then_some('\u{212a}');
    std::iter::once(c).chain(upper).chain(kelvin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Symbols {
        let symbol = |c| match c {
            '*' => Symbol::Many,
            '?' => Symbol::One,
            '+' => Symbol::ManyInPart,
            '.' => Symbol::OneInPart,
            c => Symbol::Char(c),
        };
        text.chars().map(symbol).collect()
    }

    fn atoms(groups: &[&[&str]]) -> Vec<Atom> {
        let groups: Vec<Vec<Symbols>> = groups.iter().map(|g| g.iter().map(|t| glob(t)).collect()).collect();
        let machine = Machine::new(groups.iter().map(Vec::as_slice));
        machine.atoms(&mut Budget::new(1_000_000), Scope::default()).unwrap()
    }

    fn texts(groups: &[&[&str]]) -> Vec<(String, Vec<usize>)> {
        atoms(groups).into_iter().map(|atom| (atom.text, atom.groups)).collect()
    }

    #[test]
    fn every_combination_is_found_with_a_shortest_text_that_is_not_weak() {
        let found = texts(&[&["a*"], &["*b"], &["ab"]]);
        let expected =
            [("x", vec![]), ("a", vec![0]), ("b", vec![1]), ("ab", vec![0, 1, 2]), ("axb", vec![0, 1])];
        for (text, groups) in expected {
            assert!(
                found.iter().any(|(t, g)| *g == groups && t.len() == text.len()),
                "{groups:?} in {found:?}"
            );
        }
        assert_eq!(found.len(), 5, "{found:?}");
        assert_eq!(texts(&[&["a?*", "*"], &["?*"]]).len(), 2);
    }

    #[test]
    fn wildcards_within_a_part_do_not_read_colons() {
        let found = texts(&[&["+:."], &["*:?"]]);
        assert!(found.iter().any(|(_, groups)| *groups == [0, 1]));
        let only_second = found.iter().find(|(_, groups)| *groups == [1]).unwrap();
        assert_eq!(only_second.0.matches(':').count(), 2, "{only_second:?}");
        assert!(!found.iter().any(|(_, groups)| *groups == [0]));
    }

    #[test]
    fn domain_and_goals_leave_out_the_rest_and_the_budget_ends_the_walk() {
        let groups = [vec![glob("a*")], vec![glob("b*")], vec![glob("??")]];
        let machine = Machine::new(groups.iter().map(Vec::as_slice));
        let scope = Scope { domain: Some(2), goals: &[0], weak: "" };
        let found = machine.atoms(&mut Budget::new(1000), scope).unwrap();
        assert_eq!(found, [Atom { text: "ax".to_owned(), groups: vec![0] }]);
        assert_eq!(machine.atoms(&mut Budget::new(3), scope), Err(Spent));
    }

    #[test]
    fn reading_a_text_agrees_with_the_walk() {
        let groups = [vec![glob("a*b*c")], vec![glob("*bb?")], vec![vec![Symbol::Fold('k')]]];
        let machine = Machine::new(groups.iter().map(Vec::as_slice));
        assert_eq!(machine.read("axbbc"), [0, 1]);
        assert_eq!(machine.read("abx"), Vec::<usize>::new());
        for kelvin in ["k", "K", "\u{212a}"] {
            assert_eq!(machine.read(kelvin), [2]);
        }
    }
}
