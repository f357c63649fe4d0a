//! Keys: tuples of text, numbers and bytes whose encoding sorts as the tuples do.
//!
//! Each part is a tag byte and a self-delimiting body, so the encoding of one tuple is a prefix of another's exactly
//! when its parts are. Text and bytes end with `00 01`; a zero byte inside is `00 FF`. Numbers are eight bytes, big
//! endian. The first part says whose key it is: a scope, an account, or the installation's.

use std::fmt;

use casemate_names::Scope;

use crate::StoreError;

/// Longest key, in encoded bytes. Our own figure, below the strictest engine we may sit on (FoundationDB: 10 KB).
pub const KEY_BYTES_MAX: usize = 8_192;

const GLOBAL: u8 = 0x10;
const SCOPE: u8 = 0x11;
const ACCOUNT: u8 = 0x12;
const TEXT: u8 = 0x02;
const BYTES: u8 = 0x03;
const NUMBER: u8 = 0x04;
const ZERO: u8 = 0x00;
const END: u8 = 0x01;
const ESCAPED: u8 = 0xFF;

/// A row's name within its table, or the common beginning of many.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    bytes: Vec<u8>,
    complete: bool,
}

/// One part of a key, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A number.
    Number(u64),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Key {
    /// Keys of one partition, account and region.
    pub fn of(scope: &Scope) -> Self {
        let mut key = Self { bytes: vec![SCOPE], complete: true };
        key.push(TEXT, scope.partition.as_bytes());
        key.push(TEXT, scope.account.as_str().as_bytes());
        key.push(TEXT, scope.region.as_str().as_bytes());
        key
    }

    /// The prefix of the keys of every scope, for work that is nobody's request. It names no row.
    pub fn every_scope() -> Self {
        Self { bytes: vec![SCOPE], complete: false }
    }

    /// Keys of one partition and account, for services without regions (IAM).
    pub fn of_account(scope: &Scope) -> Self {
        let mut key = Self { bytes: vec![ACCOUNT], complete: true };
        key.push(TEXT, scope.partition.as_bytes());
        key.push(TEXT, scope.account.as_str().as_bytes());
        key
    }

    /// Keys of the installation itself.
    pub fn global() -> Self {
        Self { bytes: vec![GLOBAL], complete: true }
    }

    /// Adds a text part. Sorts by bytes.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.push(TEXT, text.as_bytes());
        self
    }

    /// Adds a bytes part. Sorts as slices do: shorter before its extensions.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.push(BYTES, bytes);
        self
    }

    /// Adds a number. Sorts numerically.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.bytes.push(NUMBER);
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds the beginning of a text part: the prefix of every key whose next part is text that starts so. It names no row.
    #[must_use]
    pub fn partial_text(mut self, start: &str) -> Self {
        self.push_open(TEXT, start.as_bytes());
        self
    }

    /// Adds the beginning of a bytes part, as [`Self::partial_text`] does for text.
    #[must_use]
    pub fn partial_bytes(mut self, start: &[u8]) -> Self {
        self.push_open(BYTES, start);
        self
    }

    /// The parts after the owner. Empty for an unfinished key's last part.
    pub fn parts(&self) -> Vec<Part> {
        let (owner_parts, mut rest) = match self.bytes.split_first() {
            Some((&SCOPE, rest)) => (3, rest),
            Some((&ACCOUNT, rest)) => (2, rest),
            Some((_, rest)) => (0, rest),
            None => (0, [].as_slice()),
        };
        let mut parts = Vec::new();
        while let Some((part, after)) = decode(rest) {
            parts.push(part);
            rest = after;
        }
        parts.drain(..owner_parts.min(parts.len()));
        parts
    }

    /// The `index`-th part after the owner, where it is text.
    pub fn text_at(&self, index: usize) -> Option<String> {
        match self.parts().into_iter().nth(index) {
            Some(Part::Text(text)) => Some(text),
            Some(Part::Number(_) | Part::Bytes(_)) | None => None,
        }
    }

    /// The `index`-th part after the owner, where it is a number.
    pub fn number_at(&self, index: usize) -> Option<u64> {
        match self.parts().into_iter().nth(index) {
            Some(Part::Number(number)) => Some(number),
            Some(Part::Text(_) | Part::Bytes(_)) | None => None,
        }
    }

    /// Whether `prefix`'s parts begin this key's.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.bytes.starts_with(&prefix.bytes)
    }

    /// The encoding: what is stored, and what page tokens may carry (sealed or signed by their maker).
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes back what [`Self::as_bytes`] gave. `None` if it is not a whole key.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (owner, mut rest) = bytes.split_first()?;
        let owner_parts = match *owner {
            GLOBAL => 0,
            SCOPE => 3,
            ACCOUNT => 2,
            _ => return None,
        };
        let mut count = 0;
        while !rest.is_empty() {
            rest = decode(rest)?.1;
            count += 1;
        }
        (count >= owner_parts).then(|| Self { bytes: bytes.to_vec(), complete: true })
    }

    /// Checks that this key can name a row.
    pub(crate) fn whole(&self) -> Result<&[u8], StoreError> {
        if !self.complete {
            return Err(StoreError::IncompleteKey);
        }
        if self.bytes.len() > KEY_BYTES_MAX {
            return Err(StoreError::KeyTooLong { bytes: self.bytes.len() });
        }
        Ok(&self.bytes)
    }

    fn push(&mut self, tag: u8, content: &[u8]) {
        self.push_open(tag, content);
        self.bytes.extend_from_slice(&[ZERO, END]);
        self.complete = true;
    }

    fn push_open(&mut self, tag: u8, content: &[u8]) {
        self.bytes.push(tag);
        for byte in content {
            self.bytes.push(*byte);
            if *byte == ZERO {
                self.bytes.push(ESCAPED);
            }
        }
        self.complete = false;
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.parts()).finish()
    }
}

