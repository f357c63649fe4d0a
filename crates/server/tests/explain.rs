//! `POST /_casemate/explain` over the wire: who is told, what is refused, and that what is told was so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use casemate::admin::{Admin, SERVICE, explain::PATH};
use casemate_kernel::{Assembly, DataPlane};
use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};
use http::Method;
use serde_json::{Value as Json, json};

const REGION: &str = "us-east-1";

/// Over fixture identities, which can be of any account.
fn world() -> World {
    open(WorldBuilder::new())
}

/// Over the identity service's own, which can be looked up.
async fn world_with_iam() -> (World, Credentials) {
    let world = open(WorldBuilder::bare().service("iam", "iam.amazonaws.com", casemate_iam::open));
    let (id, secret) = casemate_iam::ensure_administrator(world.env()).await.unwrap().unwrap();
    (world, Credentials::new(id, secret.expose().clone()))
}

/// A user with one inline policy, and a key of it.
async fn user(world: &World, admin: &Credentials, name: &str, statement: &Json) -> Credentials {
    let call = async |operation: &str, more: &[(&str, &str)]| {
        let mut members = Document::empty();
        members.push("UserName", name.into());
        for (key, value) in more {
            members.push(key, (*value).into());
        }
        let answer = world.call(admin, "iam", operation, members).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        answer
    };
    call("CreateUser", &[]).await;
    call("PutUserPolicy", &[("PolicyName", "p"), ("PolicyDocument", &policy(statement))]).await;
    let key = call("CreateAccessKey", &[]).await;
    Credentials::new(key.element("AccessKeyId").unwrap(), key.element("SecretAccessKey").unwrap())
}

fn open(world: WorldBuilder) -> World {
    let world = world.service("dynamodb", "dynamodb.amazonaws.com", casemate_dynamodb::open);
    let world = world.service(SERVICE, "", |env| {
        let planes: Vec<Arc<dyn DataPlane>> = vec![Arc::new(Admin::new(env.clone()))];
        Ok(Assembly { data_planes: planes, ..Assembly::default() })
    });
    world.start()
}

