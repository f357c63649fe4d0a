//! What is known of a condition key: one text, or a list.

use std::{borrow::Cow, slice};

use casemate_policy::Value;
use serde::{Deserialize, Serialize};

/// The value of a condition key. Its kind is the key's, not the request's: a key of many values stays one when a request has
/// a single value of it, and a policy must ask for it with `ForAllValues` or `ForAnyValue` all the same.
///
/// Whoever hands a key over says the kind by the type of what it hands over: a text or a list.
// AWS: IAM User Guide, "Single-valued vs. multivalued context keys"; the types of the Service Authorization Reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeyValue {
    /// Of a single-valued key.
    One(String),
    /// Of a multi-valued key; may be empty, which counts as absent.
    Many(Vec<String>),
}

impl KeyValue {
    /// The texts, however many.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }

    /// As the policy engine reads it.
    pub(crate) fn as_value(&self) -> Value<'_> {
        match self {
            Self::One(text) => Value::one(text),
            Self::Many(texts) => Value::Many(texts.iter().map(|text| Cow::Borrowed(text.as_str())).collect()),
        }
    }
}

impl From<&str> for KeyValue {
    fn from(text: &str) -> Self {
        Self::One(text.to_owned())
    }
}

impl From<String> for KeyValue {
    fn from(text: String) -> Self {
        Self::One(text)
    }
}

impl From<Vec<String>> for KeyValue {
    fn from(texts: Vec<String>) -> Self {
        Self::Many(texts)
    }
}
