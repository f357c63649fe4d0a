//! Policy documents as data: statements that can be narrowed, merged and printed. What they mean is the engine's matter.

use std::collections::BTreeMap;

use casemate_policy::{Kind, Policy};
use serde_json::{Map, Value, json};

use crate::Error;

/// Operator → key → values.
pub type Conditions = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// A policy with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The inline policy's name, or the managed one's ARN.
    pub name: String,
    /// In order.
    pub statements: Vec<Statement>,
}

/// One statement of an identity policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// Its name.
    pub sid: Option<String>,
    /// Allow or Deny.
    pub allows: bool,
    /// `Action` or `NotAction`.
    pub actions: Selection,
    /// `Resource` or `NotResource`.
    pub resources: Selection,
    /// All must hold.
    pub conditions: Conditions,
}

/// Patterns, or everything but patterns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selection {
    /// As written.
    pub patterns: Vec<String>,
    /// `Not…`
    pub inverted: bool,
}

impl Document {
    /// Reads a document that is, or could be, stored as an identity policy.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        Policy::parse(text, Kind::Identity)
            .map_err(|error| Error::Policy(name.to_owned(), error.to_string()))?;
        let tree: Value =
            serde_json::from_str(text).map_err(|error| Error::Policy(name.to_owned(), error.to_string()))?;
        let statements = match tree.get("Statement") {
            Some(Value::Array(all)) => all.iter().map(Statement::read).collect(),
            Some(one) => vec![Statement::read(one)],
            None => Vec::new(),
        };
        Ok(Self { name: name.to_owned(), statements })
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        document(&self.statements)
    }
}

/// A document of these statements.
pub(crate) fn document(statements: &[Statement]) -> Value {
    let all: Vec<Value> = statements.iter().map(Statement::json).collect();
    json!({ "Version": "2012-10-17", "Statement": all })
}

impl Statement {
    fn read(tree: &Value) -> Self {
        let selection = |name: &str, inverse: &str| match tree.get(name) {
            Some(patterns) => Selection { patterns: texts(patterns), inverted: false },
            None => Selection { patterns: tree.get(inverse).map(texts).unwrap_or_default(), inverted: true },
        };
        let mut conditions = Conditions::new();
        let blocks = tree.get("Condition").and_then(Value::as_object);
        for (operator, keys) in blocks.into_iter().flatten() {
            for (key, values) in keys.as_object().into_iter().flatten() {
                conditions.entry(operator.clone()).or_default().insert(key.clone(), texts(values));
            }
        }
        Self {
            sid: tree.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(str::to_owned),
            allows: tree.get("Effect").and_then(Value::as_str) == Some("Allow"),
            actions: selection("Action", "NotAction"),
            resources: selection("Resource", "NotResource"),
            conditions,
        }
    }

    /// As JSON: single values without a list.
    pub fn json(&self) -> Value {
        let mut out = Map::new();
        if let Some(sid) = &self.sid {
            out.insert("Sid".to_owned(), json!(sid));
        }
        out.insert("Effect".to_owned(), json!(if self.allows { "Allow" } else { "Deny" }));
        let name = |base: &str, inverted: bool| if inverted { format!("Not{base}") } else { base.to_owned() };
        out.insert(name("Action", self.actions.inverted), one_or_many(&self.actions.patterns));
        out.insert(name("Resource", self.resources.inverted), one_or_many(&self.resources.patterns));
        if !self.conditions.is_empty() {
            let keys = |keys: &BTreeMap<String, Vec<String>>| -> Value {
                keys.iter()
                    .map(|(key, values)| (key.clone(), one_or_many(values)))
                    .collect::<Map<_, _>>()
                    .into()
            };
            let blocks: Map<String, Value> =
                self.conditions.iter().map(|(operator, block)| (operator.clone(), keys(block))).collect();
            out.insert("Condition".to_owned(), blocks.into());
        }
        Value::Object(out)
    }

    /// Every (operator, key, values).
    pub(crate) fn tests(&self) -> impl Iterator<Item = (&str, &str, &[String])> {
        self.conditions.iter().flat_map(|(operator, keys)| {
            keys.iter().map(move |(key, values)| (operator.as_str(), key.as_str(), values.as_slice()))
        })
    }
}

fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(all) => all.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

fn one_or_many(values: &[String]) -> Value {
    match values {
        [one] => json!(one),
        many => json!(many),
    }
}
