//! Finds the few entries that can concern a text: by the whole text, or by the prefixes it starts with.

/// What finding an entry by its literal text says about the pattern it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// Nothing: the pattern must be asked.
    Check,
    /// The pattern is the literal text followed by a star: found is matched.
    Prefix,
    /// The pattern is the literal text: found is matched if nothing follows.
    Exact,
}

impl Certainty {
    /// For two patterns of one selection with the same literal text.
    pub(crate) fn either(self, other: Self) -> Self {
        match (self, other) {
            (Self::Prefix, _) | (_, Self::Prefix) => Self::Prefix,
            (Self::Exact, Self::Exact) => Self::Exact,
            (Self::Check, _) | (_, Self::Check) => Self::Check,
        }
    }
}

/// A set of prefixes, each with something attached.
#[derive(Debug, Clone)]
pub(crate) struct PrefixTable<T> {
    /// Of the empty prefix.
    everywhere: Option<T>,
    /// What all other prefixes start with: one comparison, and the search begins where they differ.
    common: Box<str>,
    /// For each node the eight bytes after the common start, ordered as numbers as the prefixes are as texts.
    heads: Vec<u64>,
    /// Ordered by prefix.
    nodes: Vec<Node<T>>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    prefix: Box<str>,
    /// The longest other prefix in the table that this one starts with; not the empty one.
    parent: Option<usize>,
    item: T,
}

impl<T> PrefixTable<T> {
    /// Builds a table; the map's order is the order of the search.
    pub(crate) fn new(mut entries: std::collections::BTreeMap<String, T>) -> Self {
        let everywhere = entries.remove("");
        let mut nodes: Vec<Node<T>> = Vec::with_capacity(entries.len());
        for (prefix, item) in entries {
            let parent = Self::last_prefix(&nodes, nodes.len().checked_sub(1), &prefix);
            nodes.push(Node { prefix: prefix.into_boxed_str(), parent, item });
        }
        // Of ordered texts, the first and the last differ earliest.
        let common: Box<str> = match (nodes.first(), nodes.last()) {
            (Some(first), Some(last)) => common_start(&first.prefix, &last.prefix).into(),
            _ => "".into(),
        };
        let heads = nodes
            .iter()
            .map(|node| head(node.prefix.as_bytes().get(common.len()..).unwrap_or_default()))
            .collect();
        Self { everywhere, common, heads, nodes }
    }

    /// Offers everything whose prefix `text` starts with, longest prefix first, and whether the prefix is the whole text,
    /// until `each` answers. (Loops, because iterators of this depth are moved about more than they work.)
    pub(crate) fn find<'a, R>(
        &'a self,
        text: &str,
        mut each: impl FnMut(&'a T, bool) -> Option<R>,
    ) -> Option<R> {
        let mut at = self.nearest(text);
        while let Some(node) = at.and_then(|at| self.nodes.get(at)) {
            let answer = each(&node.item, node.prefix.len() == text.len());
            if answer.is_some() {
                return answer;
            }
            at = node.parent;
        }
        each(self.everywhere.as_ref()?, text.is_empty())
    }

    /// The longest prefix of `text`.
    fn nearest(&self, text: &str) -> Option<usize> {
        match self.nodes.as_slice() {
            [] => return None,
            [only] => return text.starts_with(&*only.prefix).then_some(0),
            _ => {}
        }
        let wanted = head(text.strip_prefix(&*self.common)?.as_bytes());
        let below = self.heads.partition_point(|head| *head < wanted);
        let mut after = below;
        if self.heads.get(below) == Some(&wanted) {
            let same = self.heads.get(below..)?.partition_point(|head| *head == wanted);
            let ties = self.nodes.get(below..below.checked_add(same)?)?;
            after = below.checked_add(ties.partition_point(|node| &*node.prefix <= text))?;
        }
        Self::last_prefix(&self.nodes, after.checked_sub(1), text)
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

fn common_start<'a>(first: &'a str, last: &str) -> &'a str {
    let same = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
    let whole = (0..=same).rev().find(|at| first.is_char_boundary(*at) && last.is_char_boundary(*at));
    whole.and_then(|at| first.get(..at)).unwrap_or("")
}

