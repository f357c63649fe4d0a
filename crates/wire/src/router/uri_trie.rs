//! Paths of one REST service. Matches the *raw* path: it is split at `/` first and labels are decoded afterwards, so an
//! encoded slash never makes a new segment.
//!
//! A literal beats a label, a label beats a greedy label; among operations at the same place the one with more literal
//! query parameters wins. Empty segments match nothing but the trailing slash, which does not count.

use std::collections::HashMap;

use casemate_schema::OpMeta;
use http::Method;

use crate::http_value::{Plus, percent_decode};

/// A tree of path segments.
#[derive(Debug, Default)]
pub(crate) struct UriTrie {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<&'static str, Node>,
    label: Option<Box<Node>>,
    /// Operations whose template ends here.
    leaves: Vec<Leaf>,
    /// Operations whose template goes on with a greedy label to the end.
    greedy: Vec<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    op: &'static OpMeta,
    label_names: Vec<&'static str>,
    /// Literal query parameters that must be present, with their values (`""`: the value does not matter).
    query: Vec<(&'static str, &'static str)>,
}

/// An operation and the raw labels of its path.
#[derive(Debug)]
pub(crate) struct Matched<'a> {
    pub(crate) op: &'static OpMeta,
    label_names: &'a [&'static str],
    raw: Vec<&'a str>,
}

impl Matched<'_> {
    /// The labels, decoded; `None` when one cannot be.
    pub(crate) fn labels(&self) -> Option<Vec<(String, String)>> {
        self.label_names
            .iter()
            .zip(&self.raw)
            .map(|(name, raw)| Some(((*name).to_owned(), percent_decode(raw, Plus::Literal)?)))
            .collect()
    }
}

impl UriTrie {
    /// Adds an operation by its template. A greedy label anywhere but at the end makes the operation unreachable.
    pub(crate) fn add(&mut self, op: &'static OpMeta) {
        let (path, query) = op.http.uri.split_once('?').unwrap_or((op.http.uri, ""));
        let query = query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .collect();
        let mut label_names = Vec::new();
        let mut node = &mut self.root;
        let mut segments = segments(path).peekable();
        while let Some(segment) = segments.next() {
            let label = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match label {
                None => node = node.literals.entry(segment).or_default(),
                Some(name) => match name.strip_suffix('+') {
                    None => {
                        label_names.push(name);
                        node = node.label.get_or_insert_default();
                    }
                    Some(name) => {
                        label_names.push(name);
                        if segments.peek().is_none() {
                            insert(&mut node.greedy, Leaf { op, label_names, query });
                        }
                        return;
                    }
                },
            }
        }
        insert(&mut node.leaves, Leaf { op, label_names, query });
    }

    /// Finds the operation for a raw path and query.
    pub(crate) fn find<'a>(&'a self, method: &Method, path: &'a str, query: &str) -> Option<Matched<'a>> {
        let asked = Asked { method, query };
        let mut raw = Vec::new();
        let rest = path.strip_prefix('/').unwrap_or(path);
        let leaf = self.root.find(&asked, rest, &mut raw)?;
        Some(Matched { op: leaf.op, label_names: &leaf.label_names, raw })
    }
}

struct Asked<'q> {
    method: &'q Method,
    query: &'q str,
}

impl Node {
    /// `rest` is the path after the slash. The depth of recursion is that of the trie, not of the path.
    fn find<'a>(&'a self, asked: &Asked<'_>, rest: &'a str, raw: &mut Vec<&'a str>) -> Option<&'a Leaf> {
        if rest.is_empty() {
            return asked.choose(&self.leaves);
        }
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        if !segment.is_empty() {
            if let Some(leaf) = self.literals.get(segment).and_then(|node| node.find(asked, after, raw)) {
                return Some(leaf);
            }
            if let Some(node) = &self.label {
                raw.push(segment);
                if let Some(leaf) = node.find(asked, after, raw) {
                    return Some(leaf);
                }
                raw.pop();
            }
        }
        let leaf = asked.choose(&self.greedy)?;
        raw.push(rest);
        Some(leaf)
    }
}

impl Asked<'_> {
    /// The leaf with the most literal query parameters all of which are there; leaves are kept in that order.
    fn choose<'a>(&self, leaves: &'a [Leaf]) -> Option<&'a Leaf> {
        leaves.iter().find(|leaf| {
            leaf.op.http.method == self.method.as_str()
                && leaf.query.iter().all(|(name, value)| self.has(name, value))
        })
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.query.split('&').any(|part| {
            let (found, given) = part.split_once('=').unwrap_or((part, ""));
            found == name && (value.is_empty() || given == value)
        })
    }
}

fn insert(leaves: &mut Vec<Leaf>, leaf: Leaf) {
    let at = leaves.partition_point(|other| other.query.len() >= leaf.query.len());
    leaves.insert(at, leaf);
}

fn segments(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter(|segment| !segment.is_empty())
}
