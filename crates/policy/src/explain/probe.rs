//! Asks the engine about single elements of a statement: each is put alone into a statement that otherwise applies to
//! everything, so that the answer is the engine's own.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::Holds;
use crate::{Decisive, Effect3, Kind, Layers, Name, NamedPolicy, Policy, Request, Verdict, decide, evaluate};

/// The statement of a policy that denies, if one does. `bounded`: the principal has a permissions boundary.
pub(super) fn denial(named: &NamedPolicy, bounded: bool, request: &Request<'_>) -> Option<Decisive> {
    let layers = Layers {
        identity: std::slice::from_ref(named),
        boundary: bounded.then_some(&[]),
        ..Layers::default()
    };
    let decision = decide(&layers, request);
    if decision.verdict == Verdict::ExplicitDeny { decision.because.decisive } else { None }
}

/// The engine with one statement at a time.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    /// The document's `Version`, which decides whether there are variables.
    pub(super) version: Option<&'a str>,
    pub(super) bounded: bool,
    pub(super) request: &'a Request<'a>,
}

impl Probe<'_> {
    /// Whether an element alone holds. `name` is one that a statement has once (`Action`, `NotResource`, …).
    pub(super) fn element(&self, name: &str, value: &Json) -> Holds {
        if name.ends_with("Principal") {
            return self.principal(name, value);
        }
        let mut statement = Map::new();
        if !name.ends_with("Action") {
            statement.insert("Action".to_owned(), json!("*"));
        }
        if !name.ends_with("Resource") {
            statement.insert("Resource".to_owned(), json!("*"));
        }
        statement.insert(name.to_owned(), value.clone());
        self.holds(&statement)
    }

    /// Whether one operator on one key holds.
    pub(super) fn condition(&self, operator: &str, key: &str, values: &Json) -> Holds {
        let mut keys = Map::new();
        keys.insert(key.to_owned(), values.clone());
        let mut operators = Map::new();
        operators.insert(operator.to_owned(), Json::Object(keys));
        self.element("Condition", &Json::Object(operators))
    }

    /// Whether a Deny statement, alone, denies.
    pub(super) fn denies(&self, statement: &Json) -> bool {
        let mut statement = statement.clone();
        if let Some(fields) = statement.as_object_mut()
            && !fields.contains_key("Principal")
            && !fields.contains_key("NotPrincipal")
        {
            fields.insert("Principal".to_owned(), json!("*"));
        }
        if let Some(fields) = statement.as_object_mut()
            && !fields.contains_key("Resource")
            && !fields.contains_key("NotResource")
        {
            fields.insert("Resource".to_owned(), json!("*"));
        }
        self.compile(&statement).is_none_or(|named| denial(&named, self.bounded, self.request).is_some())
    }

    fn holds(&self, statement: &Map<String, Json>) -> Holds {
        let with = |effect: &str| {
            let mut statement = statement.clone();
            statement.insert("Effect".to_owned(), json!(effect));
            statement.insert("Principal".to_owned(), json!("*"));
            self.compile(&Json::Object(statement))
        };
        let (Some(allow), Some(deny)) = (with("Allow"), with("Deny")) else { return Holds::Unknown };
        match (evaluate(&allow.policy, self.request), evaluate(&deny.policy, self.request)) {
            (Effect3::Allow(_), _) => Holds::Yes,
            (_, Effect3::None) => Holds::No,
            _ => Holds::Unknown,
        }
    }

    // Whom a statement names is never in doubt, so a Deny answers as an Allow would; only a Deny has `NotPrincipal`.
    fn principal(&self, name: &str, value: &Json) -> Holds {
        let mut statement = Map::new();
        statement.insert("Effect".to_owned(), json!("Deny"));
        statement.insert(name.to_owned(), value.clone());
        statement.insert("Action".to_owned(), json!("*"));
        statement.insert("Resource".to_owned(), json!("*"));
        match self.compile(&Json::Object(statement)) {
            Some(named) if denial(&named, self.bounded, self.request).is_some() => Holds::Yes,
            Some(_) => Holds::No,
            None => Holds::Unknown,
        }
    }

    /// As a policy of a resource, whose grammar has every element.
    fn compile(&self, statement: &Json) -> Option<NamedPolicy> {
        let mut document = json!({ "Statement": statement });
        if let (Some(version), Some(fields)) = (self.version, document.as_object_mut()) {
            fields.insert("Version".to_owned(), json!(version));
        }
        let policy = Policy::parse(&document.to_string(), Kind::Resource).ok()?;
        Some(NamedPolicy { name: Name::default(), policy: Arc::new(policy) })
    }
}
