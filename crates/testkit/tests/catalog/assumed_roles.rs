//! Who may become a role, and what the session may then do: trust policies with their conditions, session policies and
//! tags, the life of a session. Everything over the wire.

use casemate_schema::Document;
use casemate_testkit::{Credentials, Response, World};

use crate::{
    api::{delete_user, done, iam, input, may_list, new_user, policy, put_policy},
    worlds::with_own_identities,
};

const ROLE: &str = "arn:aws:iam::123456789012:role/worker";

/// A trust policy of one statement for `sts:AssumeRole`, with a condition or nothing.
fn trust(principal: &str, condition: &str) -> String {
    trust_for("\"sts:AssumeRole\"", principal, condition)
}

fn trust_for(actions: &str, principal: &str, condition: &str) -> String {
    let condition = if condition.is_empty() { String::new() } else { format!(r#","Condition":{condition}"#) };
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{actions},"Principal":{principal}{condition}}}]}}"#
    )
}

const ACCOUNT: &str = r#"{"AWS":"123456789012"}"#;
const ALICE: &str = r#"{"AWS":"arn:aws:iam::123456789012:user/alice"}"#;

async fn make_role(world: &World, admin: &Credentials, trust: &str, policy: &str) {
    done(world, admin, "CreateRole", &[("RoleName", "worker"), ("AssumeRolePolicyDocument", trust)]).await;
    let members = [("RoleName", "worker"), ("PolicyName", "p"), ("PolicyDocument", policy)];
    done(world, admin, "PutRolePolicy", &members).await;
}

async fn set_trust(world: &World, admin: &Credentials, trust: &str) {
    done(world, admin, "UpdateAssumeRolePolicy", &[("RoleName", "worker"), ("PolicyDocument", trust)]).await;
}

async fn assume(world: &World, who: &Credentials, more: Document) -> Response {
    let mut members = input(&[("RoleArn", ROLE), ("RoleSessionName", "session")]);
    for (name, value) in more.into_entries() {
        members.push(&name, value);
    }
    world.call(who, "sts", "AssumeRole", members).await
}

fn session(answer: &Response) -> Credentials {
    assert!(answer.status.is_success(), "{}", answer.text());
    let element = |name: &str| answer.element(name).unwrap();
    Credentials::new(element("AccessKeyId"), element("SecretAccessKey")).with_token(element("SessionToken"))
}

async fn refused(world: &World, who: &Credentials, more: Document) {
    let before = world.digest();
    let answer = assume(world, who, more).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDenied"), "{}", answer.text());
    assert!(answer.message().contains("is not authorized to perform: sts:"), "{}", answer.message());
    assert_eq!(world.digest(), before);
}

fn tags(tags: &[(&str, &str)]) -> Document {
    let tag = |(key, value): &(&str, &str)| input(&[("Key", key), ("Value", value)]);
    Document::structure([("Tags", Document::List(tags.iter().map(tag).collect()))])
}

#[tokio::test]
async fn naming_the_account_delegates_and_naming_the_user_grants() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    make_role(&world, &admin, &trust(ACCOUNT, ""), &policy("Allow", "iam:ListUsers")).await;
    refused(&world, &alice, Document::empty()).await;
    put_policy(&world, &admin, "alice", "p", &policy("Allow", "sts:AssumeRole")).await;
    assert!(may_list(&world, &session(&assume(&world, &alice, Document::empty()).await)).await);
    done(&world, &admin, "DeleteUserPolicy", &[("UserName", "alice"), ("PolicyName", "p")]).await;
    refused(&world, &alice, Document::empty()).await;
    set_trust(&world, &admin, &trust(ALICE, "")).await;
    assert!(may_list(&world, &session(&assume(&world, &alice, Document::empty()).await)).await);
    put_policy(&world, &admin, "alice", "q", &policy("Deny", "sts:*")).await;
    refused(&world, &alice, Document::empty()).await;
}

