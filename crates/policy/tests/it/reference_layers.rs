//! A slow, literal reading of how policies of several layers combine, on the raw JSON and beside the engine: the order of
//! evaluation and the table of what a resource's policy grants are the documentation's, written down one after the other.

use casemate_policy::{Principal, ResourceRule, Verdict};
use serde_json::{Value as Json, json};

use crate::{
    reference::{Question, evaluate},
    support::Says,
};

/// Policies of all layers, as documents. What is `None` does not apply.
#[derive(Debug, Default)]
pub struct Stack {
    pub identity: Vec<Json>,
    pub resource: Option<Json>,
    pub boundary: Option<Vec<Json>>,
    pub session: Option<Vec<Json>>,
    pub service_control: Vec<Vec<Json>>,
    pub resource_control: Vec<Vec<Json>>,
    pub vpc_endpoint: Option<Vec<Json>>,
    /// Does a single grant on the resource allow the request?
    pub grant: bool,
    pub rule: ResourceRule,
}

/// How a resource's policy can name the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Everybody,
    Account,
    User,
    Role,
    Session,
    FederatedUser,
    Service,
    Provider,
}

// AWS: IAM User Guide, "Policy evaluation logic" and the table of "Evaluating identity-based and resource-based policies".
pub fn verdict(stack: &Stack, question: &Question<'_>, owner: &str) -> Verdict {
    let mine = question.principal.account();
    // Organisations govern principals of accounts.
    let service_control = if mine.is_some() { stack.service_control.as_slice() } else { &[] };
    let everything = [
        stack.resource_control.concat(),
        service_control.concat(),
        stack.vpc_endpoint.clone().unwrap_or_default(),
        stack.resource.iter().cloned().collect(),
        stack.identity.clone(),
        stack.boundary.clone().unwrap_or_default(),
        stack.session.clone().unwrap_or_default(),
    ];
    for policy in everything.concat() {
        let policy = if stack.boundary.is_some() { without_exceptions(&policy) } else { policy };
        if evaluate(&policy, question) == Says::Deny {
            return Verdict::ExplicitDeny;
        }
    }
    let levels = service_control.iter().all(|level| allows(level, question));
    let endpoint = stack.vpc_endpoint.as_ref().is_none_or(|policies| allows(policies, question));
    if levels && endpoint && granted(stack, question, owner) { Verdict::Allow } else { Verdict::ImplicitDeny }
}

/// AWS: "a permissions boundary and NotPrincipal with Deny": whoever has a boundary is denied, excepted or not.
fn without_exceptions(policy: &Json) -> Json {
    let mut policy = policy.clone();
    let statements = match &mut policy["Statement"] {
        Json::Array(statements) => statements.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for statement in statements.iter_mut().filter_map(Json::as_object_mut) {
        if statement.remove("NotPrincipal").is_some() {
            statement.insert("Principal".to_owned(), json!("*"));
        }
    }
    policy
}

fn allows(policies: &[Json], question: &Question<'_>) -> bool {
    policies.iter().any(|policy| evaluate(policy, question) == Says::Allow)
}

fn granted(stack: &Stack, question: &Question<'_>, owner: &str) -> bool {
    let principal = question.principal;
    let boundary = stack.boundary.as_ref().is_none_or(|policies| allows(policies, question));
    let session = stack.session.as_ref().is_none_or(|policies| allows(policies, question));
    let root = matches!(principal, Principal::Root { .. });
    let identity = (root || allows(&stack.identity, question)) && boundary && session;
    let ways = stack.resource.as_ref().map(|policy| ways(policy, question)).unwrap_or_default();
    let named = |way: Way| ways.contains(&way);
    let unsigned = matches!(principal, Principal::Anonymous | Principal::WebIdentity { .. });
    let grant = stack.grant && !unsigned;

    if stack.rule == ResourceRule::Both {
        let foreign = principal.account().is_some_and(|mine| mine != owner);
        return identity && ((stack.resource.is_none() && !foreign) || !ways.is_empty());
    }
    let Some(mine) = principal.account() else {
        // Nobody but the resource's policy speaks for strangers; who has not signed is nobody to a trust policy, and the
        // users of a provider are whom it names by the provider.
        let by_policy = match (stack.rule, principal) {
            (ResourceRule::Trust, Principal::Anonymous) => false,
            (ResourceRule::Trust, Principal::WebIdentity { .. }) => named(Way::Provider),
            _ => !ways.is_empty(),
        };
        return (by_policy || grant) && session;
    };
    if mine != owner {
        return identity && (!ways.is_empty() || grant);
    }
    // Row by row: the user itself, the session itself, the federated user itself.
    if named(Way::User) || named(Way::Session) || named(Way::FederatedUser) {
        return true;
    }
    // Everybody: not limited by the boundary. Within the session's policies: stricter than the documentation.
    if named(Way::Everybody) && session {
        return true;
    }
    // The role, and what is given like it.
    if (named(Way::Role) || grant) && boundary && session {
        return true;
    }
    // The account: only hands it on to the identity side, which a trust or key policy must do first.
    identity && (stack.rule != ResourceRule::Trust || named(Way::Account))
}

/// Every way in which an Allow of the policy that applies names the caller: entry by entry.
fn ways(policy: &Json, question: &Question<'_>) -> Vec<Way> {
    let mut found = Vec::new();
    let statements = match &policy["Statement"] {
        Json::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    for statement in statements.iter().filter(|statement| statement["Effect"] == "Allow") {
        for (kind, value) in entries(&statement["Principal"]) {
            let mut alone = statement.clone();
            alone["Principal"] = json!({ kind.as_str(): value });
            let alone = json!({"Version": policy["Version"], "Statement": alone});
            if evaluate(&alone, question) == Says::Allow {
                found.push(way(&kind, &value));
            }
        }
    }
    found
}

fn entries(principal: &Json) -> Vec<(String, String)> {
    match principal {
        Json::String(everybody) => vec![("AWS".to_owned(), everybody.clone())],
        Json::Object(kinds) => kinds
            .iter()
            .flat_map(|(kind, values)| {
                let values = values.as_array().cloned().unwrap_or_else(|| vec![values.clone()]);
                values.into_iter().map(|value| (kind.clone(), value.as_str().unwrap().to_owned()))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// By what is written, once it is known that it means the caller.
fn way(kind: &str, value: &str) -> Way {
    match kind {
        "Service" => Way::Service,
        "Federated" => Way::Provider,
        _ if value == "*" => Way::Everybody,
        _ if value.ends_with(":root") || value.chars().all(|c| c.is_ascii_digit()) => Way::Account,
        _ if value.contains(":user/") || value.starts_with("AIDA") => Way::User,
        _ if value.contains(":federated-user/") => Way::FederatedUser,
        _ if value.contains(":assumed-role/") || value.starts_with("AROA") && value.contains(':') => {
            Way::Session
        }
        _ => Way::Role,
    }
}
