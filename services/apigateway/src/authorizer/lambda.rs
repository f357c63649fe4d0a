//! Lambda authorizers: what is asked of the function, and what its answer means. A policy it answers is compiled by the
//! same engine as every other policy, and anything it does not understand is a failure, never a grant.
//!
//! Refuses to know how functions are called.

use std::{collections::BTreeMap, sync::Arc};

use casemate_kernel::policy::{Kind, NamedPolicy, Policy};
use serde_json::Value;

use crate::template::{Place, Reference, Values, mapping};

/// What an authorizer said: whom it recognised, and what they may do.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) principal_id: String,
    /// Evaluated anew for every route.
    pub(crate) policy: NamedPolicy,
    /// Facts for the integration.
    pub(crate) context: BTreeMap<String, String>,
}

/// Why there is no grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoGrant {
    /// The function said so.
    Unauthorized,
    /// The function failed, or what it answered is no answer.
    Broken(String),
}

/// Reads an identity source such as `method.request.header.Authorization`.
// AWS: header, query string, stage variable or context; path parameters are not allowed.
pub(crate) fn identity_source(text: &str) -> Option<Reference> {
    let reference = mapping(text.trim())?;
    (!matches!(reference, Reference::PlacedParameter(Place::Path, _))).then_some(reference)
}

/// The values of all identity sources; `None` when one is missing or empty.
pub(crate) fn identity(sources: &[Reference], values: &Values) -> Option<Vec<String>> {
    let found = sources.iter().map(|source| values.value(source).filter(|value| !value.trim().is_empty()));
    found.collect()
}

/// Reads what the function returned.
pub(crate) fn answer(payload: &[u8], failed: bool, authorizer: &str) -> Result<Grant, NoGrant> {
    if payload.len() > ANSWER_BYTES_MAX {
        return Err(broken("the answer is too large"));
    }
    let value: Value = serde_json::from_slice(payload).map_err(|_| broken("the answer is not JSON"))?;
    if failed {
        // AWS: exactly this message, and no other, is a 401.
        let message = value.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
        return Err(if message == "Unauthorized" {
            NoGrant::Unauthorized
        } else {
            broken("the function failed")
        });
    }
    let principal_id = value.get("principalId").and_then(Value::as_str);
    let principal_id = principal_id.ok_or_else(|| broken("the answer has no principalId"))?.to_owned();
    let document = value.get("policyDocument").filter(|document| document.is_object());
    let document = document.ok_or_else(|| broken("the answer has no policyDocument"))?;
    check_resources(document)?;
    let policy = Policy::parse(&document.to_string(), Kind::Authorizer)
        .map_err(|error| broken(&format!("the policy is not valid: {error} {}", error.place())))?;
    let policy = NamedPolicy { name: format!("authorizer {authorizer}").into(), policy: Arc::new(policy) };
    Ok(Grant { principal_id, policy, context: context(&value)? })
}

/// AWS: context values are text, numbers or booleans, and reach the integration as text.
fn context(value: &Value) -> Result<BTreeMap<String, String>, NoGrant> {
    let entries = match value.get("context") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err(broken("the context is not an object")),
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let entries = entries.iter().map(|(name, value)| Some((name.clone(), text(value)?)));
    entries
        .collect::<Option<_>>()
        .ok_or_else(|| broken("a value of the context is not text, number or boolean"))
}

/// AWS: a resource ARN of more than 512 characters is over the limit; what then happens is not documented, we refuse.
fn check_resources(document: &Value) -> Result<(), NoGrant> {
    let listed = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    let statements = document.get("Statement").map(listed).unwrap_or_default();
    let resources = statements.iter().flat_map(|statement| {
        ["Resource", "NotResource"].into_iter().filter_map(|name| statement.get(name)).flat_map(listed)
    });
    for resource in resources {
        if resource.as_str().is_some_and(|text| text.chars().count() > RESOURCE_CHARACTERS_MAX) {
            return Err(broken("a resource of the policy is too long"));
        }
    }
    Ok(())
}

fn broken(why: &str) -> NoGrant {
    NoGrant::Broken(why.to_owned())
}