/// Reads one part from the front.
fn decode(encoded: &[u8]) -> Option<(Part, &[u8])> {
    let (tag, rest) = encoded.split_first()?;
    match *tag {
        NUMBER => {
            let (number, rest) = rest.split_first_chunk::<8>()?;
            Some((Part::Number(u64::from_be_bytes(*number)), rest))
        }
        TEXT => {
            let (content, rest) = decode_escaped(rest)?;
            Some((Part::Text(String::from_utf8(content).ok()?), rest))
        }
        BYTES => decode_escaped(rest).map(|(content, rest)| (Part::Bytes(content), rest)),
        _ => None,
    }
}

fn decode_escaped(mut encoded: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::new();
    loop {
        match encoded {
            [ZERO, END, rest @ ..] => return Some((content, rest)),
            [ZERO, ESCAPED, rest @ ..] => {
                content.push(ZERO);
                encoded = rest;
            }
            [ZERO, ..] | [] => return None,
            [byte, rest @ ..] => {
                content.push(*byte);
                encoded = rest;
            }
        }
    }
}

/// The first byte string after everything that begins with `prefix`. Empty if there is none (a prefix of only `FF`).
pub(crate) fn after_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            break;
        }
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        let key = Key::global().text("a\0b").number(7).bytes(&[0, 255, 1]).text("");
        let parts = [
            Part::Text("a\0b".into()),
            Part::Number(7),
            Part::Bytes(vec![0, 255, 1]),
            Part::Text(String::new()),
        ];
        assert_eq!(key.parts(), parts);
        assert_eq!(Key::from_bytes(key.as_bytes()), Some(key));
    }

    #[test]
    fn different_tuples_never_collide() {
        assert_ne!(Key::global().text("a").text("b"), Key::global().text("a\0b"));
        assert_ne!(Key::global().text("a\0").text("b"), Key::global().text("a").text("\0b"));
        assert!(!Key::global().text("ab\0c").starts_with(&Key::global().text("ab")));
        assert!(Key::global().text("ab").text("c").starts_with(&Key::global().text("ab")));
    }

    #[test]
    fn an_unfinished_key_names_no_row() {
        assert_eq!(Key::global().partial_text("a").whole(), Err(StoreError::IncompleteKey));
        assert!(Key::global().text("abc").starts_with(&Key::global().partial_text("ab")));
        assert!(Key::from_bytes(Key::global().partial_text("a").as_bytes()).is_none());
    }

    #[test]
    fn a_key_beyond_the_limit_is_refused() {
        let key = Key::global().text(&"x".repeat(KEY_BYTES_MAX));
        assert!(matches!(key.whole(), Err(StoreError::KeyTooLong { .. })));
    }

    proptest::proptest! {
        #[test]
        fn encoding_sorts_as_the_tuples_do(a: (String, u64, Vec<u8>), b: (String, u64, Vec<u8>)) {
            let key = |t: &(String, u64, Vec<u8>)| Key::global().text(&t.0).number(t.1).bytes(&t.2);
            proptest::prop_assert_eq!(key(&a).as_bytes().cmp(key(&b).as_bytes()), a.cmp(&b));
        }

        #[test]
        fn bytes_with_zeros_sort_as_slices(a in proptest::collection::vec(0_u8..3, 0..6), b in proptest::collection::vec(0_u8..3, 0..6)) {
            let key = |t: &[u8]| Key::global().bytes(t).text("z");
            proptest::prop_assert_eq!(key(&a).as_bytes().cmp(key(&b).as_bytes()), a.cmp(&b));
            proptest::prop_assert_eq!(key(&a).starts_with(&Key::global().partial_bytes(&b)), a.starts_with(&b));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            if let Some(key) = Key::from_bytes(&bytes) {
                proptest::prop_assert_eq!(key.as_bytes(), &bytes[..]);
            }
        }
    }
}
