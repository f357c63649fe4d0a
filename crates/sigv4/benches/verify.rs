//! How long one verification takes: `cargo bench -p casemate-sigv4`.

use std::hint::black_box;

use casemate_names::{Secret, Timestamp};
use casemate_sigv4::{
    Arrival, EMPTY_SHA256, Expected, Head, PathStyle, SKEW_S, SigningKeyCache, parse,
    sign::{Signer, presign, sign_headers},
    verify,
};
use criterion::{Criterion, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

fn benches(c: &mut Criterion) {
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
    let signer = Signer {
        access_key_id: "AKIDEXAMPLE",
        secret: &secret,
        session_token: None,
        region: "us-east-1",
        service: "dynamodb",
        path_style: PathStyle::Normalise,
        at: NOW,
    };
    let expected = Expected {
        region: "us-east-1",
        service: "dynamodb",
        path_style: PathStyle::Normalise,
        skew_s: SKEW_S,
    };
    let plain: &[(&str, &[u8])] = &[
        ("host", b"localhost:4566"),
        ("x-amz-target", b"DynamoDB_20120810.GetItem"),
        ("content-type", b"application/x-amz-json-1.0"),
    ];
    let Ok(added) =
        sign_headers(&signer, &Head { method: "POST", target: "/", headers: plain }, &EMPTY_SHA256)
    else {
        return;
    };
    let mut headers = plain.to_vec();
    headers.extend(added.iter().map(|(n, v)| (*n, v.as_bytes())));
    let head = Head { method: "POST", target: "/", headers: &headers };
    let arrival = Arrival { at: NOW, body_sha256: &EMPTY_SHA256 };
    let keys = SigningKeyCache::new();

    let judge = |head: &Head<'_>, keys: &SigningKeyCache| {
        let claim = parse(head).ok().flatten();
        claim.map(|claim| verify(head, &claim, &expected, &secret, keys, &arrival))
    };
    c.bench_function("header form, cached key", |b| b.iter(|| black_box(judge(black_box(&head), &keys))));
    c.bench_function("header form, fresh key", |b| {
        let mut day = 0_u64;
        b.iter(|| {
            day += 1;
            let fresh = Secret::new(format!("secret{day}"));
            let claim = parse(&head).ok().flatten();
            black_box(claim.map(|claim| verify(&head, &claim, &expected, &fresh, &keys, &arrival)))
        });
    });
    if let Ok(target) =
        presign(&signer, &Head { method: "GET", target: "/", headers: plain }, 60, &EMPTY_SHA256)
    {
        let head = Head { method: "GET", target: &target, headers: plain };
        c.bench_function("presigned form, cached key", |b| {
            b.iter(|| black_box(judge(black_box(&head), &keys)));
        });
    }
}

criterion_group!(verification, benches);
criterion_main!(verification);
