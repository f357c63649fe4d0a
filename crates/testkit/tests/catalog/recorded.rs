//! What the gate records of real services, and what becomes of it: minimal policies that keep what was used and refuse
//! the rest, records that outlive the process, candidates that change nothing.

use casemate_kernel::recorder::{Body, Recorded, RecordedEntry};
use casemate_names::Arn;
use casemate_schema::Document as Input;
use casemate_testkit::{Credentials, Request, Response, World};
use http::Method;
use serde_json::{Value, json};

use crate::{
    api::{done, input, new_user, put_policy},
    worlds::with_own_identities,
};

const ROLE: &str = "arn:aws:iam::123456789012:role/app";
const WIDE: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Wide","Effect":"Allow","Action":["dynamodb:*","iam:*","lambda:*"],"Resource":"*"}]}"#;

/// A role that the user `operator` may assume with tags, and a table.
async fn scene() -> (World, Credentials, Credentials) {
    let (world, admin) = with_own_identities().await;
    let operator = new_user(&world, &admin, "operator").await;
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"AWS":"arn:aws:iam::123456789012:user/operator"}}]}"#;
    done(&world, &admin, "CreateRole", &[("RoleName", "app"), ("AssumeRolePolicyDocument", trust)]).await;
    put(&world, &admin, WIDE).await;
    let table = json!({
        "TableName": "notes",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "owner", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "owner", "KeyType": "HASH" }],
    });
    assert!(dynamodb(&world, &admin, "CreateTable", &table).await.status.is_success());
    (world, admin, operator)
}

async fn put(world: &World, admin: &Credentials, text: &str) {
    let members = [("RoleName", "app"), ("PolicyName", "p"), ("PolicyDocument", text)];
    done(world, admin, "PutRolePolicy", &members).await;
}

async fn session(world: &World, operator: &Credentials, user: &str) -> Credentials {
    let mut members = input(&[("RoleArn", ROLE), ("RoleSessionName", user)]);
    let tag = input(&[("Key", "user"), ("Value", user)]);
    members.push("Tags", Input::List(vec![tag]));
    let answer = world.call(operator, "sts", "AssumeRole", members).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    let element = |name: &str| answer.element(name).unwrap();
    Credentials::new(element("AccessKeyId"), element("SecretAccessKey")).with_token(element("SessionToken"))
}

async fn dynamodb(world: &World, who: &Credentials, operation: &str, body: &Value) -> Response {
    let request = Request::new(Method::POST, "/")
        .header("x-amz-target", &format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.to_string())
        .signed(who, "dynamodb", "us-east-1", world.now());
    world.send(&request).await
}

fn key(owner: &str) -> Value {
    json!({ "TableName": "notes", "Key": { "owner": { "S": owner } } })
}

/// What the application does for a user. Says whether all of it was allowed.
async fn work(world: &World, who: &Credentials, user: &str) -> bool {
    let item = json!({ "TableName": "notes", "Item": { "owner": { "S": user }, "text": { "S": "x" } } });
    let put = dynamodb(world, who, "PutItem", &item).await;
    let get = dynamodb(world, who, "GetItem", &key(user)).await;
    put.status.is_success() && get.status.is_success()
}

fn recorded(world: &World, arn: &str) -> Option<Recorded> {
    let id = world.kernel.principal_id(&Arn::parse(arn).unwrap()).unwrap()?;
    world.kernel.recorder().recorded(&id)
}

fn entries(world: &World, arn: &str) -> Vec<RecordedEntry> {
    recorded(world, arn).map(|recorded| recorded.entries).unwrap_or_default()
}

fn minimal(world: &World, current: &str) -> casemate_minimise::Outcome {
    let record = serde_json::to_value(recorded(world, ROLE).unwrap()).unwrap();
    let record: casemate_minimise::Recorded = serde_json::from_value(record).unwrap();
    let current = [casemate_minimise::Document::parse("p", current).unwrap()];
    casemate_minimise::minimise(&record, &current).unwrap()
}