#[tokio::test]
async fn a_role_that_trusts_somebody_else_or_does_not_exist_refuses_in_the_same_words() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    put_policy(&world, &admin, "alice", "p", &policy("Allow", "*")).await;
    let absent = assume(&world, &alice, Document::empty()).await;
    make_role(&world, &admin, &trust(r#"{"Service":"lambda.amazonaws.com"}"#, ""), &policy("Allow", "*"))
        .await;
    let present = assume(&world, &alice, Document::empty()).await;
    assert_eq!(absent.code(), Some("AccessDenied".to_owned()));
    assert_eq!((absent.code(), absent.message()), (present.code(), present.message()));
}

#[tokio::test]
async fn conditions_of_the_trust_policy_count() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    make_role(&world, &admin, &trust(ALICE, ""), &policy("Allow", "iam:ListUsers")).await;
    set_trust(&world, &admin, &trust(ALICE, r#"{"StringEquals":{"sts:ExternalId":"secret-handshake"}}"#))
        .await;
    refused(&world, &alice, Document::empty()).await;
    refused(&world, &alice, input(&[("ExternalId", "guess")])).await;
    refused(&world, &alice, input(&[("ExternalId", "*")])).await;
    let given = input(&[("ExternalId", "secret-handshake")]);
    assert!(assume(&world, &alice, given).await.status.is_success());
    set_trust(&world, &admin, &trust(ALICE, r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#)).await;
    refused(&world, &alice, Document::empty()).await;
    set_trust(&world, &admin, &trust(ALICE, r#"{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}"#))
        .await;
    refused(&world, &alice, Document::empty()).await;
    set_trust(&world, &admin, &trust(ALICE, r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#)).await;
    refused(&world, &alice, Document::empty()).await;
}

#[tokio::test]
async fn a_user_recreated_under_a_trusted_name_is_not_trusted() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    make_role(&world, &admin, &trust(ALICE, ""), &policy("Allow", "iam:ListUsers")).await;
    assert!(assume(&world, &alice, Document::empty()).await.status.is_success());
    delete_user(&world, &admin, "alice", &alice, &[]).await;
    let again = new_user(&world, &admin, "alice").await;
    put_policy(&world, &admin, "alice", "p", &policy("Allow", "sts:AssumeRole")).await;
    refused(&world, &again, Document::empty()).await;
    set_trust(&world, &admin, &trust(ALICE, "")).await;
    assert!(assume(&world, &again, Document::empty()).await.status.is_success());
}

#[tokio::test]
async fn sessions_end_with_their_role_even_if_it_is_recreated() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    make_role(&world, &admin, &trust(ALICE, ""), &policy("Allow", "iam:ListUsers")).await;
    let live = session(&assume(&world, &alice, Document::empty()).await);
    assert!(may_list(&world, &live).await);
    done(&world, &admin, "DeleteRolePolicy", &[("RoleName", "worker"), ("PolicyName", "p")]).await;
    assert!(!may_list(&world, &live).await, "a change of the role bites its live sessions");
    done(&world, &admin, "DeleteRole", &[("RoleName", "worker")]).await;
    make_role(&world, &admin, &trust(ALICE, ""), &policy("Allow", "iam:ListUsers")).await;
    let answer = iam(&world, &live, "ListUsers", &[]).await;
    assert_eq!(answer.code().as_deref(), Some("InvalidClientTokenId"), "{}", answer.text());
}

#[tokio::test]
async fn a_session_policy_limits_and_never_adds() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    make_role(&world, &admin, &trust(ALICE, ""), &policy("Allow", "iam:ListUsers")).await;
    let with = |text: String| Document::structure([("Policy", text.into())]);
    let narrow = session(&assume(&world, &alice, with(policy("Allow", "iam:GetUser"))).await);
    assert!(!may_list(&world, &narrow).await);
    let wide = session(&assume(&world, &alice, with(policy("Allow", "*"))).await);
    assert!(may_list(&world, &wide).await);
    let more = iam(&world, &wide, "GetUser", &[("UserName", "alice")]).await;
    assert_eq!(more.code().as_deref(), Some("AccessDenied"));
    let deny = session(&assume(&world, &alice, with(policy("Deny", "*"))).await);
    assert!(!may_list(&world, &deny).await);
    let broken = assume(&world, &alice, with("{}".to_owned())).await;
    assert_eq!(broken.code().as_deref(), Some("MalformedPolicyDocument"), "{}", broken.text());
}

#[tokio::test]
async fn tags_need_a_right_of_their_own_and_their_text_is_only_text() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    let own = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:PrincipalTag/name}"}]}"#;
    make_role(&world, &admin, &trust(ALICE, ""), own).await;
    refused(&world, &alice, tags(&[("name", "alice")])).await;
    set_trust(&world, &admin, &trust_for(r#"["sts:AssumeRole","sts:TagSession"]"#, ALICE, "")).await;
    for (tag, fine) in [("alice", true), ("bob", false), ("", false)] {
        let session = session(&assume(&world, &alice, tags(&[("name", tag)])).await);
        let answer = iam(&world, &session, "GetUser", &[("UserName", "alice")]).await;
        assert_eq!(answer.status.is_success(), fine, "{tag:?}: {}", answer.text());
    }
    // A star is no legal tag value at all.
    let star = assume(&world, &alice, tags(&[("name", "*")])).await;
    assert_eq!(star.code().as_deref(), Some("ValidationError"), "{}", star.text());
}

#[tokio::test]
async fn a_session_needs_its_own_token_and_ends_in_time() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    make_role(&world, &admin, &trust(ALICE, ""), &policy("Allow", "iam:ListUsers")).await;
    let mut short = Document::empty();
    short.push("DurationSeconds", 900.into());
    let first = session(&assume(&world, &alice, short).await);
    let second = session(&assume(&world, &alice, Document::empty()).await);
    assert!(may_list(&world, &first).await && may_list(&world, &second).await);
    for token in [None, second.session_token.clone(), Some("x".to_owned()), Some(String::new())] {
        let wrong = Credentials { session_token: token, ..first.clone() };
        let answer = iam(&world, &wrong, "ListUsers", &[]).await;
        assert_eq!(answer.code().as_deref(), Some("InvalidClientTokenId"), "{}", answer.text());
    }
    let token_with_long_term_key = alice.clone().with_token("x");
    let answer = iam(&world, &token_with_long_term_key, "ListUsers", &[]).await;
    assert_eq!(answer.code().as_deref(), Some("InvalidClientTokenId"), "{}", answer.text());
    world.clock.advance_seconds(899);
    assert!(may_list(&world, &first).await);
    world.clock.advance_seconds(1);
    let answer = iam(&world, &first, "ListUsers", &[]).await;
    assert_eq!(answer.code().as_deref(), Some("ExpiredToken"));
    assert!(may_list(&world, &second).await, "the default is an hour");
}

#[tokio::test]
async fn durations_out_of_bounds_are_refused() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    make_role(&world, &admin, &trust(ALICE, ""), &policy("Allow", "iam:ListUsers")).await;
    for seconds in [0, 899, 3601, 43_201, -1] {
        let mut more = Document::empty();
        more.push("DurationSeconds", seconds.into());
        let answer = assume(&world, &alice, more).await;
        assert_eq!(answer.code().as_deref(), Some("ValidationError"), "{seconds}: {}", answer.text());
    }
}

#[tokio::test]
async fn tokens_issued_before_a_revocation_are_denied() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    make_role(&world, &admin, &trust(ALICE, ""), &policy("Allow", "iam:ListUsers")).await;
    let old = session(&assume(&world, &alice, Document::empty()).await);
    world.clock.advance_seconds(60);
    let revoke = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{}"}}}}}}]}}"#,
        world.now().iso8601()
    );
    let members =
        [("RoleName", "worker"), ("PolicyName", "AWSRevokeOlderSessions"), ("PolicyDocument", &revoke)];
    done(&world, &admin, "PutRolePolicy", &members).await;
    assert!(!may_list(&world, &old).await);
    assert!(may_list(&world, &session(&assume(&world, &alice, Document::empty()).await)).await);
}

#[tokio::test]
async fn the_root_of_the_account_becomes_nobody() {
    let (world, admin) = with_own_identities().await;
    make_role(&world, &admin, &trust(ACCOUNT, ""), &policy("Allow", "*")).await;
    let before = world.digest();
    let answer = assume(&world, &admin, Document::empty()).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDenied"));
    assert_eq!(answer.message(), "Roles may not be assumed by root accounts.");
    assert_eq!(world.digest(), before);
}
