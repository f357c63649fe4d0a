//! One operation of each protocol, refused and mistaken in every common way: the bytes of the answers are pinned, because
//! clients read codes and people read texts.

use casemate_schema::Document;
use casemate_testkit::{Request, World, golden};
use http::HeaderValue;

use crate::{api::input, worlds::everything};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const DENY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"NotToday","Effect":"Deny","Action":"*","Resource":"*"}]}"#;
const LITTLE: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:GetCallerIdentity","Resource":"*"}}"#;

/// An operation, a good input, and one that breaks a constraint.
struct Case {
    service: &'static str,
    operation: &'static str,
    good: Document,
    bad: Document,
    /// A body that is no text of the protocol.
    garbage: &'static str,
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            service: "dynamodb",
            operation: "DescribeTable",
            good: input(&[("TableName", "absent")]),
            bad: input(&[("TableName", "!")]),
            garbage: r#"{"TableName":"#,
        },
        Case {
            service: "logs",
            operation: "CreateLogGroup",
            good: input(&[("logGroupName", "group")]),
            bad: input(&[("logGroupName", "a b?")]),
            garbage: "[]",
        },
        Case {
            service: "iam",
            operation: "CreateUser",
            good: input(&[("UserName", "alice")]),
            bad: input(&[("UserName", "not a name")]),
            garbage: "Action=CreateUser&Version=2010-05-08&UserName=%zz",
        },
        Case {
            service: "cognito-idp",
            operation: "DescribeUserPool",
            good: input(&[("UserPoolId", "us-east-1_Absent000")]),
            bad: input(&[("UserPoolId", "x")]),
            garbage: "",
        },
    ]
}

async fn pin(world: &World, case: &Case, name: &str, request: Request) {
    let folder = case.service;
    golden!(format!("words/{folder}/{name}.http"), world.transcript(&request).await);
}

#[tokio::test]
async fn callers_without_rights_are_told_so_in_the_words_of_each_protocol() {
    for case in cases() {
        let world = everything();
        let (service, operation) = (case.service, case.operation);
        let op = world.operation(service, operation);
        let people = world.identities();
        let role = people.role("worker", &[ALL], None);
        let expired = world.session(&role, 900, None).await;
        world.clock.advance_seconds(900);
        let confined = world.session(&role, 900, Some(&[LITTLE])).await;
        let home = world.scope().account.clone();
        pin(&world, &case, "anonymous", Request::of(op, &case.good)).await;
        for (name, who) in [
            ("no-policy", people.user("alice", &[])),
            ("explicit-deny", people.user("bob", &[ALL, DENY])),
            ("boundary", people.user_of(&home, "carol", &[ALL], Some(LITTLE))),
            ("session-policy", confined),
            ("expired-token", expired),
        ] {
            pin(&world, &case, name, world.request(&who, service, operation, &case.good)).await;
        }
    }
}

#[tokio::test]
async fn mistaken_requests_are_answered_in_the_words_of_each_protocol() {
    for case in cases() {
        let world = everything();
        let (service, operation) = (case.service, case.operation);
        let op = world.operation(service, operation);
        let admin = world.identities().user("admin", &[ALL]);
        let sign = |request: Request| request.signed(&admin, service, "us-east-1", world.now());
        pin(&world, &case, "good", sign(Request::of(op, &case.good))).await;
        pin(&world, &case, "constraint", sign(Request::of(op, &case.bad))).await;
        pin(&world, &case, "missing-member", sign(Request::of(op, &Document::empty()))).await;
        pin(&world, &case, "garbage", sign(Request::of(op, &case.good).body(case.garbage))).await;
        let mut unknown = Request::of(op, &case.good);
        for (name, value) in &mut unknown.headers {
            if name == "x-amz-target" {
                let target = value.to_str().unwrap().replace(operation, "NoSuchOperation");
                *value = HeaderValue::from_str(&target).unwrap();
            }
        }
        let body = String::from_utf8(unknown.body.to_vec()).unwrap().replace(operation, "NoSuchOperation");
        pin(&world, &case, "unknown-operation", sign(unknown.body(body))).await;
    }
}
