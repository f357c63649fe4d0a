//! The first operation that went through the complete path, byte for byte.

use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, World, golden};
use http::Method;

use crate::worlds::everything;

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;

async fn transcript(world: &World, who: &Credentials) -> String {
    let request = world.request(who, "sts", "GetCallerIdentity", &Document::empty());
    world.transcript(&request).await
}

#[tokio::test]
async fn a_user_is_told_who_it_is() {
    let world = everything();
    golden!("sts/user.http", transcript(&world, &world.identities().user("alice", &[])).await);
}

#[tokio::test]
async fn the_root_of_the_account_is_told_who_it_is() {
    let world = everything();
    golden!("sts/root.http", transcript(&world, &world.identities().root()).await);
}

#[tokio::test]
async fn a_role_session_is_told_who_it_is() {
    let world = everything();
    let role = world.identities().role("worker", &[ALL], None);
    golden!("sts/session.http", transcript(&world, &world.session(&role, 900, None).await).await);
}

#[tokio::test]
async fn an_explicit_deny_does_not_hide_ones_own_identity() {
    let world = everything();
    golden!("sts/denied-user.http", transcript(&world, &world.identities().user("alice", &[NOTHING])).await);
}

#[tokio::test]
async fn nobody_is_told_that_a_token_is_missing() {
    let world = everything();
    let request = Request::of(world.operation("sts", "GetCallerIdentity"), &Document::empty());
    golden!("sts/anonymous.http", world.transcript(&request).await);
}

#[tokio::test]
async fn the_presigned_form_works_for_get() {
    let world = everything();
    let alice = world.identities().user("alice", &[]);
    let request = Request::new(Method::GET, "/?Action=GetCallerIdentity&Version=2011-06-15").presigned(
        &alice,
        "sts",
        "us-east-1",
        world.now(),
        60,
    );
    golden!("sts/presigned.http", world.transcript(&request).await);
}

#[tokio::test]
async fn refusals_have_the_words_of_the_query_protocol() {
    let world = everything();
    let alice = world.identities().user("alice", &[]);
    let now = world.now();
    let op = world.operation("sts", "GetCallerIdentity");
    let request = |who: &Credentials, service: &str, region: &str, at| {
        Request::of(op, &Document::empty()).signed(who, service, region, at)
    };
    let unknown = Credentials { access_key_id: "AKIAUNKNOWN000000000".to_owned(), ..alice.clone() };
    let wrong = Credentials { secret: "another".to_owned().into(), ..alice.clone() };
    let inactive = world.identities().user("inactive", &[]);
    world.identities().deactivate(&inactive.access_key_id);
    for (name, request) in [
        ("unknown-key", request(&unknown, "sts", "us-east-1", now)),
        ("inactive-key", request(&inactive, "sts", "us-east-1", now)),
        ("wrong-signature", request(&wrong, "sts", "us-east-1", now)),
        ("expired", request(&alice, "sts", "us-east-1", now.plus_seconds(-901))),
        ("not-yet-current", request(&alice, "sts", "us-east-1", now.plus_seconds(901))),
        ("foreign-service", request(&alice, "iam", "us-east-1", now)),
        ("foreign-region", request(&alice, "sts", "eu-west-1", now)),
        (
            "swapped-body",
            request(&alice, "sts", "us-east-1", now).body("Action=GetCallerIdentity&Version=2011-06-15&x=1"),
        ),
        (
            "incomplete",
            request(&alice, "sts", "us-east-1", now).header("authorization", "AWS4-HMAC-SHA256 x"),
        ),
    ] {
        golden!(format!("sts/refused/{name}.http"), world.transcript(&request).await);
    }
}