#[tokio::test]
async fn the_minimal_policy_keeps_what_was_used_and_refuses_the_rest() {
    let (world, admin, operator) = scene().await;
    for user in ["alice", "bobby"] {
        assert!(work(&world, &session(&world, &operator, user).await, user).await);
    }
    let outcome = minimal(&world, WIDE);
    assert!(outcome.certificate.holds(), "{:#?}", outcome.certificate);
    assert_eq!(outcome.documents.len(), 1);
    put(&world, &admin, &outcome.documents[0].json().to_string()).await;
    for user in ["alice", "bobby", "carol"] {
        assert!(work(&world, &session(&world, &operator, user).await, user).await, "{user}");
    }
    let alice = session(&world, &operator, "alice").await;
    let before = world.digest();
    for (operation, body) in [
        ("GetItem", key("bobby")),
        ("DeleteItem", key("alice")),
        ("Scan", json!({ "TableName": "notes" })),
        ("GetItem", json!({ "TableName": "other", "Key": { "owner": { "S": "alice" } } })),
    ] {
        let answer = dynamodb(&world, &alice, operation, &body).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{operation} {body}");
    }
    assert_eq!(world.digest(), before);
}

#[tokio::test]
async fn refusals_are_kept_apart_and_never_become_permissions() {
    let (world, admin, operator) = scene().await;
    let narrow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:PutItem","Resource":"*"}]}"#;
    put(&world, &admin, narrow).await;
    let alice = session(&world, &operator, "alice").await;
    assert!(!work(&world, &alice, "alice").await);
    let kinds: Vec<(String, bool)> = entries(&world, ROLE)
        .into_iter()
        .map(|entry| (entry.action, matches!(entry.body, Body::Refused(_))))
        .collect();
    assert_eq!(kinds, [("dynamodb:PutItem".to_owned(), false), ("dynamodb:GetItem".to_owned(), true)]);
    let text = minimal(&world, WIDE).documents[0].json().to_string();
    assert!(text.contains("PutItem") && !text.contains("GetItem"), "{text}");
}

#[tokio::test]
async fn a_request_of_which_one_ask_is_refused_is_no_use_of_the_others() {
    let (world, admin, _) = scene().await;
    let ann = new_user(&world, &admin, "ann").await;
    let create = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:CreateFunction","Resource":"*"}]}"#;
    put_policy(&world, &admin, "ann", "p", create).await;
    let function = json!({
        "FunctionName": "f", "Role": ROLE, "Runtime": "python3.11", "Handler": "a.b", "Code": { "ZipFile": "" },
    });
    let request = Request::new(Method::POST, "/2015-03-31/functions")
        .header("content-type", "application/json")
        .body(function.to_string())
        .signed(&ann, "lambda", "us-east-1", world.now());
    assert_eq!(world.send(&request).await.code().as_deref(), Some("AccessDeniedException"));
    let seen = entries(&world, "arn:aws:iam::123456789012:user/ann");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].action, "iam:PassRole");
    assert!(matches!(&seen[0].body, Body::Refused(refused) if refused.resource == ROLE));
}

#[tokio::test]
async fn passing_a_role_is_recorded_with_the_service_it_is_passed_to() {
    let (world, admin, _) = scene().await;
    let ann = new_user(&world, &admin, "ann").await;
    put_policy(&world, &admin, "ann", "p", WIDE).await;
    let function = json!({
        "FunctionName": "f", "Role": ROLE, "Runtime": "python3.11", "Handler": "a.b", "Code": { "ZipFile": "" },
    });
    let request = Request::new(Method::POST, "/2015-03-31/functions")
        .header("content-type", "application/json")
        .body(function.to_string())
        .signed(&ann, "lambda", "us-east-1", world.now());
    world.send(&request).await;
    let seen = entries(&world, "arn:aws:iam::123456789012:user/ann");
    let pass = seen.iter().find(|entry| entry.action == "iam:PassRole").expect("recorded");
    let Body::Exact(exact) = &pass.body else { panic!("kept in full") };
    let service = ("iam:PassedToService".to_owned(), Some("lambda.amazonaws.com".into()));
    assert!(exact.keys.contains(&service), "{exact:?}");
}

