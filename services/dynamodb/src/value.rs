//! Attribute values and items: what they are, how large they count, how deep they may nest. Knows nothing of JSON,
//! expressions, tables or storage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use crate::number::Number;

/// Largest item, names included. Source: DynamoDB quotas, "Item size".
pub const ITEM_BYTES_MAX: usize = 400 * 1024;
/// Deepest nesting of lists and maps. Source: DynamoDB quotas, "Nested attribute depth".
pub const NESTING_MAX: usize = 32;

/// An item: attribute names to values.
pub type Item = BTreeMap<String, Value>;

/// One attribute value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Binary.
    B(Bytes),
    /// true or false
    Bool(bool),
    /// Binary set, never empty.
    Bs(BTreeSet<Bytes>),
    /// List.
    L(Vec<Value>),
    /// Map.
    M(BTreeMap<String, Value>),
    /// Number.
    N(Number),
    /// Number set, never empty.
    Ns(BTreeSet<Number>),
    /// Null.
    Null,
    /// Text.
    S(String),
    /// String set, never empty.
    Ss(BTreeSet<String>),
}

/// The ten types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of `Value`")]
pub enum ValueType {
    B,
    Bool,
    Bs,
    L,
    M,
    N,
    Ns,
    Null,
    S,
    Ss,
}

impl ValueType {
    /// All of them, in the order AWS lists them.
    pub const ALL: [Self; 10] =
        [Self::B, Self::Null, Self::Ss, Self::Bool, Self::L, Self::Bs, Self::N, Self::Ns, Self::S, Self::M];

    /// The descriptor, e.g. `SS`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::B => "B",
            Self::Bool => "BOOL",
            Self::Bs => "BS",
            Self::L => "L",
            Self::M => "M",
            Self::N => "N",
            Self::Ns => "NS",
            Self::Null => "NULL",
            Self::S => "S",
            Self::Ss => "SS",
        }
    }

    /// The descriptor's type.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The spelled-out name that some messages use.
    pub const fn long_name(self) -> &'static str {
        match self {
            Self::B => "BINARY",
            Self::Bool => "BOOLEAN",
            Self::Bs => "BINARY_SET",
            Self::L => "LIST",
            Self::M => "MAP",
            Self::N => "NUMBER",
            Self::Ns => "NUMBER_SET",
            Self::Null => "NULL",
            Self::S => "STRING",
            Self::Ss => "STRING_SET",
        }
    }

    /// May it stand on either side of `<` and in BETWEEN?
    pub const fn is_ordered(self) -> bool {
        matches!(self, Self::B | Self::N | Self::S)
    }

    /// Is it one of the three sets?
    pub const fn is_set(self) -> bool {
        matches!(self, Self::Bs | Self::Ns | Self::Ss)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Value {
    /// Its type.
    pub const fn kind(&self) -> ValueType {
        match self {
            Self::B(_) => ValueType::B,
            Self::Bool(_) => ValueType::Bool,
            Self::Bs(_) => ValueType::Bs,
            Self::L(_) => ValueType::L,
            Self::M(_) => ValueType::M,
            Self::N(_) => ValueType::N,
            Self::Ns(_) => ValueType::Ns,
            Self::Null => ValueType::Null,
            Self::S(_) => ValueType::S,
            Self::Ss(_) => ValueType::Ss,
        }
    }

    /// Bytes it counts for.
    // AWS: developer guide, "Item sizes and formats": text and binary their bytes, null and boolean one, documents three
    // plus one per element.
    pub fn size(&self) -> usize {
        match self {
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Bs(set) => set.iter().map(Bytes::len).sum(),
            Self::L(list) => 3 + list.iter().map(|value| 1 + value.size()).sum::<usize>(),
            Self::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + value.size()).sum::<usize>(),
            Self::N(number) => number.size(),
            Self::Ns(set) => set.iter().map(|number| number.size()).sum(),
            Self::S(text) => text.len(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
        }
    }

    /// Levels of documents: 0 for a scalar or set, 1 for a flat list or map.
    pub fn depth(&self) -> usize {
        match self {
            Self::L(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            Self::M(map) => 1 + map.values().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The order of two values of one ordered type; `None` for anything else.
    pub fn order(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::B(left), Self::B(right)) => Some(left.cmp(right)),
            (Self::N(left), Self::N(right)) => Some(left.cmp(right)),
            (Self::S(left), Self::S(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    // AWS: the form in which messages quote a value, e.g. `{S:abc}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::N(number) => write!(f, "{{N:{number}}}"),
            Self::S(text) => write!(f, "{{S:{text}}}"),
            other => write!(f, "{{{}}}", other.kind()),
        }
    }
}

/// Bytes an item counts for: its names and its values.
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::S(value.to_owned())
    }

    #[test]
    fn sizes_follow_the_developer_guide() {
        let number = |text: &str| Value::N(Number::parse(text).unwrap());
        assert_eq!(text("héé").size(), 5);
        assert_eq!(number("1").size(), 2);
        assert_eq!(number("-123").size(), 4);
        assert_eq!(number("1000000").size(), 2);
        assert_eq!(Value::Null.size(), 1);
        assert_eq!(Value::L(vec![text("ab"), Value::Bool(true)]).size(), 3 + 3 + 2);
        assert_eq!(Value::M(BTreeMap::from([("k".to_owned(), text("v"))])).size(), 3 + 3);
        assert_eq!(Value::Ss(BTreeSet::from(["a".to_owned(), "bcd".to_owned()])).size(), 4);
        assert_eq!(item_size(&Item::from([("pk".to_owned(), text("abc"))])), 5);
    }

    #[test]
    fn depth_counts_documents_only() {
        assert_eq!(text("x").depth(), 0);
        assert_eq!(Value::L(vec![]).depth(), 1);
        assert_eq!(Value::L(vec![Value::M(BTreeMap::from([("a".to_owned(), Value::L(vec![]))]))]).depth(), 3);
    }

    #[test]
    fn values_of_different_or_unordered_types_have_no_order() {
        assert_eq!(text("a").order(&Value::N(Number::ZERO)), None);
        assert_eq!(Value::Null.order(&Value::Null), None);
        assert_eq!(text("b").order(&text("a")), Some(std::cmp::Ordering::Greater));
    }

    #[test]
    fn descriptors_parse_exactly() {
        for kind in ValueType::ALL {
            assert_eq!(ValueType::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(ValueType::parse("s"), None);
        assert_eq!(ValueType::parse("STRING"), None);
    }
}
