//! Decision time, by the function that the gate calls and with the decisive statement in the answer: one layer of 10, 100
//! and 1,000 statements, six layers with 25 keys, and beside them the literal interpreter of the tests. Prints the fastest and the median of many short batches: on a machine that others use too,
//! the fastest is the figure that repeats. `-- NAME COUNT` runs one case COUNT times and prints nothing, for counting
//! instructions.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench"
)]
#![expect(unreachable_pub, reason = "a bench exports nothing")]

mod scenario;

#[expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "shared with the tests"
)]
#[path = "../tests/it/reference/mod.rs"]
mod reference;
#[expect(dead_code, clippy::expect_used, reason = "shared with the tests")]
#[path = "../tests/it/support.rs"]
mod support;

use std::{hint::black_box, time::Instant};

use casemate_policy::{Decision, Kind, Layers, NoContext, Request, Verdict, decide};
use scenario::{ACCOUNT, Keys, Six, last_resource, named, text, user};

const BATCHES: usize = 2_000;

/// The cases that were asked for on the command line, or all.
struct Bench {
    only: Option<(String, usize)>,
}

impl Bench {
    fn from_arguments() -> Self {
        let mut given = std::env::args().skip(1).filter(|argument| argument != "--bench");
        Self { only: given.next().map(|name| (name, given.next().map_or(1, |count| count.parse().unwrap()))) }
    }

    fn case<T>(&self, name: &str, calls: usize, mut call: impl FnMut() -> T) {
        if let Some((wanted, count)) = &self.only {
            for _ in 0..if wanted == name { *count } else { 0 } {
                black_box(call());
            }
            return;
        }
        let mut times: Vec<f64> = (0..BATCHES)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..calls {
                    black_box(call());
                }
                start.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(calls).unwrap())
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name:<36} fastest {:>10.1} ns   median {:>10.1} ns", times[0], times[BATCHES / 2]);
    }
}

fn main() {
    let bench = Bench::from_arguments();
    one_layer(&bench);
    six_layers(&bench);
}

fn names_its_statement(decision: &Decision, verdict: Verdict) -> bool {
    decision.verdict == verdict && decision.because.decisive.is_some()
}

fn one_layer(bench: &Bench) {
    let principal = user();
    for statements in [10, 100, 1000] {
        let document = text(statements);
        let policies = [named(&document, Kind::Identity)];
        let layers = Layers { identity: &policies, ..Layers::default() };
        let resource = last_resource(statements);
        let ask = |action: &'static str| {
            let request = Request {
                principal: &principal,
                action: black_box(action),
                resource: black_box(&resource),
                resource_account: Some(ACCOUNT),
                context: &NoContext,
            };
            decide(black_box(&layers), &request)
        };
        assert!(names_its_statement(&ask("dynamodb:GetItem"), Verdict::Allow));
        assert_eq!(ask("dynamodb:DeleteItem").verdict, Verdict::ImplicitDeny);
        bench.case(&format!("one_layer/allow/{statements}"), 500, || ask("dynamodb:GetItem"));
        bench.case(&format!("one_layer/refusal/{statements}"), 500, || ask("dynamodb:DeleteItem"));
        let tree: serde_json::Value = serde_json::from_str(&document).unwrap();
        let facts = support::Facts::default();
        let (action, resource) = ("dynamodb:GetItem", resource.as_str());
        let question = reference::Question { principal: &principal, action, resource, facts: &facts };
        assert_eq!(reference::evaluate(&tree, &question), support::Says::Allow);
        bench.case(&format!("one_layer/literally/{statements}"), 1, || reference::evaluate(&tree, &question));
    }
}

fn six_layers(bench: &Bench) {
    let (six, keys) = (Six::new(), Keys);
    let layers = six.layers();
    let ask = |action: &'static str| decide(black_box(&layers), &six.request(black_box(action), &keys));
    assert!(names_its_statement(&ask("dynamodb:GetItem"), Verdict::Allow));
    assert_eq!(ask("dynamodb:PutItem").verdict, Verdict::ImplicitDeny);
    assert!(names_its_statement(&ask("dynamodb:DeleteItem"), Verdict::ExplicitDeny));
    bench.case("six_layers/allow", 100, || ask("dynamodb:GetItem"));
    bench.case("six_layers/implicit refusal", 100, || ask("dynamodb:PutItem"));
    bench.case("six_layers/explicit refusal", 100, || ask("dynamodb:DeleteItem"));
}
