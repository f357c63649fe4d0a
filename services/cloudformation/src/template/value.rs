//! The values a template is made of, each with the line it stands on. Knows nothing of YAML, JSON or what a value means.

use serde::{Deserialize, Serialize};

/// A value and its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Line in the template, from one; 0 where a transform made it.
    pub(crate) line: u32,
    /// The value.
    pub(crate) value: Value,
}

/// What a value can be. Numbers keep their spelling: an account id with a leading zero must survive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// true or false
    Bool(bool),
    /// A number as written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Entries in the order written, keys unique.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Line of the key.
    pub(crate) line: u32,
    /// The value.
    pub(crate) node: Node,
}

impl Node {
    /// Text.
    pub(crate) fn text(line: u32, text: impl Into<String>) -> Self {
        Self { line, value: Value::Text(text.into()) }
    }

    /// true or false
    pub(crate) fn boolean(line: u32, value: bool) -> Self {
        Self { line, value: Value::Bool(value) }
    }

    /// A list.
    pub(crate) fn list(line: u32, items: Vec<Self>) -> Self {
        Self { line, value: Value::List(items) }
    }

    /// A map whose keys stand on the same line.
    pub(crate) fn map<const N: usize>(line: u32, entries: [(&str, Self); N]) -> Self {
        Self::entries_of(line, entries.map(|(key, node)| (key.to_owned(), node)).into())
    }

    /// A map of owned keys.
    pub(crate) fn entries_of(line: u32, entries: Vec<(String, Self)>) -> Self {
        let entries = entries.into_iter().map(|(key, node)| Entry { key, line: node.line, node }).collect();
        Self { line, value: Value::Map(entries) }
    }

    /// `{"Ref": name}`
    pub(crate) fn reference(line: u32, name: &str) -> Self {
        Self::map(line, [("Ref", Self::text(line, name))])
    }

    /// `{"Fn::GetAtt": [resource, attribute]}`
    pub(crate) fn attribute(line: u32, resource: &str, attribute: &str) -> Self {
        let items = vec![Self::text(line, resource), Self::text(line, attribute)];
        Self::map(line, [("Fn::GetAtt", Self::list(line, items))])
    }

    /// `{"Fn::Sub": text}`
    pub(crate) fn substitution(line: u32, text: impl Into<String>) -> Self {
        Self::map(line, [("Fn::Sub", Self::text(line, text))])
    }

    /// The value under `key`, if this is a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Entries of a map; empty for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// Elements of a list; empty for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// Is it a map?
    pub(crate) fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Is it a list?
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// Is there nothing?
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The text, where it is text and nothing else.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The spelling of a scalar: CloudFormation turns scalars into each other freely.
    pub(crate) fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(text) | Value::Text(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Sets `key` in a map, in place of an older value.
    pub(crate) fn set(&mut self, key: &str, node: Self) {
        let Value::Map(entries) = &mut self.value else { return };
        match entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.node = node,
            None => entries.push(Entry { key: key.to_owned(), line: node.line, node }),
        }
    }

    /// The single entry of a one-entry map: the form of intrinsic functions.
    pub(crate) fn only_entry(&self) -> Option<(&str, &Self)> {
        match self.entries() {
            [entry] => Some((entry.key.as_str(), &entry.node)),
            _ => None,
        }
    }

    /// As JSON. Numbers that JSON cannot spell become text.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
            Value::Text(text) => text.clone().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json()));
                serde_json::Value::Object(entries.collect())
            }
        }
    }

    /// From JSON, without lines.
    pub(crate) fn from_json(value: &serde_json::Value) -> Self {
        let value = match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => Value::Number(number.to_string()),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| Entry {
                    key: key.clone(),
                    line: 0,
                    node: Self::from_json(value),
                });
                Value::Map(entries.collect())
            }
        };
        Self { line: 0, value }
    }
}

/// Equal when they say the same: lines and the order of map entries do not count.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Number(a), Value::Number(b)) | (Value::Text(a), Value::Text(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len() && a.iter().all(|entry| other.get(&entry.key) == Some(&entry.node))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_order_do_not_matter_to_equality() {
        let a = Node::map(1, [("a", Node::text(1, "x")), ("b", Node::boolean(2, true))]);
        let b = Node::map(7, [("b", Node::boolean(9, true)), ("a", Node::text(8, "x"))]);
        assert_eq!(a, b);
        assert_ne!(a, Node::map(1, [("a", Node::text(1, "x"))]));
    }

    #[test]
    fn json_comes_back_and_odd_numbers_become_text() {
        let json = serde_json::json!({"a": [1, true, null, "x"], "b": {"c": 1.5}});
        assert_eq!(Node::from_json(&json).to_json(), json);
        let odd = Node { line: 1, value: Value::Number("+1".to_owned()) };
        assert_eq!(odd.to_json(), serde_json::json!("+1"));
    }
}
