//! A document as services count it. Unlike the engine's reading it also takes what a template has not filled in yet: an
//! element that is no text counts, and says nothing.

use casemate_names::Arn;
use casemate_policy::{can_mean, names_action};
use serde_json::{Map, Value as Json};

/// A policy document in its statements.
#[derive(Debug)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

/// What services look at in a statement.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The position in the document, from 0.
    pub(crate) at: usize,
    pub(crate) has_sid: bool,
    /// Of `Action` and `NotAction`. `None`: no text yet.
    pub(crate) actions: Vec<Option<String>>,
    /// Of `Resource`. `None`: no text yet.
    pub(crate) resources: Vec<Option<String>>,
    /// It has `NotResource`.
    pub(crate) inverted: bool,
    /// How many are named, of all kinds.
    pub(crate) principals: usize,
    /// Pairs of operator and key.
    pub(crate) conditions: usize,
}

impl Document {
    /// Reads the text of a policy; `None` where there is no statement in it.
    pub fn read(text: &str) -> Option<Self> {
        let tree: Json = serde_json::from_str(text).ok()?;
        let statements: Vec<Statement> = items(tree.get("Statement"))
            .iter()
            .enumerate()
            .map(|(at, tree)| Statement::read(at, tree))
            .collect();
        (!statements.is_empty()).then_some(Self { statements })
    }

    pub(crate) fn principals(&self) -> usize {
        self.statements.iter().map(|statement| statement.principals).sum()
    }

    pub(crate) fn conditions(&self) -> usize {
        self.statements.iter().map(|statement| statement.conditions).sum()
    }

    /// The service that every statement speaks of by its resources' ARNs or, where those are `*`, by its actions. `None`: of
    /// several, or of none that can be told.
    pub fn service(&self) -> Option<String> {
        let mut services = self.statements.iter().flat_map(Statement::services);
        let first = services.next()?;
        services.all(|service| service == first).then_some(first)
    }
}

impl Statement {
    fn read(at: usize, tree: &Json) -> Self {
        let has = |name: &str| tree.get(name).is_some();
        let texts = |name: &str| items(tree.get(name)).iter().map(|item| item.as_str().map(str::to_owned));
        let conditions = tree.get("Condition").and_then(Json::as_object).into_iter().flat_map(Map::values);
        Self {
            at,
            has_sid: has("Sid") && tree.get("Sid").and_then(Json::as_str) != Some(""),
            actions: texts("Action").chain(texts("NotAction")).collect(),
            resources: texts("Resource").collect(),
            inverted: has("NotResource"),
            principals: ["Principal", "NotPrincipal"].iter().map(|name| named(tree.get(name))).sum(),
            conditions: conditions.filter_map(Json::as_object).map(Map::len).sum(),
        }
    }

    /// The first element of `Action` or `NotAction` that names none of a service's `actions`, which are spelt without prefix.
    pub(crate) fn unnamed_action(&self, service: &str, actions: &[&str]) -> Option<&str> {
        let names_one = |element: &str| {
            actions.iter().any(|action| names_action(element, &format!("{service}:{action}")))
        };
        self.actions.iter().flatten().map(String::as_str).find(|element| !names_one(element))
    }

    /// The first element of `Resource` that can mean nothing of a service or, where it is known, not this resource.
    pub(crate) fn foreign_resource(&self, service: &str, resource: Option<&Arn>) -> Option<&str> {
        let own = |element: &str| match resource {
            Some(resource) => can_mean(element, resource.as_str()),
            None => element == "*" || service_of(element) == Some(service),
        };
        self.resources.iter().flatten().map(String::as_str).find(|element| !own(element))
    }

    /// The services it speaks of; each may come several times.
    fn services(&self) -> Vec<String> {
        let texts = self.resources.iter().flatten();
        let by_arn: Vec<String> =
            texts.filter_map(|arn| service_of(arn)).map(str::to_ascii_lowercase).collect();
        if !by_arn.is_empty() {
            return by_arn;
        }
        let actions = self.actions.iter().flatten().filter_map(|action| action.split_once(':'));
        actions.map(|(service, _)| service.to_ascii_lowercase()).collect()
    }
}

/// The service part of an ARN or of a pattern of one.
fn service_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(1)
}

/// How many principals an element names.
fn named(principal: Option<&Json>) -> usize {
    match principal {
        None => 0,
        Some(Json::Object(kinds)) => kinds.values().map(|kind| items(Some(kind)).len()).sum(),
        Some(_) => 1,
    }
}

/// A single value or the elements of a list; nothing for a missing one.
fn items(value: Option<&Json>) -> &[Json] {
    match value {
        Some(Json::Array(items)) => items,
        Some(other) => std::slice::from_ref(other),
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_counted_in_every_spelling() {
        let text = r#"{"Statement":[
            {"Sid":"","Principal":"*","Action":"sqs:*","Resource":"*"},
            {"Sid":"a","Principal":{"AWS":["1","2"],"Service":"s"},"NotAction":["sqs:a","sqs:b"],"Resource":{"Ref":"Q"},
             "Condition":{"StringEquals":{"a":"1","b":"2"},"Null":{"c":"true"}}}]}"#;
        let document = Document::read(text).unwrap();
        assert_eq!((document.principals(), document.conditions()), (4, 3));
        let sids: Vec<bool> = document.statements.iter().map(|statement| statement.has_sid).collect();
        assert_eq!(sids, [false, true]);
        assert_eq!(document.statements[1].resources, [None], "counts, and says nothing");
        assert_eq!(document.service().as_deref(), Some("sqs"));
    }

    #[test]
    fn the_service_is_told_by_arns_before_actions_and_only_if_all_agree() {
        let of = |statements: &str| Document::read(&format!(r#"{{"Statement":[{statements}]}}"#))?.service();
        let on = |action: &str, resource: &str| format!(r#"{{"Action":"{action}","Resource":"{resource}"}}"#);
        assert_eq!(of(&on("s3:GetObject", "arn:aws:sqs:*:*:q")).as_deref(), Some("sqs"));
        assert_eq!(of(&on("SNS:Publish", "*")).as_deref(), Some("sns"));
        assert_eq!(of(&format!("{},{}", on("sns:Publish", "*"), on("sqs:SendMessage", "*"))), None);
        assert_eq!(of(&on("*", "*")), None);
        assert_eq!(of(""), None);
    }
}
