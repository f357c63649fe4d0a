//! Which statements came nearest to allowing a request, and on what they failed.

use serde_json::{Map, Value as Json};

use super::{Element, Holds, NEAREST_MAX, Near, RequestValue, Variable, probe::Probe};
use crate::{
    Context, Decisive, NamedPolicy, Principal, Request, Value, outline::one_or_many, source::variables,
};

/// The document a policy was compiled from.
pub(super) fn document(named: &NamedPolicy) -> Json {
    serde_json::from_str(named.policy.source()).unwrap_or_default()
}

/// Its statements in order.
pub(super) fn statements(document: &Json) -> Vec<&Map<String, Json>> {
    one_or_many(document.get("Statement")).iter().filter_map(Json::as_object).collect()
}

pub(super) fn version(document: &Json) -> Option<&str> {
    document.get("Version").and_then(Json::as_str)
}

/// Fewest failures first, then most agreement.
pub(super) type Rank = (usize, usize);

/// How near an Allow statement came, and its elements. `None` for denials and for statements that allow.
pub(super) fn rank(probe: &Probe<'_>, statement: &Map<String, Json>) -> Option<(Rank, Vec<Element>)> {
    if statement.get("Effect").and_then(Json::as_str) != Some("Allow") {
        return None;
    }
    let elements = elements(probe, statement);
    let failed = || elements.iter().filter(|element| element.holds != Holds::Yes);
    failed().next()?;
    let foreign = failed().any(|element| element.name == "Action")
        && !speaks_of_service(statement, probe.request.action);
    let held = elements.len() - failed().count();
    Some(((failed().count() + usize::from(foreign), usize::MAX - held), elements))
}

/// The Allow statements of a layer that came nearest, the nearest first.
pub(super) fn nearest(policies: &[NamedPolicy], bounded: bool, request: &Request<'_>) -> Vec<Near> {
    let mut ranked: Vec<(Rank, Near)> = Vec::new();
    for named in policies {
        let document = document(named);
        let probe = Probe { version: version(&document), bounded, request };
        for (at, statement) in statements(&document).into_iter().enumerate() {
            let Some((rank, elements)) = rank(&probe, statement) else { continue };
            let (failed, held): (Vec<_>, Vec<_>) =
                elements.into_iter().partition(|element| element.holds != Holds::Yes);
            let statement = decisive(named, at, statement);
            ranked.push((rank, Near { statement, failed, held: held.len() }));
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(NEAREST_MAX).map(|(_, near)| near).collect()
}

/// The elements for which a Deny statement applies.
pub(super) fn because(named: &NamedPolicy, at: usize, bounded: bool, request: &Request<'_>) -> Vec<Element> {
    let document = document(named);
    let probe = Probe { version: version(&document), bounded, request };
    statements(&document).get(at).map(|statement| elements(&probe, statement)).unwrap_or_default()
}

fn decisive(named: &NamedPolicy, at: usize, statement: &Map<String, Json>) -> Decisive {
    let sid = statement.get("Sid").and_then(Json::as_str).map(Into::into);
    Decisive { policy: named.name.clone(), sid, statement: at }
}

/// Whether an action pattern of the statement names the request's service, so that "nearest" is not a statement about
/// something else altogether.
pub(super) fn speaks_of_service(statement: &Map<String, Json>, action: &str) -> bool {
    let service = action.split(':').next().unwrap_or(action);
    one_or_many(statement.get("Action"))
        .iter()
        .filter_map(Json::as_str)
        .any(|pattern| pattern.split(':').next().is_some_and(|named| named.eq_ignore_ascii_case(service)))
}

/// Every element of a statement with both sides, in the order in which they are looked at.
fn elements(probe: &Probe<'_>, statement: &Map<String, Json>) -> Vec<Element> {
    let mut all = Vec::new();
    for name in ["Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource"] {
        let Some(policy) = statement.get(name) else { continue };
        let request = match name.strip_prefix("Not").unwrap_or(name) {
            "Principal" => principal_text(probe.request.principal),
            "Action" => probe.request.action.to_owned(),
            _ => probe.request.resource.to_owned(),
        };
        let used = if name.ends_with("Resource") { used_variables(probe, policy) } else { Vec::new() };
        all.push(Element {
            name: name.to_owned(),
            operator: None,
            key: None,
            policy: policy.clone(),
            request: RequestValue::One(request),
            holds: probe.element(name, policy),
            variables: used,
        });
    }
    let operators = statement.get("Condition").and_then(Json::as_object);
    for (operator, keys) in operators.into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            all.push(Element {
                name: "Condition".to_owned(),
                operator: Some(operator.clone()),
                key: Some(key.clone()),
                policy: values.clone(),
                request: value(probe.request.context, key),
                holds: probe.condition(operator, key, values),
                variables: used_variables(probe, values),
            });
        }
    }
    all
}

fn used_variables(probe: &Probe<'_>, texts: &Json) -> Vec<Variable> {
    if probe.version != Some("2012-10-17") {
        return Vec::new();
    }
    let mut keys: Vec<String> =
        one_or_many(Some(texts)).iter().filter_map(Json::as_str).flat_map(variables).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| {
            let value = value(probe.request.context, &key);
            Variable { key, value }
        })
        .collect()
}

/// The request's value of a key.
pub(super) fn value(context: &dyn Context, key: &str) -> RequestValue {
    match context.value(&key.to_ascii_lowercase()) {
        Value::Absent => RequestValue::Absent,
        Value::Unknown => RequestValue::Unknown,
        Value::One(value) => RequestValue::One(value.into_owned()),
        Value::Many(values) => {
            RequestValue::Many(values.into_iter().map(std::borrow::Cow::into_owned).collect())
        }
    }
}

/// The caller as `Principal` elements would have to name it.
pub(super) fn principal_text(principal: &Principal) -> String {
    match principal {
        Principal::Anonymous => "anonymous".to_owned(),
        Principal::Root { account } => account.clone(),
        Principal::User { arn, .. } | Principal::FederatedUser { arn, .. } => arn.clone(),
        Principal::Session { session_arn, .. } => session_arn.clone(),
        Principal::Service { name } => name.clone(),
        Principal::WebIdentity { provider } => provider.clone(),
    }
}
