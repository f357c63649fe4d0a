//! A signed request with any one byte changed on its way does nothing.

use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, World};
use http::{HeaderValue, Method};

use crate::{api::input, worlds::everything};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// Every request that differs from `good` in one bit of one byte of target, header values or body.
fn changed(good: &Request, bit: u8) -> Vec<(String, Request)> {
    let mut all = Vec::new();
    for at in 0..good.target.len() {
        let mut bytes = good.target.clone().into_bytes();
        let in_escape = bytes[..at].ends_with(b"%") || at > 1 && bytes[at - 2] == b'%';
        if in_escape && bit == 0x20 {
            // `%2f` is `%2F`.
            continue;
        }
        bytes[at] ^= bit;
        let Ok(target) = String::from_utf8(bytes) else { continue };
        if target.parse::<http::Uri>().is_ok() && target.starts_with('/') {
            all.push((format!("target {at}: {target}"), Request { target, ..good.clone() }));
        }
    }
    for (i, (name, value)) in good.headers.iter().enumerate() {
        for at in 0..value.len() {
            let mut bytes = value.as_bytes().to_vec();
            bytes[at] ^= bit;
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
            let mut request = good.clone();
            request.headers[i].1 = value;
            all.push((format!("{name} {at}"), request));
        }
    }
    for at in 0..good.body.len() {
        let mut bytes = good.body.to_vec();
        bytes[at] ^= bit;
        all.push((format!("body {at}"), good.clone().body(bytes)));
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        all.push((method.to_string(), Request { method, ..good.clone() }));
    }
    all
}

async fn nothing_happens(world: &World, who: &Credentials, good: Request) {
    let before = world.digest();
    let mut tried = 0;
    for bit in [0x01, 0x02, 0x20] {
        for (what, request) in changed(&good, bit) {
            tried += 1;
            let answer = world.send(&request).await;
            assert!(answer.status.is_client_error(), "{what}: {} {}", answer.status, answer.text());
        }
        assert_eq!(world.digest(), before, "a changed request had an effect");
    }
    assert!(tried > 500, "only {tried}");
    // The control: as signed, it is fine.
    let answer = world.send(&good).await;
    assert!(answer.status.is_success(), "{} by {}", answer.text(), who.access_key_id);
    assert_ne!(world.digest(), before, "the request has no effect at all");
}

#[tokio::test]
async fn a_changed_query_protocol_request_does_nothing() {
    let world = everything();
    let admin = world.identities().user("admin", &[ALL]);
    let good = world.request(&admin, "iam", "CreateUser", &input(&[("UserName", "alice")]));
    nothing_happens(&world, &admin, good).await;
}

#[tokio::test]
async fn a_changed_json_request_does_nothing() {
    let world = everything();
    let admin = world.identities().user("admin", &[ALL]);
    let good = world.request(&admin, "logs", "CreateLogGroup", &input(&[("logGroupName", "group")]));
    nothing_happens(&world, &admin, good).await;
}

#[tokio::test]
async fn a_changed_request_of_a_session_does_nothing() {
    let world = everything();
    let role = world.identities().role("worker", &[ALL], None);
    let session = world.session(&role, 900, None).await;
    let good = world.request(&session, "logs", "CreateLogGroup", &input(&[("logGroupName", "group")]));
    nothing_happens(&world, &session, good).await;
}

#[tokio::test]
async fn a_changed_presigned_request_does_nothing() {
    let world = everything();
    let admin = world.identities().user("admin", &[ALL]);
    let op = world.operation("logs", "CreateLogGroup");
    let good = Request::of(op, &Document::structure([("logGroupName", "group".into())])).presigned(
        &admin,
        "logs",
        "us-east-1",
        world.now(),
        300,
    );
    nothing_happens(&world, &admin, good).await;
}
