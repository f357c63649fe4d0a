//! `#name` and `:value` placeholders of one request, and which of them were used.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ExpressionError;
use crate::value::Value;

/// Substitutions of one request, shared by all of its expressions.
#[derive(Debug)]
pub struct Placeholders<'a> {
    names: &'a BTreeMap<String, String>,
    values: &'a BTreeMap<String, Value>,
    used_names: BTreeSet<String>,
    used_values: BTreeSet<String>,
}

impl<'a> Placeholders<'a> {
    /// Nothing used yet.
    pub fn new(names: &'a BTreeMap<String, String>, values: &'a BTreeMap<String, Value>) -> Self {
        Self { names, values, used_names: BTreeSet::new(), used_values: BTreeSet::new() }
    }

    /// The attribute name behind `#…`.
    pub(super) fn name(&mut self, placeholder: &str) -> Result<String, ExpressionError> {
        let name = self
            .names
            .get(placeholder)
            .ok_or_else(|| ExpressionError::UndefinedName(placeholder.to_owned()))?;
        self.used_names.insert(placeholder.to_owned());
        Ok(name.clone())
    }

    /// The value behind `:…`.
    pub(super) fn value(&mut self, placeholder: &str) -> Result<Value, ExpressionError> {
        let value = self
            .values
            .get(placeholder)
            .ok_or_else(|| ExpressionError::UndefinedValue(placeholder.to_owned()))?;
        self.used_values.insert(placeholder.to_owned());
        Ok(value.clone())
    }

    /// AWS's complaint about placeholders that no expression mentions, if there are any. Call after the last expression.
    // AWS: an unused placeholder is a ValidationException, not a warning.
    pub fn unused(&self) -> Option<String> {
        let list = |all: Vec<&String>, used: &BTreeSet<String>| {
            let left: Vec<&str> =
                all.into_iter().filter(|key| !used.contains(*key)).map(String::as_str).collect();
            (!left.is_empty()).then(|| left.join(", "))
        };
        if let Some(keys) = list(self.names.keys().collect(), &self.used_names) {
            return Some(format!(
                "Value provided in ExpressionAttributeNames unused in expressions: keys: {{{keys}}}"
            ));
        }
        list(self.values.keys().collect(), &self.used_values).map(|keys| {
            format!("Value provided in ExpressionAttributeValues unused in expressions: keys: {{{keys}}}")
        })
    }
}
