//! The least change that ends a missing Allow: an element of the nearest statement is extended if that allows nothing but
//! the request, else a statement for exactly this request is added, under the conditions of the nearest one.

use serde_json::{Map, Value as Json, json};

use super::{
    Edit, Element, Holds, RequestValue,
    draft::{Draft, Drafts, Step},
    escape::Spelling,
    lift::with,
    near,
    probe::Probe,
};
use crate::{
    Decision, Effect3, Layer, Principal, Request, Verdict,
    arn::is_whole_arn,
    evaluate,
    operator::{Comparison, Operator, Order, Qualifier},
    outline::one_or_many,
};

/// Statements taken as a pattern. Ours.
const PATTERNS_MAX: usize = 3;

/// The first change of the layer that the engine confirms as progress.
pub(super) fn step<'a>(
    drafts: &Drafts<'a>,
    decision: &Decision,
    request: &Request<'_>,
) -> Option<(Drafts<'a>, Step)> {
    let layer = decision.because.layer;
    let level = (layer == Layer::ServiceControl).then(|| failing_level(drafts, request)).flatten();
    if matches!(layer, Layer::Root | Layer::ResourceControl | Layer::VpcEndpoint | Layer::Grant) {
        return None;
    }
    let mut drafts = drafts.clone();
    let home = drafts.somewhere(layer, level, request.action);
    for step in candidates(&drafts, (layer, level), home, request) {
        let Some(next) = drafts.with(&step) else { continue };
        let after = next.decide(request);
        let elsewhere = after.verdict != decision.verdict
            || after.because.layer != layer
            || level.is_some() && level != failing_level(&next, request);
        if after.verdict == Verdict::Allow || elsewhere {
            return Some((next, step));
        }
    }
    None
}

/// The first level of the organisation's ceilings at which nothing allows.
fn failing_level(drafts: &Drafts<'_>, request: &Request<'_>) -> Option<usize> {
    (0..drafts.levels()).find(|level| {
        let mut policies = drafts
            .within(Layer::ServiceControl, Some(*level))
            .filter_map(|(_, draft)| draft.compiled.as_ref());
        !policies.any(|named| matches!(evaluate(&named.policy, request), Effect3::Allow(_)))
    })
}

struct Pattern<'d> {
    draft: usize,
    at: usize,
    statement: &'d Map<String, Json>,
    elements: Vec<Element>,
}

