//! A policy as text a rule can look at. Unlike the engine's reading it also takes what a template has not settled yet: an
//! element that is no text is `None` in a list, and a rule says nothing about it.

use casemate_policy::Kind;
use serde_json::{Map, Value as Json};

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    /// `2012-10-17`: policy variables exist.
    pub(crate) variables: bool,
    pub(crate) statements: Vec<Statement>,
    /// Every text is known; nothing is left for a template to fill in.
    pub(crate) settled: bool,
}

/// One statement.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) at: usize,
    pub(crate) sid: Option<String>,
    pub(crate) allows: bool,
    fields: Map<String, Json>,
}

/// One operator on one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition<'a> {
    pub(crate) operator: &'a str,
    pub(crate) key: &'a str,
    values: &'a Json,
}

impl Document {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let tree: Json = serde_json::from_str(text).ok()?;
        let fields = tree.as_object()?;
        let statements = one_or_many(fields.get("Statement"))
            .iter()
            .enumerate()
            .map(|(at, tree)| Statement::read(at, tree.as_object().cloned().unwrap_or_default()))
            .collect::<Vec<_>>();
        if statements.is_empty() {
            return None;
        }
        let variables = fields.get("Version").and_then(Json::as_str) == Some("2012-10-17");
        let settled = statements.iter().all(Statement::is_settled);
        Some(Self { variables, statements, settled })
    }

    pub(crate) fn likely_kind(&self) -> Kind {
        let has = |statement: &Statement, name: &str| statement.fields.contains_key(name);
        let named = |s: &Statement| has(s, "Principal") || has(s, "NotPrincipal");
        if !self.statements.iter().any(named) {
            return Kind::Identity;
        }
        let resources = |s: &Statement| has(s, "Resource") || has(s, "NotResource");
        if self.statements.iter().any(resources) { Kind::Resource } else { Kind::Trust }
    }

    pub(crate) fn allows(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|statement| statement.allows)
    }
}

impl Statement {
    fn read(at: usize, fields: Map<String, Json>) -> Self {
        let text = |name: &str| fields.get(name).and_then(Json::as_str);
        let (sid, allows) = (text("Sid").map(str::to_owned), text("Effect") == Some("Allow"));
        Self { at, sid, allows, fields }
    }

    /// The texts of an element; those that are not text yet are left out.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        one_or_many(self.fields.get(name)).iter().filter_map(Json::as_str).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// The principals of a kind (`AWS`, `Service`, `Federated`); `*` alone is an `AWS` one.
    pub(crate) fn principals(&self, kind: &str) -> Vec<&str> {
        match self.fields.get("Principal") {
            Some(Json::String(all)) if kind == "AWS" => vec![all],
            Some(Json::Object(kinds)) => {
                one_or_many(kinds.get(kind)).iter().filter_map(Json::as_str).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn conditions(&self) -> Vec<Condition<'_>> {
        let operators = self.fields.get("Condition").and_then(Json::as_object);
        operators
            .into_iter()
            .flatten()
            .flat_map(|(operator, keys)| {
                let keys = keys.as_object().into_iter().flatten();
                keys.map(move |(key, values)| Condition { operator, key, values })
            })
            .collect()
    }

    /// Whether the key must be there: `Null` with `false`.
    pub(crate) fn insists_on(&self, key: &str) -> bool {
        self.conditions().iter().any(|c| {
            c.is_null()
                && c.key.eq_ignore_ascii_case(key)
                && c.texts().iter().any(|v| v.eq_ignore_ascii_case("false"))
        })
    }

    fn is_settled(&self) -> bool {
        fn settled(tree: &Json) -> bool {
            match tree {
                Json::Array(items) => items.iter().all(settled),
                Json::Object(entries) => {
                    !entries.keys().any(|key| key == "Ref" || key.starts_with("Fn::"))
                        && entries.values().all(settled)
                }
                _ => true,
            }
        }
        self.fields.values().all(settled)
    }
}

impl Condition<'_> {
    /// The operator without `ForAllValues:`, `ForAnyValue:` and `IfExists`, in lower case.
    pub(crate) fn comparison(&self) -> String {
        let name = self.operator.split_once(':').map_or(self.operator, |(_, name)| name).to_ascii_lowercase();
        name.strip_suffix("ifexists").map_or(name.clone(), str::to_owned)
    }

    pub(crate) fn for_all(&self) -> bool {
        self.operator.to_ascii_lowercase().starts_with("forallvalues:")
    }

    pub(crate) fn is_negated(&self) -> bool {
        self.comparison().contains("not")
    }

    pub(crate) fn is_null(&self) -> bool {
        self.operator.eq_ignore_ascii_case("Null")
    }

    /// The values as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        let values = one_or_many(Some(self.values)).iter();
        values
            .filter_map(|value| match value {
                Json::String(text) => Some(text.clone()),
                Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
                Json::Null | Json::Array(_) | Json::Object(_) => None,
            })
            .collect()
    }
}

/// A single value or the elements of a list; nothing for a missing one.
pub(crate) fn one_or_many(value: Option<&Json>) -> &[Json] {
    match value {
        Some(Json::Array(items)) => items,
        Some(other) => std::slice::from_ref(other),
        None => &[],
    }
}