fn policy(statement: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

fn asking(body: &Json) -> Request {
    Request::new(Method::POST, PATH)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
}

async fn ask(world: &World, who: &Credentials, body: &Json) -> Response {
    world.send(&asking(body).signed(who, SERVICE, REGION, world.now())).await
}

fn account(world: &World) -> String {
    world.scope().account.as_str().to_owned()
}

fn question(world: &World) -> Json {
    json!({"principal": format!("arn:aws:iam::{}:root", account(world)), "action": "dynamodb:ListTables"})
}

#[tokio::test]
async fn nobody_is_told_without_the_right_signed_for_this_endpoint() {
    let world = world();
    let allowed = policy(&json!({"Effect": "Allow", "Action": "casemate:Explain", "Resource": "*"}));
    let elsewhere = policy(
        &json!({"Effect": "Allow", "Action": "casemate:Explain", "Resource": "arn:aws:casemate:us-east-1:999999999999:explain"}),
    );
    let outbox = policy(&json!({"Effect": "Allow", "Action": "casemate:ReadOutbox", "Resource": "*"}));
    let ann = world.identities().user("ann", &[&allowed]);
    let body = question(&world);
    assert!(ask(&world, &ann, &body).await.status.is_success());
    for (name, policies) in
        [("bob", vec![]), ("eve", vec![elsewhere.as_str()]), ("joe", vec![outbox.as_str()])]
    {
        let stranger = world.identities().user(name, &policies);
        let answer = ask(&world, &stranger, &body).await;
        assert_eq!(answer.status.as_u16(), 403, "{name}");
        assert!(answer.message().contains("casemate:Explain"), "{}", answer.text());
    }
    let unsigned = world.send(&asking(&body)).await;
    assert_eq!(
        (unsigned.status.as_u16(), unsigned.code().as_deref()),
        (403, Some("MissingAuthenticationTokenException"))
    );
    let foreign = world.send(&asking(&body).signed(&ann, "dynamodb", REGION, world.now())).await;
    assert_eq!(foreign.status.as_u16(), 403, "signed for another service");
    let signed = asking(&body).signed(&ann, SERVICE, REGION, world.now());
    let swapped = world.send(&signed.body(json!({"requestId": "x"}).to_string().into_bytes())).await;
    assert_eq!(swapped.status.as_u16(), 403, "another body under the same signature");
    let late = asking(&body).signed(&ann, SERVICE, REGION, world.now().plus_seconds(-3_600));
    assert_eq!(world.send(&late).await.status.as_u16(), 403, "an hour old");
    let get = Request::new(Method::GET, PATH).signed(&ann, SERVICE, REGION, world.now());
    assert_eq!(world.send(&get).await.status.as_u16(), 405);
}

#[tokio::test]
async fn malformed_and_oversized_questions_are_refused() {
    let world = world();
    let root = world.identities().root();
    let principal = format!("arn:aws:iam::{}:root", account(&world));
    for body in [
        json!({}),
        json!([]),
        json!({"principal": principal}),
        json!({"principal": principal, "action": "dynamodb"}),
        json!({"principal": principal, "action": "dynamodb:*"}),
        json!({"principal": principal, "action": "dynamodb:GetItem", "resource": "table"}),
        json!({"principal": "ann", "action": "dynamodb:GetItem"}),
        json!({"principal": principal, "action": "dynamodb:GetItem", "policies": []}),
        json!({"requestId": "../../etc/passwd"}),
        json!({"requestId": ""}),
        json!({"requestId": "x".repeat(70_000)}),
    ] {
        let answer = ask(&world, &root, &body).await;
        assert_eq!(answer.status.as_u16(), 400, "{body}: {}", answer.text());
    }
    let nobody = json!({"principal": format!("arn:aws:iam::{}:role/none", account(&world)), "action": "a:b"});
    assert_eq!(ask(&world, &root, &nobody).await.status.as_u16(), 404);
    assert_eq!(ask(&world, &root, &json!({"requestId": "0-0"})).await.status.as_u16(), 404);
}

#[tokio::test]
async fn another_account_is_told_nothing_about_ours() {
    let world = world();
    let allowed = policy(&json!({"Effect": "Allow", "Action": "casemate:Explain", "Resource": "*"}));
    let other = world.other_account();
    let stranger = world.identities().user_of(&other, "stranger", &[&allowed], None);
    let own = json!({"principal": format!("arn:aws:iam::{other}:root"), "action": "dynamodb:ListTables"});
    assert!(ask(&world, &stranger, &own).await.status.is_success());
    let ours = ask(&world, &stranger, &question(&world)).await;
    assert_eq!(ours.status.as_u16(), 403, "{}", ours.text());
    let table = format!("arn:aws:dynamodb:us-east-1:{}:table/t", account(&world));
    let resource = json!({"principal": format!("arn:aws:iam::{other}:root"), "action": "dynamodb:GetItem", "resource": table});
    assert_eq!(ask(&world, &stranger, &resource).await.status.as_u16(), 403);
    let service = json!({"principal": "dynamodb.amazonaws.com", "action": "dynamodb:GetItem"});
    assert_eq!(ask(&world, &stranger, &service).await.status.as_u16(), 403);

    let bob = world.identities().user("bob", &[]);
    let refused = world.call(&bob, "dynamodb", "ListTables", Document::empty()).await;
    assert!(!refused.status.is_success());
    let id = json!({"requestId": world.last_record().id});
    let hidden = ask(&world, &stranger, &id).await;
    assert_eq!(hidden.status.as_u16(), 404);
    assert!(hidden.message().starts_with("no request"), "as if there were none: {}", hidden.text());
}

#[tokio::test]
async fn a_refused_request_is_explained_with_the_values_it_had() {
    let (world, root) = world_with_iam().await;
    let statement = json!({"Sid": "Home", "Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*",
        "Condition": {"StringEquals": {"aws:username": "somebody"}, "StringLike": {"aws:Referer": "*secret*"}}});
    let bob = user(&world, &root, "bob", &statement).await;
    let refused = world.call(&bob, "dynamodb", "ListTables", Document::empty()).await;
    assert!(!refused.status.is_success());
    let record = world.last_record();
    let seen = record.asks[0].refused.as_ref().unwrap();
    assert_eq!(
        seen.keys.iter().map(|key| key.key.as_str()).collect::<Vec<_>>(),
        ["aws:referer", "aws:username"]
    );
    let answer = ask(&world, &root, &json!({"requestId": record.id})).await;
    let told = &answer.json()["explanations"][0];
    assert_eq!(told["then"]["policiesChanged"], false);
    let identity = told["explanation"]["layers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|layer| layer["layer"] == "identity")
        .unwrap();
    let failed = &identity["nearest"][0]["failed"][0];
    assert_eq!(failed["key"], "aws:username");
    assert_eq!(failed["policy"], "somebody");
    assert_eq!(failed["request"], json!({"one": "bob"}));
    assert_eq!(world.last_record().operation.as_deref(), Some("Explain"));
    let listed = world.call(&root, "dynamodb", "ListTables", Document::empty()).await;
    assert!(listed.status.is_success());
    assert!(world.last_record().asks[0].refused.is_none(), "nothing is kept of what is allowed");
}

#[tokio::test]
async fn the_answer_is_the_gates_own() {
    let (world, root) = world_with_iam().await;
    let statement = json!({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}});
    user(&world, &root, "bob", &statement).await;
    let verdict = async |context: Json| {
        let principal = format!("arn:aws:iam::{}:user/bob", account(&world));
        let body = json!({"principal": principal, "action": "dynamodb:ListTables", "context": context});
        let answer = ask(&world, &root, &body).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        answer.json()["explanations"][0]["explanation"]["decision"]["verdict"].clone()
    };
    assert_eq!(verdict(json!({"aws:SourceIp": ["10.2.3.4"]})).await, "allow");
    assert_eq!(verdict(json!({"aws:sourceip": ["192.0.2.1"]})).await, "implicit-deny");
    assert_eq!(verdict(json!({})).await, "implicit-deny", "an address nobody gave is unknown");
}
