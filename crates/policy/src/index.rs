//! Finds, for a text, all entries whose prefix it starts with: a binary search and a walk up the parents.

/// A set of prefixes, each with something attached.
#[derive(Debug, Clone)]
pub(crate) struct PrefixTable<T> {
    /// Ordered by prefix.
    nodes: Vec<Node<T>>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    prefix: Box<str>,
    /// The longest other prefix in the table that this one starts with.
    parent: Option<usize>,
    item: T,
}

impl<T> PrefixTable<T> {
    /// Builds a table; the map's order is the order of the search.
    pub(crate) fn new(entries: std::collections::BTreeMap<String, T>) -> Self {
        let mut nodes: Vec<Node<T>> = Vec::with_capacity(entries.len());
        for (prefix, item) in entries {
            let parent = Self::last_prefix(&nodes, nodes.len().checked_sub(1), &prefix);
            nodes.push(Node { prefix: prefix.into_boxed_str(), parent, item });
        }
        Self { nodes }
    }

    /// Everything whose prefix `text` starts with, longest prefix first.
    pub(crate) fn matching<'a, 't>(&'a self, text: &'t str) -> impl Iterator<Item = &'a T> + use<'a, 't, T> {
        let nearest = self.nodes.partition_point(|node| &*node.prefix <= text).checked_sub(1);
        let mut at = Self::last_prefix(&self.nodes, nearest, text);
        std::iter::from_fn(move || {
            let node = self.nodes.get(at?)?;
            at = node.parent;
            Some(&node.item)
        })
    }

    /// From `at` upwards, the first node whose prefix `text` starts with.
    // INVARIANT: if q is a prefix of `text` and q ≤ p ≤ `text`, then p starts with q. So every prefix of `text` is
    // the nearest smaller entry or one of its ancestors.
    fn last_prefix(nodes: &[Node<T>], mut at: Option<usize>, text: &str) -> Option<usize> {
        while let Some(node) = at.and_then(|at| nodes.get(at)) {
            if text.starts_with(&*node.prefix) {
                return at;
            }
            at = node.parent;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_prefixes_of_the_text_are_found() {
        let prefixes = ["", "a", "ab", "abd", "abda", "ac", "b", "abz", "abdd"];
        let table = PrefixTable::new(prefixes.iter().map(|p| ((*p).to_owned(), *p)).collect());
        for text in ["", "a", "abd", "abde", "abdaz", "ad", "c", "abc", "b", "B"] {
            let mut expected: Vec<_> = prefixes.iter().copied().filter(|p| text.starts_with(p)).collect();
            expected.sort_by_key(|p| std::cmp::Reverse(p.len()));
            assert_eq!(table.matching(text).copied().collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
