//! What the compiled engine says of a policy and a request is what the slow, literal reference interpreter says.
//!
//! Input: a JSON object with `policy`, `action`, `resource` and `facts` (key to text, list of texts, or null for unknown).

#![no_main]
#![allow(dead_code)]

#[path = "../../crates/policy/tests/it/reference/mod.rs"]
mod reference;
#[path = "../../crates/policy/tests/it/support.rs"]
mod support;

use casemate_policy::{Effect3, Kind, Policy, Request, evaluate};
use libfuzzer_sys::fuzz_target;
use reference::Question;
use support::{Fact, Facts, Says};

fuzz_target!(|text: &str| {
    let Ok(input) = serde_json::from_str::<serde_json::Value>(text) else { return };
    let policy = &input["policy"];
    let Ok(compiled) = Policy::parse(&policy.to_string(), Kind::Identity) else { return };
    let (Some(action), Some(resource)) = (input["action"].as_str(), input["resource"].as_str()) else { return };
    if !action.contains(':') {
        return;
    }
    let facts = facts(&input["facts"]);
    let principal = support::user("ann");
    let request = Request { principal: &principal, action, resource, resource_account: None, context: &facts };
    let fast = match evaluate(&compiled, &request) {
        Effect3::Allow(_) => Says::Allow,
        Effect3::Deny(_) => Says::Deny,
        Effect3::None => Says::Nothing,
    };
    let slow = reference::evaluate(policy, &Question { principal: &principal, action, resource, facts: &facts });
    assert_eq!(fast, slow, "{text}");
});

fn facts(value: &serde_json::Value) -> Facts {
    let mut facts = Facts::default();
    for (key, fact) in value.as_object().into_iter().flatten() {
        let fact = match fact {
            serde_json::Value::String(one) => Fact::One(one.clone()),
            serde_json::Value::Array(many) => {
                Fact::Many(many.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
            }
            _ => Fact::Unknown,
        };
        facts.0.insert(key.to_ascii_lowercase(), fact);
    }
    facts
}
