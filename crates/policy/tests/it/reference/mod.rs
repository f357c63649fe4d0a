//! A slow, literal interpreter of policy documents, working on the raw JSON. It shares no code with the engine and
//! compiles nothing: each rule is written as the documentation says it.

mod texts;
mod values;

use casemate_policy::Principal;
use serde_json::Value as Json;

use crate::support::{Fact, Facts, Says};
use texts::{Sign, arn, compare, joined, signs};
use values::{base64, dates, ip, number, ordered};

/// `None`: cannot be told.
type Maybe = Option<bool>;

#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub principal: &'a Principal,
    pub action: &'a str,
    pub resource: &'a str,
    pub facts: &'a Facts,
}

pub fn evaluate(policy: &Json, question: &Question<'_>) -> Says {
    let new = policy["Version"] == "2012-10-17";
    let mut answer = Says::Nothing;
    for statement in list(&policy["Statement"]) {
        let holds = all([
            Some(action(statement, question.action)),
            Some(principal(statement, question.principal)),
            resource(statement, question, new),
            conditions(statement, question.facts, new),
        ]);
        match (statement["Effect"].as_str().unwrap(), holds) {
            ("Deny", Some(true) | None) => return Says::Deny,
            ("Allow", Some(true)) => answer = Says::Allow,
            _ => {}
        }
    }
    answer
}

fn list(value: &Json) -> Vec<&Json> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn strings(value: &Json) -> Vec<String> {
    list(value).into_iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect()
}

fn all(items: impl IntoIterator<Item = Maybe>) -> Maybe {
    let items: Vec<Maybe> = items.into_iter().collect();
    if items.contains(&Some(false)) {
        Some(false)
    } else if items.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn any(items: impl IntoIterator<Item = Maybe>) -> Maybe {
    not(all(items.into_iter().map(not)))
}

fn not(item: Maybe) -> Maybe {
    item.map(|holds| !holds)
}

fn action(statement: &Json, action: &str) -> bool {
    let (wanted, inverted) = match statement.get("NotAction") {
        Some(not) => (not, true),
        None => (&statement["Action"], false),
    };
    let one = |pattern: &String| {
        let pattern = pattern.to_lowercase();
        let action = action.to_lowercase();
        if pattern == "*" {
            return true;
        }
        let (ps, pn) = pattern.split_once(':').unwrap();
        let (s, n) = action.split_once(':').unwrap();
        let glob =
            |p: &str, t: &str| compare(&joined(&signs(p, true, false, &Facts::default())), t) == Some(true);
        glob(ps, s) && glob(pn, n)
    };
    strings(wanted).iter().any(one) != inverted
}

fn resource(statement: &Json, question: &Question<'_>, new: bool) -> Maybe {
    let (wanted, inverted) = match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(wanted), _) => (wanted, false),
        (None, Some(not)) => (not, true),
        (None, None) => return Some(true),
    };
    let listed = any(strings(wanted).iter().map(|pattern| {
        if pattern == "*" { Some(true) } else { arn(pattern, question.resource, true, new, question.facts) }
    }));
    if inverted { not(listed) } else { listed }
}

fn names(kind: &str, value: &str, principal: &Principal) -> bool {
    let root = |account: &str| value == account || value == format!("arn:aws:iam::{account}:root");
    if kind == "AWS" && value == "*" {
        return true;
    }
    match principal {
        Principal::Anonymous => false,
        Principal::Root { account } => kind == "AWS" && root(account),
        Principal::User { arn, unique_id, account } => {
            kind == "AWS" && (root(account) || value == arn || value == unique_id)
        }
        Principal::Session { role_arn, role_unique_id, session_arn, account } => {
            let by_id = format!("{role_unique_id}:{}", session_arn.rsplit('/').next().unwrap());
            kind == "AWS"
                && (root(account)
                    || [role_arn, role_unique_id, session_arn, &by_id].contains(&&value.to_owned()))
        }
        Principal::FederatedUser { arn, account } => kind == "AWS" && (root(account) || value == arn),
        Principal::Service { name } => kind == "Service" && value == name,
        Principal::WebIdentity { provider } => kind == "Federated" && value == provider,
    }
}

fn principal(statement: &Json, principal: &Principal) -> bool {
    let pairs = |tree: &Json| -> Vec<(String, String)> {
        match tree {
            Json::String(text) => vec![("AWS".to_owned(), text.clone())],
            Json::Object(kinds) => kinds
                .iter()
                .flat_map(|(kind, values)| strings(values).into_iter().map(move |v| (kind.clone(), v)))
                .collect(),
            _ => panic!("not a principal"),
        }
    };
    if let Some(listed) = statement.get("Principal") {
        return pairs(listed).iter().any(|(kind, value)| names(kind, value, principal));
    }
    let Some(excepted) = statement.get("NotPrincipal") else { return true };
    let excepted = pairs(excepted);
    let listed = |kind: &str, text: &str| {
        excepted.iter().any(|(k, v)| k == kind && (v == text || v == "*" && kind == "AWS"))
    };
    let account = |id: &str| listed("AWS", id) || listed("AWS", &format!("arn:aws:iam::{id}:root"));
    let everybody = excepted.iter().any(|(kind, value)| kind == "AWS" && value == "*");
    let free = match principal {
        Principal::Anonymous => everybody,
        Principal::Root { account: id } => account(id),
        Principal::User { arn, unique_id, account: id } => {
            (listed("AWS", arn) || listed("AWS", unique_id)) && account(id)
        }
        Principal::Session { role_arn, role_unique_id, session_arn, account: id } => {
            let by_id = format!("{role_unique_id}:{}", session_arn.rsplit('/').next().unwrap());
            (listed("AWS", session_arn) || listed("AWS", &by_id))
                && (listed("AWS", role_arn) || listed("AWS", role_unique_id))
                && account(id)
        }
        Principal::FederatedUser { arn, account: id } => listed("AWS", arn) && account(id),
        Principal::Service { name } => everybody || listed("Service", name),
        Principal::WebIdentity { provider } => everybody || listed("Federated", provider),
    };
    !free
}