/// The first eight bytes as a number that orders as the text does; zeros stand for missing ones.
fn head(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(whole) => u64::from_be_bytes(*whole),
        None => text.iter().zip([56, 48, 40, 32, 24, 16, 8]).fold(0, |h, (b, at)| h | u64::from(*b) << at),
    }
}

/// A map from whole texts, found by a number made of them.
#[derive(Debug, Clone)]
pub(crate) struct WholeTable<T> {
    /// Ordered by number.
    entries: Vec<(u64, Box<str>, T)>,
}

impl<T> WholeTable<T> {
    pub(crate) fn new(entries: std::collections::BTreeMap<String, T>) -> Self {
        let mut entries: Vec<_> =
            entries.into_iter().map(|(text, item)| (digest(&text), text.into_boxed_str(), item)).collect();
        entries.sort_by_key(|(number, ..)| *number);
        Self { entries }
    }

    pub(crate) fn get(&self, text: &str) -> Option<&T> {
        if self.entries.is_empty() {
            return None;
        }
        let wanted = digest(text);
        let from = self.entries.partition_point(|(number, ..)| *number < wanted);
        let candidates = self.entries.get(from..)?.iter().take_while(|(number, ..)| *number == wanted);
        candidates.filter(|(_, known, _)| &**known == text).map(|(.., item)| item).next()
    }
}

/// Mixes eight bytes at a time. Equal numbers of different texts cost time, linear in the document, and nothing else.
fn digest(text: &str) -> u64 {
    let mut number = text.len() as u64;
    for part in text.as_bytes().chunks(8) {
        number = (number ^ head(part)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        number ^= number >> 29;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_prefixes_of_the_text_are_found() {
        let sets: [&[&str]; 6] = [
            &["", "a", "ab", "abd", "abda", "ac", "b", "abz", "abdd"],
            &["common/ab", "common/abcdefgh", "common/abcdefghi", "common/abcdefghij", "common/b"],
            &["common/", "common/é", "common/è", "common/éa"],
            // Longer than a head, with a later one beside it: what lies between must not hide the earlier.
            &["common/abcdefgh", "common/abcdefgha", "common/abcdefghb", "common/x"],
            &["one"],
            &[],
        ];
        for prefixes in sets {
            let table = PrefixTable::new(prefixes.iter().map(|p| ((*p).to_owned(), *p)).collect());
            let mut texts: Vec<String> = prefixes.iter().map(|p| (*p).to_owned()).collect();
            for end in ["", "a", "z", "é", "\0", "hijk", "/"] {
                texts.extend(prefixes.iter().map(|p| format!("{p}{end}")));
            }
            texts.extend(["", "abde", "ad", "c", "abc", "B", "common", "common/a", "on"].map(str::to_owned));
            for text in &texts {
                let mut expected: Vec<_> = prefixes.iter().filter(|p| text.starts_with(**p)).collect();
                expected.sort_by_key(|p| std::cmp::Reverse(p.len()));
                let mut found = Vec::new();
                let nothing = table.find(text, |prefix, whole| {
                    found.push((prefix, whole));
                    None::<()>
                });
                assert_eq!(nothing, None);
                assert_eq!(found.iter().map(|(p, _)| *p).collect::<Vec<_>>(), expected, "{text}");
                assert!(found.iter().all(|(p, whole)| *whole == (**p == text)), "{text}");
            }
        }
    }

    #[test]
    fn whole_texts_are_found_and_nothing_else() {
        let known = ["s3:getobject", "s3:getobjectacl", "s3:get", "é", "ééééé:ééééé", ""];
        let table = WholeTable::new(known.iter().map(|text| ((*text).to_owned(), *text)).collect());
        for text in known {
            assert_eq!(table.get(text), Some(&text));
            assert_eq!(table.get(&format!("{text}x")), None);
        }
        assert_eq!(WholeTable::<u8>::new(std::collections::BTreeMap::new()).get("x"), None);
    }
}
