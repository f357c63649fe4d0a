//! Conversion between documents and the Rust types that generated structures are made of.

use std::collections::BTreeMap;

use bytes::Bytes;
use casemate_names::{Secret, Timestamp};

use crate::{Document, Schema, Shape};

/// A type a member can have: scalars, secrets, options, lists, maps, and every [`Shape`].
///
/// `read` never fails. What is absent or of another type becomes the default: [`crate::check`] has already reported it.
pub trait Value: Sized {
    /// Reads the typed value.
    fn read(document: Document) -> Self;

    /// Writes the typed value; `None` becomes `Null`.
    fn write(self) -> Document;
}

impl<T: Shape> Value for T {
    fn read(document: Document) -> Self {
        T::from_document(document)
    }

    fn write(self) -> Document {
        self.into_document()
    }
}

impl<T: Shape> Shape for Box<T> {
    const SCHEMA: &'static Schema = T::SCHEMA;

    fn from_document(document: Document) -> Self {
        Self::new(T::from_document(document))
    }

    fn into_document(self) -> Document {
        (*self).into_document()
    }
}

impl Value for String {
    fn read(document: Document) -> Self {
        match document {
            Document::String(text) => text,
            _ => Self::new(),
        }
    }

    fn write(self) -> Document {
        Document::String(self)
    }
}

impl Value for Secret<String> {
    fn read(document: Document) -> Self {
        Self::new(String::read(document))
    }

    fn write(self) -> Document {
        Document::String(self.expose().clone())
    }
}

impl Value for bool {
    fn read(document: Document) -> Self {
        document.as_bool().unwrap_or_default()
    }

    fn write(self) -> Document {
        Document::Bool(self)
    }
}

impl Value for i64 {
    fn read(document: Document) -> Self {
        document.as_i64().unwrap_or_default()
    }

    fn write(self) -> Document {
        Document::Integer(self)
    }
}

impl Value for i32 {
    /// What does not fit is cut to the nearest end, so that a range check made on the typed value fails as well.
    fn read(document: Document) -> Self {
        let wide = i64::read(document);
        Self::try_from(wide).unwrap_or(if wide < 0 { Self::MIN } else { Self::MAX })
    }

    fn write(self) -> Document {
        Document::Integer(self.into())
    }
}

impl Value for f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the wire form of a double may be an integer; nearest is right"
    )]
    fn read(document: Document) -> Self {
        match document {
            Document::Double(number) => number,
            Document::Integer(number) => number as Self,
            _ => 0.0,
        }
    }

    fn write(self) -> Document {
        Document::Double(self)
    }
}

impl Value for Bytes {
    fn read(document: Document) -> Self {
        match document {
            Document::Blob(bytes) => bytes,
            _ => Self::new(),
        }
    }

    fn write(self) -> Document {
        Document::Blob(self)
    }
}

impl Value for Timestamp {
    fn read(document: Document) -> Self {
        match document {
            Document::Timestamp(instant) => instant,
            _ => Self::default(),
        }
    }

    fn write(self) -> Document {
        Document::Timestamp(self)
    }
}

impl<T: Value> Value for Option<T> {
    fn read(document: Document) -> Self {
        if document.is_null() { None } else { Some(T::read(document)) }
    }

    fn write(self) -> Document {
        self.map_or(Document::Null, T::write)
    }
}

impl<T: Value> Value for Vec<T> {
    /// Null elements are left out: a default in their place would look like something the caller had sent.
    fn read(document: Document) -> Self {
        document.into_items().into_iter().filter(|item| !item.is_null()).map(T::read).collect()
    }

    fn write(self) -> Document {
        Document::List(self.into_iter().map(T::write).collect())
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    /// Null entries are left out, as in lists. Of two entries with one key the later one counts.
    fn read(document: Document) -> Self {
        document
            .into_entries()
            .into_iter()
            .filter(|(_, entry)| !entry.is_null())
            .map(|(key, entry)| (key, T::read(entry)))
            .collect()
    }

    fn write(self) -> Document {
        Document::Map(self.into_iter().map(|(key, value)| (key, value.write())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way_there_and_back() {
        let map = BTreeMap::from([("a".to_owned(), vec![Some(1_i32), Some(2)])]);
        assert_eq!(BTreeMap::<String, Vec<Option<i32>>>::read(map.clone().write()), map);
        assert_eq!(Secret::<String>::read(Secret::new("s".to_owned()).write()), Secret::new("s".to_owned()));
        assert_eq!(f64::read(Document::Integer(3)).to_bits(), 3.0_f64.to_bits());
    }

    #[test]
    fn ill_typed_values_become_the_default() {
        assert_eq!(String::read(Document::Bool(true)), "");
        assert_eq!(Option::<i64>::read(Document::Null), None);
        assert_eq!(i32::read(Document::Integer(i64::MAX)), i32::MAX);
    }

    #[test]
    fn null_elements_do_not_become_empty_values() {
        let list = Document::List(vec![Document::Null, "x".into()]);
        assert_eq!(Vec::<String>::read(list), vec!["x".to_owned()]);
    }
}