fn candidates(
    drafts: &Drafts<'_>,
    (layer, level): (Layer, Option<usize>),
    home: usize,
    request: &Request<'_>,
) -> Vec<Step> {
    let mut ranked = Vec::new();
    for (index, draft) in drafts.within(layer, level) {
        let probe = Probe { version: draft.version(), bounded: drafts.bounded(), request };
        for (at, (_, statement)) in draft.statements.iter().enumerate() {
            let Some(statement) = statement.as_object() else { continue };
            if let Some((rank, elements)) = near::rank(&probe, statement) {
                ranked.push((rank, Pattern { draft: index, at, statement, elements }));
            }
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let patterns: Vec<Pattern<'_>> =
        ranked.into_iter().take(PATTERNS_MAX).map(|(_, pattern)| pattern).collect();
    let mut steps = Vec::new();
    for pattern in &patterns {
        let Some(draft) = drafts.all.get(pattern.draft) else { continue };
        steps.extend(extend(draft, pattern, request));
        if near::speaks_of_service(pattern.statement, request.action) {
            steps.push(add(draft, pattern.draft, Some(pattern), request));
        }
    }
    if let Some(draft) = drafts.all.get(home) {
        steps.push(add(draft, home, None, request));
    }
    steps
}

fn spelling(draft: &Draft, wildcards: bool) -> Spelling {
    Spelling { variables: draft.version() == Some("2012-10-17"), wildcards }
}

/// Extends the only element that failed, if nothing else in the statement is wider than the request.
fn extend(draft: &Draft, pattern: &Pattern<'_>, request: &Request<'_>) -> Option<Step> {
    let mut failed = pattern.elements.iter().filter(|element| element.holds != Holds::Yes);
    let (Some(element), None) = (failed.next(), failed.next()) else { return None };
    let exact = |name: &str, text: &str| match one_or_many(pattern.statement.get(name)) {
        [Json::String(one)] => one.eq_ignore_ascii_case(text) && (name == "Action" || one == text),
        _ => name == "Resource" && !draft.has_resources(),
    };
    let action = element.name == "Action" || exact("Action", request.action);
    let (resource, meant) = spelling(draft, true).of(request.resource);
    let on_resource = element.name == "Resource" || meant && exact("Resource", &resource);
    if !action || !on_resource {
        return None;
    }
    let mut warnings = Vec::new();
    let after = match element.name.as_str() {
        "Action" => with(&element.policy, request.action),
        "Resource" => {
            warnings.extend((!meant).then(|| pattern_warning(&resource)));
            with(&element.policy, &resource)
        }
        "Principal" => {
            let mut named = element.policy.as_object()?.clone();
            for (kind, who) in whom(request.principal, &mut warnings).as_object()? {
                let who = who.as_str()?;
                let listed = named.get(kind).map_or_else(|| json!([who]), |listed| with(listed, who));
                named.insert(kind.clone(), listed);
            }
            Json::Object(named)
        }
        "Condition" => {
            let (operator, values) = adapted(draft, element)?;
            if Some(&operator) != element.operator.as_ref() {
                return None;
            }
            values.iter().filter_map(Json::as_str).fold(element.policy.clone(), |all, one| with(&all, one))
        }
        _ => return None,
    };
    let mut made = pattern.statement.clone();
    let path = if let (Some(operator), Some(key)) = (&element.operator, &element.key) {
        *made.get_mut("Condition")?.get_mut(operator)?.get_mut(key)? = after.clone();
        format!("Condition.{operator}.{key}")
    } else {
        made.insert(element.name.clone(), after.clone());
        element.name.clone()
    };
    warnings.extend(loose(&made, &pattern.elements));
    let edit = Edit::Replace {
        statement: draft.statements.get(pattern.at)?.0?,
        sid: made.get("Sid").and_then(Json::as_str).map(str::to_owned),
        element: path,
        before: element.policy.clone(),
        after,
    };
    let made = Some(Json::Object(made));
    Some(Step { draft: pattern.draft, at: Some(pattern.at), made, edit, warnings })
}

/// A statement for the request, under the conditions of the pattern as far as they hold or can be made to.
fn add(draft: &Draft, at: usize, pattern: Option<&Pattern<'_>>, request: &Request<'_>) -> Step {
    let mut warnings = Vec::new();
    let mut made = Map::new();
    made.insert("Effect".to_owned(), json!("Allow"));
    if draft.has_principals() {
        made.insert("Principal".to_owned(), whom(request.principal, &mut warnings));
    }
    made.insert("Action".to_owned(), json!(request.action));
    if draft.has_resources() {
        let (resource, exact) = spelling(draft, true).of(request.resource);
        if request.resource == "*" {
            warnings.push("the action knows no single resources: it is allowed on all".to_owned());
            made.insert("Resource".to_owned(), json!("*"));
        } else {
            warnings.extend((!exact).then(|| pattern_warning(&resource)));
            made.insert("Resource".to_owned(), json!(resource));
        }
    }
    let mut conditions = Map::new();
    let mut require = |operator: &str, key: &str, values: Json| {
        let keys = conditions.entry(operator.to_owned()).or_insert_with(|| json!({}));
        if let Some(keys) = keys.as_object_mut() {
            keys.insert(key.to_owned(), values);
        }
    };
    let elements = pattern.map_or(&[][..], |pattern| pattern.elements.as_slice());
    for element in elements {
        let (Some(operator), Some(key)) = (&element.operator, &element.key) else { continue };
        match adapted(draft, element) {
            _ if element.holds == Holds::Yes => require(operator, key, element.policy.clone()),
            Some((operator, values)) => require(&operator, key, Json::Array(values)),
            None => warnings.push(format!(
                "the condition {operator} on {key} is left out, which the request does not meet ({}); if it can be \
                 made to meet it, no policy need change",
                said(&element.request)
            )),
        }
    }
    if draft.has_principals() {
        deputy(draft, request, &mut require, &mut warnings);
    }
    if !conditions.is_empty() {
        made.insert("Condition".to_owned(), Json::Object(conditions));
    }
    warnings.extend(loose(&made, elements));
    let made = Json::Object(made);
    let edit = Edit::Add { statement: made.clone() };
    Step { draft: at, at: None, made: Some(made), edit, warnings }
}

fn pattern_warning(text: &str) -> String {
    format!("in a document of this version `{text}` is a pattern and matches other names too")
}

/// A service is admitted for the resource it acts for; a provider's user for itself.
fn deputy(
    draft: &Draft,
    request: &Request<'_>,
    require: &mut dyn FnMut(&str, &str, Json),
    warnings: &mut Vec<String>,
) {
    let mut pin = |operator: &str, key: &str| {
        let arn = operator.starts_with("Arn");
        let RequestValue::One(value) = near::value(request.context, key) else { return false };
        let (text, exact) = spelling(draft, arn).of(&value);
        let legal = exact && (!arn || is_whole_arn(&value));
        if legal {
            require(operator, key, json!(text));
        }
        legal
    };
    match request.principal {
        Principal::Service { .. } => {
            let pinned = pin("ArnEquals", "aws:SourceArn") | pin("StringEquals", "aws:SourceAccount");
            if !pinned {
                warnings.push(
                    "the service is admitted whoever makes it act: nothing says for which aws:SourceArn or \
                     aws:SourceAccount"
                        .to_owned(),
                );
            }
        }
        Principal::WebIdentity { provider } => {
            let host = provider.split_once("oidc-provider/").map_or(provider.as_str(), |(_, host)| host);
            let pinned =
                pin("StringEquals", &format!("{host}:aud")) & pin("StringEquals", &format!("{host}:sub"));
            if !pinned {
                warnings.push(
                    "everybody the provider knows is admitted, unless aud and sub are required".to_owned(),
                );
            }
        }
        _ => {}
    }
}

/// The `Principal` element for a caller.
fn whom(principal: &Principal, warnings: &mut Vec<String>) -> Json {
    match principal {
        Principal::Anonymous => {
            warnings.push("everybody is admitted, also without signature".to_owned());
            json!("*")
        }
        Principal::Root { account } => {
            warnings.push("the whole account is admitted, as far as its own policies go".to_owned());
            json!({ "AWS": account })
        }
        Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => json!({ "AWS": arn }),
        Principal::Session { role_arn, .. } => {
            warnings.push("every session of the role is admitted, not only this one".to_owned());
            json!({ "AWS": role_arn })
        }
        Principal::Service { name } => json!({ "Service": name }),
        Principal::WebIdentity { provider } => json!({ "Federated": provider }),
    }
}

/// A condition that failed, with the request's values in the place of the policy's. `None` where that is no condition
/// worth having (a moment, the absence of a key) or cannot be said.
fn adapted(draft: &Draft, element: &Element) -> Option<(String, Vec<Json>)> {
    let operator = Operator::parse(element.operator.as_ref()?)?;
    let values: Vec<&String> = match (&element.request, operator.qualifier) {
        (RequestValue::One(one), _) => vec![one],
        (RequestValue::Many(many), Qualifier::ForAllValues | Qualifier::ForAnyValue) => many.iter().collect(),
        _ => return None,
    };
    if operator.negated || values.is_empty() {
        return None;
    }
    let wildcards = match operator.comparison {
        Comparison::Exact | Comparison::IgnoreCase => Some(false),
        Comparison::Like | Comparison::Arn => Some(true),
        Comparison::Number(Order::Equal) | Comparison::Bool | Comparison::Binary | Comparison::Network => {
            None
        }
        Comparison::Number(_) | Comparison::Date(_) | Comparison::Null => return None,
    };
    let spelt = values.into_iter().map(|value| match wildcards {
        Some(wildcards) => {
            let (text, exact) = spelling(draft, wildcards).of(value);
            exact.then_some(json!(text))
        }
        None => Some(json!(value)),
    });
    Some((element.operator.clone()?, spelt.collect::<Option<_>>()?))
}

/// Conditions of the statement that hold for requests which say nothing.
fn loose(statement: &Map<String, Json>, elements: &[Element]) -> Vec<String> {
    let mut found = Vec::new();
    let conditions = || {
        let operators = statement.get("Condition").and_then(Json::as_object);
        operators.into_iter().flatten().flat_map(|(operator, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, _)| (operator, key))
        })
    };
    for (operator, key) in conditions() {
        let Some(parsed) = Operator::parse(operator) else { continue };
        let needed = conditions()
            .any(|(other, same)| other.eq_ignore_ascii_case("Null") && same.eq_ignore_ascii_case(key));
        if parsed.qualifier == Qualifier::ForAllValues && !needed {
            found.push(format!("{operator} on {key} also holds for requests without the key: add Null {{\"{key}\": \"false\"}}"));
        }
        let absent = elements.iter().any(|e| {
            e.key.as_ref() == Some(key) && e.request == RequestValue::Absent && e.holds == Holds::Yes
        });
        if parsed.qualifier == Qualifier::None && absent && (parsed.if_exists || parsed.negated) {
            found.push(format!("{operator} on {key} holds because the request has no such key"));
        }
    }
    for inverse in ["NotAction", "NotResource"] {
        if statement.contains_key(inverse) {
            found.push(format!("{inverse} allows everything that it does not list"));
        }
    }
    found
}

fn said(value: &RequestValue) -> String {
    match value {
        RequestValue::Absent => "it has no such key".to_owned(),
        RequestValue::Unknown => "its value cannot be told".to_owned(),
        RequestValue::One(value) => format!("it has `{value}`"),
        RequestValue::Many(values) => format!("it has {values:?}"),
    }
}