#[tokio::test]
async fn a_role_made_again_under_the_same_name_inherits_no_records() {
    let (world, admin, operator) = scene().await;
    assert!(work(&world, &session(&world, &operator, "alice").await, "alice").await);
    assert!(recorded(&world, ROLE).is_some());
    done(&world, &admin, "DeleteRolePolicy", &[("RoleName", "app"), ("PolicyName", "p")]).await;
    done(&world, &admin, "DeleteRole", &[("RoleName", "app")]).await;
    assert!(recorded(&world, ROLE).is_none());
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::123456789012:user/operator"}}]}"#;
    done(&world, &admin, "CreateRole", &[("RoleName", "app"), ("AssumeRolePolicyDocument", trust)]).await;
    assert!(recorded(&world, ROLE).is_none());
}

#[tokio::test]
async fn records_outlive_the_process() {
    let (world, _, operator) = scene().await;
    assert!(work(&world, &session(&world, &operator, "alice").await, "alice").await);
    let id = world.kernel.principal_id(&Arn::parse(ROLE).unwrap()).unwrap().unwrap();
    world.kernel.flush_observations().await.unwrap();
    let entropy = casemate_names::NamedEntropy::seeded(99);
    let again = casemate_kernel::recorder::Recorder::open(world.store.clone(), &entropy).unwrap();
    assert_eq!(again.recorded(&id), world.kernel.recorder().recorded(&id));
    assert_eq!(again.recorded(&id).unwrap().entries.len(), 2);
}

#[tokio::test]
async fn a_candidate_is_compared_on_live_traffic_and_changes_nothing() {
    let (world, _, operator) = scene().await;
    let id = world.kernel.principal_id(&Arn::parse(ROLE).unwrap()).unwrap().unwrap();
    let reads = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Reads","Effect":"Allow","Action":"dynamodb:Get*","Resource":"*"}]}"#;
    let candidate = || vec![("candidate".to_owned(), reads.to_owned())];
    world.kernel.shadows().set(&id, ROLE, candidate(), world.now()).await.unwrap();
    let alice = session(&world, &operator, "alice").await;
    assert!(work(&world, &alice, "alice").await && work(&world, &alice, "alice").await);
    let report = world.kernel.shadows().state(&id).unwrap().report;
    assert_eq!((report.evaluated, report.newly_refused, report.newly_allowed), (4, 2, 0));
    assert_eq!(report.changes.len(), 1);
    assert_eq!((report.changes[0].action.as_str(), report.changes[0].count), ("dynamodb:PutItem", 2));
    assert_eq!(report.changes[0].before.statement, Some(("p".to_owned(), Some("Wide".to_owned()), 0)));
    world.kernel.flush_observations().await.unwrap();
    let again = casemate_kernel::shadow::Shadows::open(world.store.clone()).unwrap();
    assert_eq!(again.state(&id), world.kernel.shadows().state(&id), "durable");
    assert!(world.kernel.shadows().clear(&id).await.unwrap());
    world.kernel.flush_observations().await.unwrap();
    let after = casemate_kernel::shadow::Shadows::open(world.store.clone()).unwrap();
    assert!(after.state(&id).is_none(), "and gone when cleared");
}

#[tokio::test]
async fn a_candidate_that_would_allow_more_allows_nothing() {
    let (world, admin, operator) = scene().await;
    let id = world.kernel.principal_id(&Arn::parse(ROLE).unwrap()).unwrap().unwrap();
    put(&world, &admin, &WIDE.replace("\"Allow\"", "\"Deny\"")).await;
    let candidate = vec![("wide".to_owned(), WIDE.to_owned())];
    world.kernel.shadows().set(&id, ROLE, candidate, world.now()).await.unwrap();
    let alice = session(&world, &operator, "alice").await;
    assert!(!work(&world, &alice, "alice").await);
    let report = world.kernel.shadows().state(&id).unwrap().report;
    assert_eq!((report.newly_refused, report.newly_allowed), (0, 2));
    let broken = vec![("broken".to_owned(), "{}".to_owned())];
    assert!(world.kernel.shadows().set(&id, ROLE, broken, world.now()).await.is_err());
}
