//! One layer of 10, 100 and 1,000 statements, put to the policy engine (the function that the gate calls), to the literal
//! interpreter of its tests and to Cedar, in the same run and in turn. Cedar is another language: its policies here say the
//! same of the same resources, one `permit` for each statement, and its answer too names the policy that decided. Prints the
//! fastest and the median of many short batches.

#[allow(dead_code)]
#[path = "../../../crates/policy/tests/it/reference/mod.rs"]
mod reference;
#[allow(dead_code)]
#[path = "../../../crates/policy/benches/scenario/mod.rs"]
mod scenario;
#[allow(dead_code)]
#[path = "../../../crates/policy/tests/it/support.rs"]
mod support;

use std::{fmt::Write as _, hint::black_box, str::FromStr, time::Instant};

use casemate_policy::{Kind, Layers, NoContext, Verdict, decide};
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use scenario::{ACCOUNT, last_resource, named, text, user};

const BATCHES: usize = 1_000;

fn measure<T>(name: &str, calls: u32, mut call: impl FnMut() -> T) {
    let mut times: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(call());
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<24} fastest {:>12.1} ns   median {:>12.1} ns", times[0], times[BATCHES / 2]);
}

/// The scenario's statements as Cedar policies: the same action group and the same resource pattern.
fn cedar_policies(statements: usize) -> PolicySet {
    let services = ["s3", "dynamodb", "sqs", "lambda", "logs", "sns", "kms"];
    let mut text = String::new();
    for n in 0..statements {
        let service = services[n % services.len()];
        writeln!(
            text,
            r#"permit(principal == User::"ann", action == Action::"{service}:GetItem", resource)
               when {{ context.arn like "arn:aws:{service}:us-east-1:{ACCOUNT}:thing/{n}/*" }};"#
        )
        .unwrap();
    }
    PolicySet::from_str(&text).unwrap()
}

fn main() {
    let principal = user();
    for statements in [10, 100, 1000] {
        let document = text(statements);
        let policies = [named(&document, Kind::Identity)];
        let layers = Layers { identity: &policies, ..Layers::default() };
        let resource = last_resource(statements);
        let request = casemate_policy::Request {
            principal: &principal,
            action: "dynamodb:GetItem",
            resource: &resource,
            resource_account: Some(ACCOUNT),
            context: &NoContext,
        };
        let answer = decide(&layers, &request);
        assert!(answer.verdict == Verdict::Allow && answer.because.decisive.is_some());
        measure(&format!("casemate/{statements}"), 500, || decide(black_box(&layers), black_box(&request)));

        let tree: serde_json::Value = serde_json::from_str(&document).unwrap();
        let facts = support::Facts::default();
        let question = reference::Question {
            principal: &principal,
            action: "dynamodb:GetItem",
            resource: &resource,
            facts: &facts,
        };
        assert_eq!(reference::evaluate(&tree, &question), support::Says::Allow);
        measure(&format!("literal/{statements}"), 1, || reference::evaluate(black_box(&tree), black_box(&question)));

        let (authorizer, entities, set) = (Authorizer::new(), Entities::empty(), cedar_policies(statements));
        let uid = |text: &str| EntityUid::from_str(text).unwrap();
        let context = Context::from_json_value(serde_json::json!({ "arn": resource }), None).unwrap();
        let (who, what, which) =
            (uid(r#"User::"ann""#), uid(r#"Action::"dynamodb:GetItem""#), uid(r#"Thing::"x""#));
        let request = Request::new(who, what, which, context, None).unwrap();
        let answer = authorizer.is_authorized(&request, &set, &entities);
        assert_eq!(answer.decision(), Decision::Allow);
        assert_eq!(answer.diagnostics().reason().count(), 1);
        measure(&format!("cedar/{statements}"), 2, || {
            authorizer.is_authorized(black_box(&request), black_box(&set), &entities).decision()
        });
    }
}
