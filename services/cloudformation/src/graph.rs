//! The order in which things are made: each after everything it needs, otherwise as written. Knows names only.

use std::collections::{BTreeMap, BTreeSet};

/// Names and, for each, the names it needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    names: Vec<String>,
    needs: BTreeMap<String, BTreeSet<String>>,
}

/// Names that need each other in a circle, in the order of the circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cycle(pub(crate) Vec<String>);

impl Graph {
    /// Adds a name.
    pub(crate) fn add(&mut self, name: &str, needs: BTreeSet<String>) {
        self.names.push(name.to_owned());
        self.needs.insert(name.to_owned(), needs);
    }

    /// The names in order. Needs that were never added do not count.
    pub(crate) fn order(&self) -> Result<Vec<String>, Cycle> {
        let mut ordered = Vec::with_capacity(self.names.len());
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut waiting: Vec<&str> = self.names.iter().map(String::as_str).collect();
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|name| self.open_needs(name, &done).next().is_none());
            let Some(at) = ready else { return Err(self.cycle(&waiting, &done)) };
            let name = waiting.remove(at);
            done.insert(name);
            ordered.push(name.to_owned());
        }
        Ok(ordered)
    }

    fn open_needs<'a>(&'a self, name: &str, done: &'a BTreeSet<&str>) -> impl Iterator<Item = &'a str> {
        let needs = self.needs.get(name).into_iter().flatten().map(String::as_str);
        needs.filter(move |need| self.needs.contains_key(*need) && !done.contains(need))
    }

    /// Follows open needs from any waiting name until one comes again.
    fn cycle(&self, waiting: &[&str], done: &BTreeSet<&str>) -> Cycle {
        let mut path: Vec<&str> = Vec::new();
        let mut at = waiting.first().copied();
        while let Some(name) = at {
            if let Some(start) = path.iter().position(|seen| *seen == name) {
                return Cycle(path.split_off(start).into_iter().map(str::to_owned).collect());
            }
            path.push(name);
            at = self.open_needs(name, done).next();
        }
        Cycle(waiting.iter().map(|name| (*name).to_owned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let mut graph = Graph::default();
        for (name, needs) in edges {
            graph.add(name, needs.iter().map(|need| (*need).to_owned()).collect());
        }
        graph
    }

    #[test]
    fn needs_come_first_and_the_rest_stays_as_written() {
        let order = graph(&[("A", &["C"]), ("B", &[]), ("C", &["B"]), ("D", &[])]).order().unwrap();
        assert_eq!(order, ["B", "C", "A", "D"]);
    }

    #[test]
    fn cycles_are_named_and_bystanders_are_not() {
        let cycle = graph(&[("X", &["A"]), ("A", &["B"]), ("B", &["C"]), ("C", &["A"]), ("Y", &[])]).order();
        assert_eq!(cycle, Err(Cycle(vec!["A".to_owned(), "B".to_owned(), "C".to_owned()])));
        assert_eq!(graph(&[("A", &["A"])]).order(), Err(Cycle(vec!["A".to_owned()])));
    }

    #[test]
    fn unknown_needs_do_not_count() {
        assert_eq!(graph(&[("A", &["Parameter"])]).order().unwrap(), ["A"]);
    }

    proptest::proptest! {
        #[test]
        fn every_order_respects_every_need(edges in proptest::collection::vec((0_usize..12, 0_usize..12), 0..40)) {
            // Needs point to smaller numbers only, so there is no cycle.
            let mut graph = Graph::default();
            let name = |n: usize| format!("N{n}");
            let needs = |n: usize| edges.iter().filter(|(a, b)| *a == n && b < a).map(|(_, b)| name(*b)).collect::<BTreeSet<_>>();
            for n in (0..12).rev() {
                graph.add(&name(n), needs(n));
            }
            let order = graph.order().unwrap();
            let place = |n: &str| order.iter().position(|other| other == n).unwrap();
            for n in 0..12 {
                for need in needs(n) {
                    proptest::prop_assert!(place(&need) < place(&name(n)));
                }
            }
        }
    }
}