fn conditions(statement: &Json, facts: &Facts, new: bool) -> Maybe {
    let Some(Json::Object(operators)) = statement.get("Condition") else { return Some(true) };
    all(operators.iter().flat_map(|(operator, keys)| {
        keys.as_object()
            .unwrap()
            .iter()
            .map(move |(key, values)| condition(operator, key, &strings(values), facts, new))
    }))
}

/// Operators may be written in any case: as the documentation writes them.
fn as_documented(operator: &str) -> String {
    let mut text = operator.to_ascii_lowercase();
    for (wrong, right) in [
        ("forallvalues:", "ForAllValues:"),
        ("foranyvalue:", "ForAnyValue:"),
        ("ifexists", "IfExists"),
        ("ignorecase", "IgnoreCase"),
        ("string", "String"),
        ("numeric", "Numeric"),
        ("date", "Date"),
        ("bool", "Bool"),
        ("binary", "Binary"),
        ("ipaddress", "IpAddress"),
        ("arn", "Arn"),
        ("null", "Null"),
        ("not", "Not"),
        ("less", "Less"),
        ("greater", "Greater"),
        ("than", "Than"),
        ("equals", "Equals"),
        ("like", "Like"),
    ] {
        text = text.replace(wrong, right);
    }
    text
}

fn condition(operator: &str, key: &str, values: &[String], facts: &Facts, new: bool) -> Maybe {
    let operator = as_documented(operator);
    let (set, name) = operator.split_once(':').map_or((None, &*operator), |(s, n)| (Some(s), n));
    let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
    let negated = name.contains("Not");
    let mut present = match facts.0.get(&key.to_ascii_lowercase()) {
        Some(Fact::Unknown) => return None,
        Some(fact) => Some(fact.clone()),
        None => None,
    };
    if present == Some(Fact::Many(Vec::new())) {
        present = None;
    }
    if name == "Null" {
        let wanted = if present.is_none() { "true" } else { "false" };
        return Some(values.iter().any(|value| value.eq_ignore_ascii_case(wanted)));
    }
    let Some(present) = present else {
        return Some(match set {
            Some("ForAllValues") => true,
            Some(_) => false,
            None => if_exists || negated,
        });
    };
    let test = |value: &String| {
        let unreadable = if negated { None } else { Some(false) };
        let matched =
            any(values.iter().map(|wanted| single(name, value, wanted, facts, new).unwrap_or(unreadable)));
        if negated { not(matched) } else { matched }
    };
    match (set, present) {
        (None, Fact::Many(_)) => (!negated).then_some(false),
        (Some("ForAllValues"), Fact::Many(present)) => all(present.iter().map(test)),
        (Some(_), Fact::Many(present)) => any(present.iter().map(test)),
        (_, Fact::One(value)) => test(&value),
        (_, Fact::Unknown) => None,
    }
}

/// Whether one value matches one wanted value, not yet negated; `None` if either cannot be read.
fn single(name: &str, value: &str, wanted: &str, facts: &Facts, new: bool) -> Option<Maybe> {
    let name = name.replacen("Not", "", 1);
    if name.starts_with("String") {
        let pattern = joined(&signs(wanted, name == "StringLike", new, facts));
        return Some(match name.as_str() {
            "StringLike" => compare(&pattern, value),
            // Equality with a hole cannot be told, whatever surrounds it.
            _ if pattern.contains(&Sign::Hole) => None,
            "StringEquals" => compare(&pattern, value),
            _ => {
                let folded = |c: char| c.to_lowercase().collect::<String>();
                let pattern: String = pattern
                    .iter()
                    .map(|sign| if let Sign::Is(c) = sign { folded(*c) } else { String::new() })
                    .collect();
                Some(pattern == value.chars().map(folded).collect::<String>())
            }
        });
    }
    if name.starts_with("Arn") {
        let cut = signs(wanted, true, new, facts);
        let begins = |parts: &[Vec<Sign>]| parts.len() == 6 && parts[0] == ['a', 'r', 'n'].map(Sign::Is);
        if !begins(&cut) || value.splitn(6, ':').count() < 6 || !value.starts_with("arn:") {
            return None;
        }
        return Some(arn(wanted, value, false, new, facts));
    }
    let order = if let Some(kind) = name.strip_prefix("Numeric") {
        (kind.to_owned(), number(value)?.cmp(&number(wanted)?))
    } else if let Some(kind) = name.strip_prefix("Date") {
        return dates(kind, value, wanted);
    } else if name == "Bool" {
        let read = |text: &str| text.to_lowercase().parse::<bool>().ok();
        ("Equals".to_owned(), read(value)?.cmp(&read(wanted)?))
    } else if name == "IpAddress" || name == "Address" {
        return ip(value, wanted).map(Some);
    } else if name == "BinaryEquals" {
        ("Equals".to_owned(), base64(value)?.cmp(&base64(wanted)?))
    } else {
        panic!("{name} is not generated")
    };
    Some(Some(ordered(&order.0, order.1)))
}
