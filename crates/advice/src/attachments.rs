//! What a template gives without writing it out: AWS's managed policies, and permissions to invoke functions.

use casemate_managed::Managed;
use casemate_policy::Kind;
use serde_json::{Map, Value as Json, json};

use crate::{
    document::one_or_many,
    finding::{
        ASSUME_ANY_ROLE, CONFUSED_DEPUTY, ESCALATION, EVERY_ACTION, EVERY_ACTION_OF_SERVICE, EVERYBODY,
        Finding, NOT_ACTION, PUBLIC_URL, Rule,
    },
    lint,
};

/// What is said of a policy that nobody here can rewrite: how much it gives. That it names no resources is how such policies
/// are.
const OF_MANAGED: [&Rule; 5] =
    [&EVERY_ACTION, &EVERY_ACTION_OF_SERVICE, &NOT_ACTION, &ESCALATION, &ASSUME_ANY_ROLE];

/// AWS's policies in a list of ARNs. Those of the account are looked at where they are made.
pub(crate) fn managed(arns: Option<&Json>) -> Vec<&'static Managed> {
    let texts = one_or_many(arns).iter().filter_map(text_of);
    texts.filter_map(|arn| casemate_managed::find(&arn)).collect()
}

/// What one of AWS's policies gives: of each rule the first finding, and how many more there are.
pub(crate) fn of_managed(managed: &Managed) -> Vec<Finding> {
    let all = lint(managed.document, Kind::Identity);
    let of = |rule: &'static Rule| {
        let mut own = all.iter().filter(|finding| finding.rule.id == rule.id);
        let first = own.next()?;
        let more = own.count();
        let rest = if more > 0 { format!("; and {more} more of the kind") } else { String::new() };
        Some(Finding::whole(rule, format!("`{}`: {}{rest}", managed.name, first.message)))
    };
    OF_MANAGED.into_iter().filter_map(of).collect()
}

/// A text as it will be in the ordinary partition, if nothing else is left open.
fn text_of(value: &Json) -> Option<String> {
    const PARTITION: &str = "aws";
    if let Json::String(text) = value {
        return Some(text.clone());
    }
    let (function, argument) = value.as_object()?.iter().next()?;
    match (function.as_str(), argument) {
        ("Ref", Json::String(name)) => (name == "AWS::Partition").then(|| PARTITION.to_owned()),
        ("Fn::Sub", Json::String(text)) => Some(text.replace("${AWS::Partition}", PARTITION)),
        ("Fn::Join", Json::Array(parts)) => match parts.as_slice() {
            [Json::String(between), Json::Array(items)] => {
                let texts: Option<Vec<String>> = items.iter().map(text_of).collect();
                Some(texts?.join(between))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whom an `AWS::Lambda::Permission` lets in, by the rules for the statement that is made of it.
pub(crate) fn of_permission(properties: &Json) -> Vec<Finding> {
    let is = |name: &str, wanted: &str| match properties.get(name) {
        Some(Json::String(text)) => text.eq_ignore_ascii_case(wanted),
        Some(Json::Bool(value)) => *value && wanted == "true",
        _ => false,
    };
    let Some(Json::String(principal)) = properties.get("Principal") else { return Vec::new() };
    // A token is as good as an account: only the skill that it is of has it.
    if properties.get("EventSourceToken").is_some() {
        return Vec::new();
    }
    let open_url = is("FunctionUrlAuthType", "NONE") || is("InvokedViaFunctionUrl", "true");
    if principal == "*" && open_url {
        let text = "whoever has the function's URL invokes it: `Principal` is `*`";
        return vec![Finding::whole(&PUBLIC_URL, text)];
    }
    let kept = |finding: &Finding| [EVERYBODY.id, CONFUSED_DEPUTY.id].contains(&finding.rule.id);
    let mut found = lint(&statement(principal, properties).to_string(), Kind::Resource);
    found.retain(kept);
    // The statement is none of the template's.
    found.into_iter().map(|finding| Finding::whole(finding.rule, finding.message)).collect()
}

// AWS: Lambda API Reference, "AddPermission": the conditions that the parameters become.
fn statement(principal: &str, properties: &Json) -> Json {
    let mut conditions = Map::new();
    for (operator, key, property) in [
        ("ArnLike", "aws:SourceArn", "SourceArn"),
        ("StringEquals", "aws:SourceAccount", "SourceAccount"),
        ("StringEquals", "aws:PrincipalOrgID", "PrincipalOrgID"),
    ] {
        if let Some(value) = properties.get(property) {
            let block = conditions.entry(operator).or_insert_with(|| json!({}));
            block[key] = value.clone();
        }
    }
    let kind = if principal.contains('.') && !principal.starts_with("arn:") { "Service" } else { "AWS" };
    json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Principal": {kind: principal},
        "Action": properties.get("Action"),
        "Resource": "*",
        "Condition": conditions,
    }})
}
