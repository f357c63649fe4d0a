//! A handful of texts, found by what they start with: each is held against the first sixteen bytes of the text in one
//! step. Quicker than any search while they are few.

use std::collections::BTreeMap;

/// Bytes of a text that are compared in one step.
const HEAD_BYTES: usize = 16;

/// The first sixteen bytes of a text; zeros stand for missing ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head(u128);

impl Head {
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Self {
        match text.first_chunk::<HEAD_BYTES>() {
            Some(whole) => Self(u128::from_le_bytes(*whole)),
            None => Self(text.iter().rev().fold(0, |so_far, byte| so_far << 8 | u128::from(*byte))),
        }
    }

    /// The bits that a text of this many bytes fills.
    fn mask(bytes: usize) -> u128 {
        let bits = bytes.saturating_mul(8);
        u32::try_from(bits).ok().and_then(|bits| 1_u128.checked_shl(bits)).map_or(u128::MAX, |bit| bit - 1)
    }
}

/// A few texts, each with something attached.
#[derive(Debug, Clone)]
pub(crate) struct HeadTable<T> {
    /// Whole texts first, then prefixes, the longest first.
    entries: Vec<Entry<T>>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    head: u128,
    mask: u128,
    text: Box<str>,
    /// Nothing may follow the text.
    whole: bool,
    item: T,
}

impl<T> HeadTable<T> {
    pub(crate) fn new(whole: BTreeMap<String, T>, prefixes: BTreeMap<String, T>) -> Self {
        let entry = |(text, item): (String, T), whole: bool| {
            let (Head(head), mask) = (Head::of(text.as_bytes()), Head::mask(text.len()));
            Entry { head, mask, text: text.into_boxed_str(), whole, item }
        };
        let whole = whole.into_iter().map(|each| entry(each, true));
        let mut entries: Vec<_> = whole.chain(prefixes.into_iter().map(|each| entry(each, false))).collect();
        entries.sort_by_key(|entry| (!entry.whole, std::cmp::Reverse(entry.text.len())));
        Self { entries }
    }

    /// Offers what is attached to the text and to the prefixes it starts with, and whether the text ends there, until
    /// `each` answers. `head` is that of `text`.
    #[inline]
    pub(crate) fn find<'a, R>(
        &'a self,
        text: &str,
        head: Head,
        mut each: impl FnMut(&'a T, bool) -> Option<R>,
    ) -> Option<R> {
        for entry in &self.entries {
            if head.0 & entry.mask != entry.head {
                continue;
            }
            let ends = text.len() == entry.text.len();
            // A short text and a prefix with zeros at its end have the same head.
            let fits = if entry.whole { ends } else { text.len() >= entry.text.len() };
            let long = entry.text.len() > HEAD_BYTES;
            if fits && (!long || text.starts_with(&*entry.text)) {
                let answer = each(&entry.item, ends);
                if answer.is_some() {
                    return answer;
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [&str; 4] = ["s3:getobject", "dynamodb:getitem", "dynamodb:getitems", "s3:get\0"];
    const PREFIXES: [&str; 7] =
        ["", "s3:", "s3:get", "s3:get\0", "dynamodb:", "dynamodb:getitem", "dynamodb:getitemsandmore"];

    fn found(text: &str) -> Vec<(&'static str, bool)> {
        let table = HeadTable::new(
            WHOLE.iter().map(|text| ((*text).to_owned(), (*text, true))).collect(),
            PREFIXES.iter().map(|text| ((*text).to_owned(), (*text, false))).collect(),
        );
        let mut found = Vec::new();
        let nothing = table.find(text, Head::of(text.as_bytes()), |(known, whole), ends| {
            assert_eq!(ends, known.len() == text.len(), "{text}");
            found.push((*known, *whole));
            None::<()>
        });
        assert_eq!(nothing, None);
        found
    }

    #[test]
    fn whole_texts_and_exactly_the_prefixes_of_the_text_are_found_longest_first() {
        let mut texts = vec![String::new(), "s".to_owned(), "é".to_owned(), "dynamodb".to_owned()];
        for known in WHOLE.iter().chain(&PREFIXES) {
            texts.extend(["", "x", "\0", "andmore"].map(|end| format!("{known}{end}")));
        }
        for text in &texts {
            let mut expected: Vec<_> = WHOLE.iter().filter(|w| *w == text).map(|w| (*w, true)).collect();
            let mut prefixes: Vec<_> = PREFIXES.iter().filter(|p| text.starts_with(**p)).collect();
            prefixes.sort_by_key(|p| std::cmp::Reverse(p.len()));
            expected.extend(prefixes.iter().map(|p| (**p, false)));
            assert_eq!(found(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_first_answer_ends_the_search() {
        let all = ["a", "ab"].map(|text| (text.to_owned(), text));
        let table = HeadTable::new(BTreeMap::new(), BTreeMap::from(all));
        assert_eq!(table.find("abc", Head::of(b"abc"), |text, _| Some(*text)), Some("ab"));
        assert_eq!(table.find("b", Head::of(b"b"), |text, _| Some(*text)), None);
    }
}
