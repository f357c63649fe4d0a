//! A value of any shape.

use bytes::Bytes;
use casemate_names::Timestamp;

/// A value of any shape. Structures and maps keep insertion order; structure keys are the model's member names.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Document {
    /// Absent or JSON null.
    #[default]
    Null,
    /// true or false
    Bool(bool),
    /// Any integer.
    Integer(i64),
    /// Any non-integral number.
    Double(f64),
    /// Text.
    String(String),
    /// Bytes.
    Blob(Bytes),
    /// An instant.
    Timestamp(Timestamp),
    /// A list.
    List(Vec<Document>),
    /// A structure or map.
    Map(Vec<(String, Document)>),
}

impl Document {
    /// An empty structure.
    pub const fn empty() -> Self {
        Self::Map(Vec::new())
    }

    /// A structure of the given members; null ones are dropped.
    pub fn structure<const N: usize>(members: [(&str, Document); N]) -> Self {
        Self::Map(
            members
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// Is there nothing?
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The member or entry called `name`.
    pub fn get(&self, name: &str) -> Option<&Document> {
        match self {
            Self::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Removes and returns the member called `name`; `Null` when there is none.
    #[must_use]
    pub fn take(&mut self, name: &str) -> Document {
        match self {
            Self::Map(entries) => entries
                .iter_mut()
                .find(|(key, _)| key == name)
                .map_or(Document::Null, |(_, value)| std::mem::take(value)),
            _ => Document::Null,
        }
    }

    /// Sets the member called `name` (appends; does not look for an older one). Null values are dropped.
    pub fn push(&mut self, name: &str, value: Document) {
        if let (Self::Map(entries), false) = (self, value.is_null()) {
            entries.push((name.to_owned(), value));
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements, if it is a list; empty otherwise.
    pub fn items(&self) -> &[Document] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The entries, if it is a structure or map; empty otherwise.
    pub fn entries(&self) -> &[(String, Document)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements by value, if it is a list; empty otherwise.
    pub fn into_items(self) -> Vec<Document> {
        match self {
            Self::List(items) => items,
            _ => Vec::new(),
        }
    }

    /// The entries by value, if it is a structure or map; empty otherwise.
    pub fn into_entries(self) -> Vec<(String, Document)> {
        match self {
            Self::Map(entries) => entries,
            _ => Vec::new(),
        }
    }
}

impl From<&str> for Document {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Document {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Document {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Document {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for Document {
    fn from(value: i32) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<f64> for Document {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<Bytes> for Document {
    fn from(value: Bytes) -> Self {
        Self::Blob(value)
    }
}

impl From<Timestamp> for Document {
    fn from(value: Timestamp) -> Self {
        Self::Timestamp(value)
    }
}

impl<T: Into<Document>> From<Option<T>> for Document {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Document>> From<Vec<T>> for Document {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}
