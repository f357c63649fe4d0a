//! How long a comparison takes: policies of 10 and 50 statements, edited. No harness beyond a clock: a comparison takes
//! milliseconds, and the median of a few dozen is steady.

#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a bench may stop")]
#![expect(clippy::disallowed_methods, reason = "a bench looks at the clock")]

use std::time::Instant;

use casemate_policy::{
    Kind,
    compare::{Document, Options, Relation, compare},
};
use serde_json::{Value as Json, json};

const ROUNDS: usize = 31;

/// Statements as people write them: per service and resource prefix, every third with a condition, every seventh a deny.
fn statements(count: usize) -> Vec<Json> {
    let services = ["s3", "dynamodb", "sqs", "lambda", "logs", "sns", "kms"];
    let statement = |(n, service): (usize, &&str)| {
        let (region, account) = if *service == "s3" { ("", "") } else { ("us-east-1", "111111111111") };
        let mut made = json!({
            "Effect": if n % 7 == 6 { "Deny" } else { "Allow" },
            "Action": [format!("{service}:Get*"), format!("{service}:List*"), format!("{service}:Put{n}")],
            "Resource": [format!("arn:aws:{service}:{region}:{account}:thing-{n}/*"), format!("arn:aws:{service}:{region}:{account}:shared-*")],
        });
        match n % 6 {
            0 => {
                made["Condition"] =
                    json!({"StringEquals": {"aws:PrincipalTag/team": [format!("team-{n}"), "all"]}});
            }
            3 => {
                made["Condition"] = json!({"IpAddress": {"aws:SourceIp": format!("10.{n}.0.0/16")}, "Bool": {"aws:SecureTransport": "true"}});
            }
            _ => {}
        }
        made
    };
    services.iter().cycle().take(count).enumerate().map(statement).collect()
}

fn document(statements: &[Json]) -> [Document; 1] {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    [Document::parse("p", &text, Kind::Identity).unwrap()]
}

fn measure(name: &str, old: &[Document], new: &[Document], expected: Relation) {
    let mut times = Vec::new();
    let mut steps = 0;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let found = compare(old, new, &Options::default());
        times.push(started.elapsed());
        assert_eq!(found.relation(), expected, "{name}");
        steps = found.steps;
    }
    times.sort_unstable();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("{name:<44} {:>10.3} ms {steps:>10} steps", median.as_secs_f64() * 1000.0);
}

/// Each allow split into one statement an action: the same in other words, and nothing shared between the sides.
fn split(statements: &[Json]) -> Vec<Json> {
    let mut parts = Vec::new();
    for statement in statements {
        for action in statement.get("Action").and_then(Json::as_array).into_iter().flatten() {
            for resource in statement.get("Resource").and_then(Json::as_array).into_iter().flatten() {
                let mut part = statement.clone();
                part["Action"] = action.clone();
                part["Resource"] = resource.clone();
                parts.push(part);
            }
        }
    }
    parts
}

fn main() {
    for count in [10, 50] {
        let all = statements(count);
        let base = document(&all);
        let mut wider = all.clone();
        wider.push(json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}));
        let mut narrower = all.clone();
        narrower.push(json!({"Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"NotIpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}}));
        let mut edited = all.clone();
        if let Some(condition) = edited.iter_mut().rev().find_map(|s| s.pointer_mut("/Condition/IpAddress")) {
            condition["aws:SourceIp"] = json!("10.0.0.0/8");
        }
        measure(&format!("{count} statements, the same"), &base, &base, Relation::Equal);
        measure(&format!("{count} statements, an allow added"), &base, &document(&wider), Relation::More);
        measure(&format!("{count} statements, a deny added"), &base, &document(&narrower), Relation::Less);
        measure(
            &format!("{count} statements, a condition widened"),
            &base,
            &document(&edited),
            Relation::More,
        );
        let parts = split(&all);
        measure(
            &format!("{count} statements in {} parts", parts.len()),
            &base,
            &document(&parts),
            Relation::Equal,
        );
    }
}
