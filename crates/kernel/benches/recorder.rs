//! What recording costs a request: one seen before (the ordinary case), and ever new ones (the worst).

#![expect(clippy::unwrap_used, reason = "a bench may stop")]

use std::{hint::black_box, sync::Arc};

use casemate_kernel::{
    Ask, Caller, RoleSession,
    recorder::{Details, Recorder, Sighting},
};
use casemate_names::{AccountId, Arn, NamedEntropy, Timestamp};
use casemate_store::Store;
use criterion::{Criterion, criterion_group, criterion_main};

fn caller() -> Caller {
    let arn = |text: &str| Arn::parse(text).unwrap();
    Caller::Role(Box::new(RoleSession {
        role_arn: arn("arn:aws:iam::123456789012:role/notes-user"),
        role_unique_id: "AROAEXAMPLEEXAMPLE123".to_owned(),
        session_arn: arn("arn:aws:sts::123456789012:assumed-role/notes-user/alice"),
        session_name: "alice".to_owned(),
        account: AccountId::parse("123456789012").unwrap(),
        tags: vec![("user".to_owned(), "0b2f3c8e-0d7a-4c70-8a52-6f1f7d1f2a11".to_owned())],
        transitive_tags: Vec::new(),
        source_identity: None,
        policies: None,
        issued_at: Timestamp::from_seconds(0),
        expires_at: Timestamp::from_seconds(3_600),
        bound_to: None,
        source_function: None,
        federation: None,
    }))
}

fn ask(key: &str) -> Ask {
    let one = |value: &str| vec![value.to_owned()];
    Ask::on("dynamodb:GetItem", Arn::parse("arn:aws:dynamodb:us-east-1:123456789012:table/notes").unwrap())
        .with("dynamodb:LeadingKeys", one(key))
        .with("dynamodb:FirstPartitionKeyValues", one(key))
        .with("dynamodb:Attributes", vec!["owner".to_owned(), "id".to_owned()])
        .with("dynamodb:Select", "ALL_ATTRIBUTES")
        .with("dynamodb:ReturnConsumedCapacity", "NONE")
}

fn run(c: &mut Criterion) {
    let entropy = Arc::new(NamedEntropy::seeded(1));
    let recorder = Recorder::open(Store::in_memory(Arc::clone(&entropy) as _), &*entropy).unwrap();
    let caller = caller();
    let now = Timestamp::from_seconds(1_795_478_400);
    let known = ask("0b2f3c8e-0d7a-4c70-8a52-6f1f7d1f2a11");
    c.bench_function("recorder/seen before", |b| {
        b.iter(|| {
            let sighting = Sighting { caller: black_box(&caller), ask: black_box(&known), called_via: &[] };
            recorder.allowed(&sighting, now, Details::default);
        });
    });
    let mut number = 0_u64;
    c.bench_function("recorder/always new", |b| {
        b.iter(|| {
            number += 1;
            let fresh = ask(&format!("key-{number}"));
            let sighting = Sighting { caller: &caller, ask: black_box(&fresh), called_via: &[] };
            recorder.allowed(&sighting, now, Details::default);
        });
    });
}

criterion_group!(benches, run);
criterion_main!(benches);