/// AWS: limit of the developer guide.
const RESOURCE_CHARACTERS_MAX: usize = 512;
/// Ours: the longest policy the engine takes, and room for the context.
const ANSWER_BYTES_MAX: usize = 2 * Policy::LENGTH_MAX;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allowing(resource: &str) -> Value {
        json!({"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": resource}]})
    }

    fn read(value: &Value) -> Result<Grant, NoGrant> {
        answer(value.to_string().as_bytes(), false, "a")
    }

    #[test]
    fn a_policy_with_principal_and_context_is_a_grant() {
        let grant = read(&json!({"principalId": "me", "policyDocument": allowing("*"),
            "context": {"s": "x", "n": 1, "b": false}, "usageIdentifierKey": "k"}))
        .unwrap();
        assert_eq!(grant.principal_id, "me");
        assert_eq!((grant.context["s"].as_str(), grant.context["n"].as_str()), ("x", "1"));
        assert_eq!(grant.context["b"], "false");
    }

    #[test]
    fn anything_else_is_a_failure_and_never_a_grant() {
        let good = json!({"principalId": "me", "policyDocument": allowing("*")});
        let with = |name: &str, value: Value| {
            let mut changed = good.clone();
            changed[name] = value;
            changed
        };
        let effect = json!({"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Maybe", "Resource": "*"}]});
        for value in [
            Value::Null,
            json!([]),
            json!("text"),
            json!({}),
            with("principalId", Value::Null),
            with("principalId", json!(7)),
            with("policyDocument", Value::Null),
            with("policyDocument", json!("{}")),
            with("policyDocument", json!({})),
            with("policyDocument", json!({"Statement": []})),
            with("policyDocument", effect),
            with("policyDocument", allowing("not-an-arn")),
            with("policyDocument", allowing(&format!("arn:aws:execute-api:*:*:{}", "x".repeat(500)))),
            with("context", json!([])),
            with("context", json!({"a": {}})),
            with("context", json!({"a": []})),
            with("context", json!({"a": null})),
            with("context", json!({"a": "x".repeat(300_000)})),
        ] {
            assert!(matches!(read(&value), Err(NoGrant::Broken(_))), "{}", value.to_string().len());
        }
        assert!(matches!(answer(b"no json", false, "a"), Err(NoGrant::Broken(_))));
    }

    #[test]
    fn only_the_message_unauthorized_is_an_unauthorized() {
        let failed =
            |message: &str| answer(json!({"errorMessage": message}).to_string().as_bytes(), true, "a");
        assert_eq!(failed("Unauthorized").unwrap_err(), NoGrant::Unauthorized);
        for message in ["unauthorized", "Unauthorized.", " Unauthorized", "Error: Unauthorized", ""] {
            assert!(matches!(failed(message), Err(NoGrant::Broken(_))), "{message}");
        }
        let grant = json!({"principalId": "me", "policyDocument": allowing("*")});
        assert!(answer(grant.to_string().as_bytes(), true, "a").is_err(), "a failed function grants nothing");
    }

    #[test]
    fn identity_sources_are_headers_queries_stage_variables_and_context() {
        for good in [
            "method.request.header.Authorization",
            "method.request.querystring.q",
            "stageVariables.v",
            "context.identity.sourceIp",
        ] {
            assert!(identity_source(good).is_some(), "{good}");
        }
        for bad in [
            "method.request.path.id",
            "method.request.body",
            "Authorization",
            "",
            "'x'",
            "route.request.header.x",
        ] {
            assert!(identity_source(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_missing_or_blank_source_is_no_identity() {
        let values = Values {
            headers: [("a".into(), "1".into()), ("b".into(), " ".into())].into(),
            ..Values::default()
        };
        let sources = |names: &[&str]| {
            names
                .iter()
                .map(|n| identity_source(&format!("method.request.header.{n}")).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(identity(&sources(&["A"]), &values), Some(vec!["1".to_owned()]));
        assert_eq!(identity(&sources(&["A", "B"]), &values), None);
        assert_eq!(identity(&sources(&["C"]), &values), None);
        assert_eq!(identity(&[], &values), Some(vec![]));
    }
}
