//! Federated users and user sessions at the gate, in front of a service that takes any caller.

use std::sync::Arc;

use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::{Credentials, World};

use crate::toys::{Shelf, builder, toy};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const MAKE: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"toys:MakeToy","Resource":"*"}}"#;

fn world() -> (World, Arc<Shelf>) {
    let (builder, shelf) = builder();
    (builder.service("sts", "sts.amazonaws.com", casemate_sts::open).start(), shelf)
}

async fn made(world: &World, who: &Credentials, operation: &str, members: &[(&str, &str)]) -> Credentials {
    let mut input = Document::empty();
    for (name, value) in members {
        input.push(name, (*value).into());
    }
    let answer = world.call(who, "sts", operation, input).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    let element = |name: &str| answer.element(name).unwrap();
    Credentials::new(element("AccessKeyId"), element("SecretAccessKey")).with_token(element("SessionToken"))
}

async fn federated(world: &World, who: &Credentials, policy: Option<&str>) -> Credentials {
    let mut members = vec![("Name", "bob")];
    members.extend(policy.map(|policy| ("Policy", policy)));
    made(world, who, "GetFederationToken", &members).await
}

async fn make(world: &World, who: &Credentials, name: &str) -> Result<(), String> {
    let answer = world.call(who, "toys", "MakeToy", toy(name)).await;
    if answer.status.is_success() { Ok(()) } else { Err(answer.message()) }
}

fn toy_arn(world: &World, name: &str) -> Arn {
    Arn::regional(world.scope(), "toys", &format!("toy/{name}"))
}

fn allowing(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"toys:MakeToy","Resource":"*"}}}}"#
    )
}

#[tokio::test]
async fn a_federated_user_may_what_both_its_user_and_its_policies_allow() {
    let (world, _) = world();
    let may = world.identities().user("may", &[ALL]);
    let may_not = world.identities().user(
        "maynot",
        &[r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}"#],
    );
    let both = federated(&world, &may, Some(MAKE)).await;
    assert_eq!(make(&world, &both, "ball-01").await, Ok(()));
    let unlimited = federated(&world, &may, None).await;
    let refused = make(&world, &unlimited, "ball-02").await.unwrap_err();
    assert!(
        refused.starts_with("User: arn:aws:sts::123456789012:federated-user/bob is not authorized"),
        "{refused}"
    );
    assert!(refused.ends_with("because no session policy allows the toys:MakeToy action"), "{refused}");
    let of_nothing = federated(&world, &may_not, Some(ALL)).await;
    assert!(
        make(&world, &of_nothing, "ball-03").await.unwrap_err().contains("no identity-based policy allows")
    );
}

#[tokio::test]
async fn credentials_that_a_service_does_not_take_reach_it_through_no_other_service() {
    let (world, shelf) = world();
    let ann = world.identities().user("ann", &[ALL]);
    let session = made(&world, &ann, "GetSessionToken", &[]).await;
    let through = async |who| world.call(who, "shop", "Order", toy("Caller-01")).await.status.is_success();
    assert!(through(&session).await);
    shelf.long_term_only();
    assert!(make(&world, &session, "ball-01").await.is_err());
    assert!(!through(&session).await);
    assert!(through(&ann).await);
}

#[tokio::test]
async fn a_denial_of_its_user_holds_for_a_federated_user() {
    let (world, shelf) = world();
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"toys:*","Resource":"*"}}"#;
    let ann = world.identities().user("ann", &[ALL, deny]);
    let bob = federated(&world, &ann, Some(ALL)).await;
    shelf.policy(
        &toy_arn(&world, "ball-01"),
        &allowing(r#"{"AWS":"arn:aws:sts::123456789012:federated-user/bob"}"#),
    );
    assert!(make(&world, &bob, "ball-01").await.unwrap_err().contains("with an explicit deny"));
}

#[tokio::test]
async fn a_resource_may_grant_to_a_federated_user_by_name_only() {
    let (world, shelf) = world();
    let ann = world.identities().user("ann", &[ALL]);
    let bob = federated(&world, &ann, None).await;
    for (name, principal, fine) in [
        ("ball-01", r#"{"AWS":"arn:aws:sts::123456789012:federated-user/bob"}"#, true),
        ("ball-02", r#"{"AWS":"arn:aws:sts::123456789012:federated-user/eve"}"#, false),
        ("ball-03", r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, false),
        ("ball-04", r#"{"AWS":"123456789012"}"#, false),
        ("ball-05", r#""*""#, false),
    ] {
        shelf.policy(&toy_arn(&world, name), &allowing(principal));
        assert_eq!(make(&world, &bob, name).await.is_ok(), fine, "{principal}");
    }
}

#[tokio::test]
async fn a_user_session_is_its_user_to_resource_policies_and_condition_keys() {
    let (world, shelf) = world();
    let get = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"toys:MakeToy","Resource":"*","Condition":{"StringEquals":{"aws:username":"ann","aws:PrincipalType":"User"},"Bool":{"aws:MultiFactorAuthPresent":"false"},"Null":{"aws:TokenIssueTime":"false"}}}}"#;
    let ann = world.identities().user("ann", &[get]);
    let session = made(&world, &ann, "GetSessionToken", &[]).await;
    assert_eq!(make(&world, &session, "ball-01").await, Ok(()));
    assert!(make(&world, &ann, "ball-02").await.is_err(), "long-term keys have neither key");
    let bare = world.identities().user("bare", &[]);
    let session = made(&world, &bare, "GetSessionToken", &[]).await;
    assert!(make(&world, &session, "ball-03").await.is_err());
    shelf.policy(&toy_arn(&world, "ball-03"), &allowing(r#"{"AWS":"arn:aws:iam::123456789012:user/bare"}"#));
    assert_eq!(make(&world, &session, "ball-03").await, Ok(()));
}

#[tokio::test]
async fn temporary_credentials_end_with_the_user_behind_them() {
    let (world, _) = world();
    let ann = world.identities().user("ann", &[ALL]);
    let (bob, session) =
        (federated(&world, &ann, Some(ALL)).await, made(&world, &ann, "GetSessionToken", &[]).await);
    assert_eq!(make(&world, &bob, "ball-01").await, Ok(()));
    let Some(casemate_kernel::Caller::User { unique_id, .. }) = &ann.caller else { panic!("not a user") };
    world.identities().delete(unique_id);
    for who in [&bob, &session] {
        assert_eq!(
            make(&world, who, "ball-02").await.unwrap_err(),
            "The security token included in the request is invalid."
        );
    }
}
