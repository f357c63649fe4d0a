//! Decision time: one layer of 10, 100 and 1,000 statements, six layers with 25 keys, and beside them the literal
//! interpreter of the tests.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a bench may stop")]
#![expect(unreachable_pub, reason = "a bench exports nothing")]

mod scenario;

#[expect(dead_code, clippy::panic, clippy::string_slice, reason = "shared with the tests")]
#[path = "../tests/it/reference.rs"]
mod reference;
#[expect(dead_code, clippy::expect_used, reason = "shared with the tests")]
#[path = "../tests/it/support.rs"]
mod support;

use std::hint::black_box;

use casemate_policy::{Kind, Layers, NoContext, Request, Verdict, rule};
use criterion::{Criterion, criterion_group, criterion_main};
use scenario::{ACCOUNT, Keys, Six, last_resource, named, text, user};

fn one_layer(c: &mut Criterion) {
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
            rule(black_box(&layers), &request)
        };
        assert!(ask("dynamodb:GetItem").decisive.is_some());
        assert_eq!(ask("dynamodb:DeleteItem").verdict, Verdict::ImplicitDeny);
        c.bench_function(&format!("one_layer/allow/{statements}"), |b| b.iter(|| ask("dynamodb:GetItem")));
        c.bench_function(&format!("one_layer/refusal/{statements}"), |b| b.iter(|| ask("dynamodb:DeleteItem")));

        let tree: serde_json::Value = serde_json::from_str(&document).unwrap();
        let facts = support::Facts::default();
        let question =
            reference::Question { principal: &principal, action: "dynamodb:GetItem", resource: &resource, facts: &facts };
        assert_eq!(reference::evaluate(&tree, &question), support::Says::Allow);
        c.bench_function(&format!("one_layer/literal interpreter/{statements}"), |b| {
            b.iter(|| reference::evaluate(black_box(&tree), &question));
        });
    }
}

fn six_layers(c: &mut Criterion) {
    let (six, keys) = (Six::new(), Keys::new());
    let layers = six.layers();
    let ask = |action: &'static str| rule(black_box(&layers), &six.request(black_box(action), &keys));
    assert_eq!(ask("dynamodb:GetItem").verdict, Verdict::Allow);
    assert_eq!(ask("dynamodb:PutItem").verdict, Verdict::ImplicitDeny);
    assert_eq!(ask("dynamodb:DeleteItem").verdict, Verdict::ExplicitDeny);
    c.bench_function("six_layers/allow", |b| b.iter(|| ask("dynamodb:GetItem")));
    c.bench_function("six_layers/implicit refusal", |b| b.iter(|| ask("dynamodb:PutItem")));
    c.bench_function("six_layers/explicit refusal", |b| b.iter(|| ask("dynamodb:DeleteItem")));
}

criterion_group!(benches, one_layer, six_layers);
criterion_main!(benches);
