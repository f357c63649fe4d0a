//! Decision time for policies of 10, 100 and 1,000 statements.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a bench may stop")]

use std::{hint::black_box, sync::Arc};

use casemate_policy::{
    Kind, Layers, NamedPolicy, NoContext, Policy, Principal, Request, ResourceRule, decide,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn policy(statements: usize) -> NamedPolicy {
    let services = ["s3", "dynamodb", "sqs", "lambda", "logs", "sns", "kms"];
    let text: Vec<String> = (0..statements)
        .map(|n| {
            let service = services[n % services.len()];
            format!(
                r#"{{"Effect":"Allow","Action":"{service}:Get*","Resource":"arn:aws:{service}:us-east-1:111111111111:thing/{n}/*"}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, text.join(","));
    NamedPolicy { name: "p".to_owned(), policy: Arc::new(Policy::parse(&text, Kind::Identity).unwrap()) }
}

fn run(c: &mut Criterion) {
    let principal = Principal::User {
        arn: "arn:aws:iam::111111111111:user/ann".to_owned(),
        unique_id: "AIDAANNAAAAAAAAAAAAAA".to_owned(),
        account: "111111111111".to_owned(),
    };
    for statements in [10, 100, 1000] {
        let policies = [policy(statements)];
        let layers =
            Layers { identity: &policies, resource_rule: ResourceRule::Ordinary, ..Layers::default() };
        let last = statements - statements % 7 - 6;
        let resource = format!("arn:aws:dynamodb:us-east-1:111111111111:thing/{last}/x");
        let ask = |action: &'static str, resource: &str| {
            decide(
                &layers,
                &Request {
                    principal: &principal,
                    action: black_box(action),
                    resource: black_box(resource),
                    resource_account: Some("111111111111"),
                    context: &NoContext,
                },
            )
        };
        assert!(ask("dynamodb:GetItem", &resource).is_allowed());
        c.bench_function(&format!("allow/{statements}"), |b| b.iter(|| ask("dynamodb:GetItem", &resource)));
        c.bench_function(&format!("deny/{statements}"), |b| b.iter(|| ask("dynamodb:DeleteItem", &resource)));
    }
}

criterion_group!(benches, run);
criterion_main!(benches);
