//! A policy document as the comparer needs it: the compiled policy, and beside it the texts of its patterns. The engine
//! keeps no texts, so the document is read a second time; it has passed the parser by then, and every witness is put to
//! the compiled policy.

use crate::{
    Kind, Policy, PolicyError, condition::Condition, json::Json, operator::Operator, principal::Whom,
};

/// A policy document, parsed and compiled.
#[derive(Debug, Clone)]
pub struct Document {
    name: String,
    policy: Policy,
    texts: Vec<StatementTexts>,
}

/// The patterns of one statement, in document order.
#[derive(Debug, Clone)]
pub(super) struct StatementTexts {
    pub(super) actions: Listed,
    pub(super) resources: Listed,
    pub(super) conditions: Vec<Test>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) texts: Vec<String>,
    pub(super) inverted: bool,
    /// `${…}` is a variable.
    pub(super) variables: bool,
}

/// One operator on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) operator: Operator,
    /// In lower case.
    pub(super) key: String,
    pub(super) values: Vec<String>,
    /// `${…}` is a variable.
    pub(super) variables: bool,
}

impl Test {
    pub(super) fn compile(&self) -> Condition {
        Condition::new(self.operator, &self.key, &self.values, self.variables)
    }
}

impl Document {
    /// Parses `text` as a policy of `kind`; `name` is what to call it in answers.
    pub fn parse(name: impl Into<String>, text: &str, kind: Kind) -> Result<Self, PolicyError> {
        let policy = Policy::parse(text, kind)?;
        let tree = Json::parse(text).unwrap_or(Json::Null);
        let variables =
            matches!(member(&tree, "Version"), Some(Json::Text(version)) if version == "2012-10-17");
        let statements = member(&tree, "Statement").map_or(&[][..], Json::one_or_many);
        let texts = statements.iter().map(|tree| statement(tree, variables)).collect();
        Ok(Self { name: name.into(), policy, texts })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The compiled policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The statements, each with the principals it names.
    pub(super) fn statements(&self) -> impl Iterator<Item = (&StatementTexts, crate::Effect, &Whom)> {
        self.texts.iter().zip(self.policy.whom()).map(|(texts, (effect, whom))| (texts, effect, whom))
    }
}

fn statement(tree: &Json, variables: bool) -> StatementTexts {
    let mut conditions = Vec::new();
    if let Some(Json::Object(operators)) = member(tree, "Condition") {
        for (name, keys) in operators {
            let (Some(operator), Json::Object(keys)) = (Operator::parse(name), keys) else { continue };
            conditions.extend(keys.iter().map(|(key, values)| Test {
                operator,
                key: key.to_ascii_lowercase(),
                values: scalars(values),
                variables,
            }));
        }
    }
    StatementTexts {
        actions: listed(tree, "Action", "NotAction", false),
        resources: listed(tree, "Resource", "NotResource", variables),
        conditions,
    }
}

fn listed(tree: &Json, plain: &str, inverse: &str, variables: bool) -> Listed {
    match (member(tree, plain), member(tree, inverse)) {
        (Some(texts), _) => Listed { texts: scalars(texts), inverted: false, variables },
        (None, Some(texts)) => Listed { texts: scalars(texts), inverted: true, variables },
        // Trust policies: the resource is the role itself.
        (None, None) => Listed { texts: vec!["*".to_owned()], inverted: false, variables },
    }
}

fn scalars(tree: &Json) -> Vec<String> {
    let text = |item: &Json| match item {
        Json::Text(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    };
    tree.one_or_many().iter().filter_map(text).collect()
}

fn member<'a>(tree: &'a Json, name: &str) -> Option<&'a Json> {
    match tree {
        Json::Object(fields) => fields.iter().find(|(known, _)| known == name).map(|(_, tree)| tree),
        _ => None,
    }
}
