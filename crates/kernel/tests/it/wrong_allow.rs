//! The wrong-allow list: mistakes that other implementations of this API have made, each of which let somebody do what
//! they were not allowed to. Every test sends a request through the whole path that such a mistake would admit.

use casemate_kernel::{
    Caller, Peer, SessionRequest,
    policy::{Kind, Policy},
};
use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};

use crate::toys::{builder, toy, world};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// A policy of these statements.
fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn toy_arn(world: &World, name: &str) -> Arn {
    Arn::regional(world.scope(), "toys", &format!("toy/{name}"))
}

async fn make(world: &World, who: &Credentials, name: &str) -> Response {
    world.call(who, "toys", "MakeToy", toy(name)).await
}

/// The call is refused by policy and nothing happens.
async fn refused(world: &World, who: &Credentials, name: &str) {
    let before = world.digest();
    let answer = make(world, who, name).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
    assert_eq!(world.digest(), before, "refused, yet something happened");
}

async fn allowed(world: &World, who: &Credentials, name: &str) {
    let answer = make(world, who, name).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

/// A user with ALL and these further statements.
fn user(world: &World, name: &str, statements: &str) -> Credentials {
    world.identities().user(name, &[ALL, &policy(statements)])
}

fn unique_id(who: &Credentials) -> String {
    match &who.caller {
        Some(Caller::User { unique_id, .. }) => unique_id.clone(),
        other => panic!("not a user: {other:?}"),
    }
}

#[tokio::test]
async fn item_1_what_is_not_mapped_is_refused_even_for_an_administrator() {
    let world = crate::toys::world_of(|toys| vec![casemate_kernel::bind::<crate::toys::AskNothing, _>(toys)]);
    let root = world.identities().root();
    let answer = world.call(&root, "toys", "AskNothing", toy("ball-01")).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
}

#[tokio::test]
async fn items_2_3_and_6_keys_that_are_unknown_missing_or_inactive_are_refused() {
    let (world, _) = world();
    let root = world.identities().root();
    let unknown = Credentials { access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(), ..root.clone() };
    assert_eq!(
        make(&world, &unknown, "ball-01").await.code().as_deref(),
        Some("UnrecognizedClientException")
    );
    for empty in ["", "test", "000000000000"] {
        let magic = Credentials { access_key_id: empty.to_owned(), ..root.clone() };
        assert!(make(&world, &magic, "ball-01").await.status.is_client_error(), "{empty:?}");
    }
    let anonymous = world.call_unsigned("toys", "MakeToy", toy("ball-01")).await;
    assert_eq!(anonymous.code().as_deref(), Some("MissingAuthenticationTokenException"));
    world.identities().deactivate(&root.access_key_id);
    assert_eq!(make(&world, &root, "ball-01").await.code().as_deref(), Some("UnrecognizedClientException"));
}

#[tokio::test]
async fn item_4_the_presigned_form_meets_the_same_gate() {
    let (world, _) = world();
    let nobody = world.identities().user("nobody", &[]);
    let root = world.identities().root();
    let op = world.operation("toys", "MakeToy");
    let presigned = |who: &Credentials| {
        Request::of(op, &toy("ball-01")).presigned(who, "toys", "us-east-1", world.now(), 60)
    };
    let answer = world.send(&presigned(&nobody)).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
    assert!(world.send(&presigned(&root)).await.status.is_success());
}

#[tokio::test]
async fn item_5_a_body_under_a_captured_signature_is_refused() {
    let (world, _) = world();
    let root = world.identities().root();
    let captured = world.request(&root, "toys", "MakeToy", &toy("ball-01"));
    let swapped = captured.clone().body(r#"{"Name":"bomb-01"}"#);
    let before = world.digest();
    assert_eq!(world.send(&swapped).await.code().as_deref(), Some("InvalidSignatureException"));
    // Also where the client says what the body's hash is, and has signed that.
    let hash = casemate_names::hex(&casemate_names::sha256(&captured.body));
    let said = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"))
        .header("x-amz-content-sha256", &hash)
        .signed(&root, "toys", "us-east-1", world.now());
    let swapped = said.clone().body(r#"{"Name":"bomb-01"}"#);
    assert_eq!(world.send(&swapped).await.code().as_deref(), Some("InvalidSignatureException"));
    assert_eq!(world.digest(), before);
    assert!(world.send(&said).await.status.is_success());
    let before = world.digest();
    let unsigned = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"))
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .signed(&root, "toys", "us-east-1", world.now());
    assert_eq!(world.send(&unsigned).await.code().as_deref(), Some("InvalidSignatureException"));
    assert_eq!(world.digest(), before);
    assert!(world.send(&captured).await.status.is_success());
}

#[tokio::test]
async fn one_second_beyond_the_clock_skew_is_refused_in_both_directions() {
    // What is wider than usual is not to be had.
    for (set, skew_s) in [(None, 900), (Some(300), 300), (Some(1), 1), (Some(86_400), 900)] {
        let (builder, _) = builder();
        let world = set.into_iter().fold(builder, WorldBuilder::max_clock_skew).start();
        let root = world.identities().root();
        let op = world.operation("toys", "MakeToy");
        for (offset_s, right) in [(skew_s, true), (-skew_s, true), (skew_s + 1, false), (-skew_s - 1, false)]
        {
            let at = world.now().plus_seconds(offset_s);
            let signed = Request::of(op, &toy("ball-01")).signed(&root, "toys", "us-east-1", at);
            let answer = world.send(&signed).await;
            assert_eq!(answer.status.is_success(), right, "{set:?} {offset_s}: {}", answer.text());
            if !right {
                assert_eq!(answer.code().as_deref(), Some("InvalidSignatureException"));
            }
        }
        // A presigned request may be from the future by as much, and ends when it says.
        let ahead = |s| {
            Request::of(op, &toy("ball-01")).presigned(
                &root,
                "toys",
                "us-east-1",
                world.now().plus_seconds(s),
                60,
            )
        };
        assert!(world.send(&ahead(skew_s)).await.status.is_success());
        assert!(!world.send(&ahead(skew_s + 1)).await.status.is_success());
    }
}

#[tokio::test]
async fn each_service_has_its_own_clock_skew() {
    let (builder, _) = builder();
    let world =
        builder.max_clock_skew(60).max_clock_skew_of("toys", 300).max_clock_skew_of("shop", 7).start();
    let root = world.identities().root();
    for (service, name, skew_s) in [("toys", "MakeToy", 300), ("shop", "Order", 7)] {
        let op = world.operation(service, name);
        for offset_s in [skew_s, -skew_s, skew_s + 1, -skew_s - 1] {
            let at = world.now().plus_seconds(offset_s);
            let signed = Request::of(op, &toy("ball-01")).signed(&root, service, "us-east-1", at);
            let refused = world.send(&signed).await.text().contains("ignature ");
            assert_eq!(refused, offset_s.abs() > skew_s, "{service} {offset_s}");
        }
    }
}

#[tokio::test]
async fn item_6_what_has_expired_is_refused_to_the_second() {
    let (world, _) = world();
    let root = world.identities().root();
    let op = world.operation("toys", "MakeToy");
    let presigned = Request::of(op, &toy("ball-01")).presigned(&root, "toys", "us-east-1", world.now(), 60);
    let role = world.identities().role("worker", &[ALL], None);
    let session = world.session(&role, 900, None).await;
    world.clock.advance_seconds(59);
    assert!(world.send(&presigned).await.status.is_success());
    world.clock.advance_seconds(1);
    assert_eq!(world.send(&presigned).await.code().as_deref(), Some("InvalidSignatureException"));
    world.clock.advance_seconds(839);
    allowed(&world, &session, "ball-01").await;
    world.clock.advance_seconds(1);
    assert_eq!(make(&world, &session, "ball-01").await.code().as_deref(), Some("ExpiredTokenException"));
}

#[tokio::test]
async fn item_7_a_signature_for_one_service_is_worthless_at_another() {
    let (world, _) = world();
    let root = world.identities().root();
    for (service, region) in
        [("shop", "us-east-1"), ("toys", "eu-west-1"), ("sts", "us-east-1"), ("", "us-east-1")]
    {
        let request = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01")).signed(
            &root,
            service,
            region,
            world.now(),
        );
        let before = world.digest();
        assert!(world.send(&request).await.status.is_client_error(), "{service} {region}");
        assert_eq!(world.digest(), before);
    }
}

#[tokio::test]
async fn item_8_a_deny_in_other_letters_counts() {
    let (world, _) = world();
    for action in ["toys:maketoy", "TOYS:MAKETOY", "toys:MakeT?y", "Toys:*"] {
        let deny = format!(r#"{{"Effect":"Deny","Action":"{action}","Resource":"*"}}"#);
        refused(&world, &user(&world, "u", &deny), "ball-01").await;
    }
}

#[tokio::test]
async fn item_9_a_deny_whose_negated_key_is_missing_fires() {
    let (world, _) = world();
    for operator in ["StringNotEquals", "StringNotLike", "StringNotEqualsIgnoreCase", "ArnNotEquals"] {
        let deny = format!(
            r#"{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"{operator}":{{"aws:PrincipalTag/team":"a"}}}}}}"#
        );
        refused(&world, &user(&world, "u", &deny), "ball-01").await;
    }
}

#[tokio::test]
async fn item_10_a_negated_operator_with_several_values_is_nor() {
    let (world, _) = world();
    let deny_other_ips = r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":["203.0.113.0/24","198.51.100.0/24"]}}}"#;
    allowed(&world, &user(&world, "u", deny_other_ips), "ball-01").await;
    let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:username":["eve","mallory"]}}}"#;
    let eve = world.identities().user("eve", &[&policy(allow)]);
    refused(&world, &eve, "ball-01").await;
    allowed(&world, &world.identities().user("alice", &[&policy(allow)]), "ball-01").await;
}

#[tokio::test]
async fn item_11_resources_are_compared_with_their_case() {
    let (world, _) = world();
    let allow = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"{}"}}"#, toy_arn(&world, "ball-01"));
    let alice = world.identities().user("alice", &[&policy(&allow)]);
    allowed(&world, &alice, "ball-01").await;
    refused(&world, &alice, "Ball-01").await;
}

#[tokio::test]
async fn item_12_a_star_in_a_tag_or_session_name_is_only_a_star() {
    let (world, _) = world();
    let own =
        r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:toys:*:*:toy/${aws:PrincipalTag/owner}-01"}"#;
    let role = world.identities().role("tagged", &[&policy(own)], None);
    for (tag, fine) in
        [("ball", true), ("*", false), ("b*", false), ("????", false), ("${*}", false), ("\"", false)]
    {
        let request = SessionRequest {
            role: std::sync::Arc::clone(&role),
            session_name: "*".to_owned(),
            duration_s: 900,
            policies: None,
            tags: vec![("owner".to_owned(), tag.to_owned())],
            transitive_tags: Vec::new(),
            source_identity: None,
            bound_to: None,
            source_function: None,
        };
        let session = world.mint(request).await;
        if fine {
            allowed(&world, &session, "ball-01").await;
        } else {
            refused(&world, &session, "ball-01").await;
        }
    }
    let by_session = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:userid":"${aws:username}"}}}"#;
    refused(&world, &world.identities().user("*", &[&policy(by_session)]), "ball-01").await;
}

#[tokio::test]
async fn item_13_a_policy_that_cannot_be_read_is_refused_when_written_and_denies_when_met() {
    for text in [
        "",
        "{}",
        "[]",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Denny","Action":"*","Resource":"*"}]}"#,
    ] {
        assert!(Policy::parse(text, Kind::Identity).is_err(), "{text}");
    }
    let (world, shelf) = world();
    shelf.policy(&toy_arn(&world, "ball-01"), "{ not a policy");
    let before = world.digest();
    let answer = make(&world, &world.identities().root(), "ball-01").await;
    assert!(!answer.status.is_success(), "{}", answer.text());
    assert_eq!(world.digest(), before);
}

#[tokio::test]
async fn item_14_naming_the_account_delegates_and_grants_nothing() {
    let (world, shelf) = world();
    let arn = toy_arn(&world, "ball-01");
    let account = world.scope().account.as_str();
    for principal in [account.to_owned(), Arn::global(world.scope(), "iam", "root").as_str().to_owned()] {
        let text = format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"*","Resource":"*"}}"#
        );
        shelf.policy(&arn, &policy(&text));
        refused(&world, &world.identities().user("nobody", &[]), "ball-01").await;
    }
}

#[tokio::test]
async fn item_15_boundaries_sessions_and_accounts_limit_what_a_resource_grants() {
    let (world, shelf) = world();
    let arn = toy_arn(&world, "ball-01");
    let role = world.identities().role("worker", &[], None);
    let grant = |principal: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"*","Resource":"*"}}"#
        ))
    };
    shelf.policy(&arn, &grant(role.arn.as_str()));
    allowed(&world, &world.session(&role, 900, None).await, "ball-01").await;
    let little = policy(r#"{"Effect":"Allow","Action":"toys:LookAround","Resource":"*"}"#);
    refused(&world, &world.session(&role, 900, Some(&[&little])).await, "ball-01").await;

    let deny = policy(r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#);
    let alice = world.identities().user("alice", &[&deny]);
    let alice_arn = alice.caller.as_ref().map(Caller::arn_text).unwrap_or_default();
    shelf.policy(&arn, &grant(&alice_arn));
    refused(&world, &alice, "ball-01").await;

    let home = world.scope().account.clone();
    let bounded = world.identities().user_of(&home, "bounded", &[ALL], Some(&little));
    shelf
        .policy(&arn, &policy(r#"{"Effect":"Deny","Principal":"*","Action":"toys:Nothing","Resource":"*"}"#));
    refused(&world, &bounded, "ball-01").await;

    // Across accounts both sides must allow.
    let foreigner = world.identities().user_of(&world.other_account(), "foreigner", &[ALL], None);
    refused(&world, &foreigner, "ball-01").await;
    let powerless = world.identities().user_of(&world.other_account(), "powerless", &[], None);
    shelf.policy(&arn, &grant(world.other_account().as_str()));
    refused(&world, &powerless, "ball-01").await;
    allowed(&world, &foreigner, "ball-01").await;
}

#[tokio::test]
async fn item_16_an_explicit_deny_beats_a_public_resource() {
    let (world, shelf) = world();
    let open_to_all = policy(r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#);
    shelf.policy(&toy_arn(&world, "ball-01"), &open_to_all);
    assert!(world.call_unsigned("toys", "MakeToy", toy("ball-01")).await.status.is_success());
    let denied = user(&world, "denied", r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#);
    refused(&world, &denied, "ball-01").await;
}

#[tokio::test]
async fn item_18_a_role_named_like_a_service_is_not_that_service() {
    let (world, shelf) = world();
    let text = policy(
        r#"{"Effect":"Allow","Principal":{"Service":"shop.amazonaws.com"},"Action":"*","Resource":"*"}"#,
    );
    shelf.policy(&toy_arn(&world, "ball-01"), &text);
    for name in ["shop.amazonaws.com", "shop"] {
        let role = world.identities().role(name, &[], None);
        refused(&world, &world.session(&role, 900, None).await, "ball-01").await;
        refused(&world, &world.identities().user(name, &[]), "ball-01").await;
    }
}

#[tokio::test]
async fn item_19_every_item_of_a_call_is_authorised() {
    let (world, _) = world();
    let allow = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"{}"}}"#, toy_arn(&world, "ball-01"));
    let alice = world.identities().user("alice", &[&policy(&allow)]);
    let input = |more: &[&str]| {
        let more = more.iter().map(|name| Document::from(*name)).collect();
        Document::structure([("Name", "ball-01".into()), ("More", Document::List(more))])
    };
    assert!(world.call(&alice, "toys", "SwapToys", input(&["ball-01"])).await.status.is_success());
    for more in [&["bomb-01"][..], &["ball-01", "bomb-01"], &["bomb-01", "ball-01"]] {
        let answer = world.call(&alice, "toys", "SwapToys", input(more)).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
        assert!(answer.message().contains("bomb-01"), "{}", answer.message());
    }
}

#[tokio::test]
async fn item_22_a_recreated_identity_inherits_nothing() {
    let (world, shelf) = world();
    let people = world.identities();
    let old = people.user("alice", &[ALL]);
    allowed(&world, &old, "ball-01").await;
    people.delete(&unique_id(&old));
    let new = people.user("alice", &[]);
    // The old key still verifies, but its owner is gone.
    assert_eq!(make(&world, &old, "ball-01").await.code().as_deref(), Some("UnrecognizedClientException"));
    refused(&world, &new, "ball-01").await;

    let role = people.role("worker", &[ALL], None);
    let session = world.session(&role, 900, None).await;
    people.delete(&role.unique_id);
    let _again = people.role("worker", &[ALL], None);
    assert_eq!(
        make(&world, &session, "ball-01").await.code().as_deref(),
        Some("UnrecognizedClientException")
    );
    drop(shelf);
}

#[tokio::test]
async fn item_23_a_change_of_policy_bites_on_the_next_request_both_ways() {
    let (world, _) = world();
    let alice = world.identities().user("alice", &[ALL]);
    let id = unique_id(&alice);
    for _ in 0..3 {
        allowed(&world, &alice, "ball-01").await;
        world.identities().grant(&id, &[], None);
        refused(&world, &alice, "ball-01").await;
        world.identities().grant(&id, &[ALL], None);
    }
}

#[tokio::test]
async fn item_24_headers_of_proxies_set_no_condition_key() {
    let (world, _) = world();
    let only_inside = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#;
    let only_tls = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#;
    for statement in [only_inside, only_tls] {
        let alice = world.identities().user("alice", &[&policy(statement)]);
        let request = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"))
            .header("x-forwarded-for", "10.1.2.3")
            .header("x-forwarded-proto", "https")
            .header("forwarded", "for=10.1.2.3;proto=https")
            .header("x-real-ip", "10.1.2.3")
            .signed(&alice, "toys", "us-east-1", world.now());
        assert_eq!(world.send(&request).await.code().as_deref(), Some("AccessDeniedException"));
        let address = "10.1.2.3:1".parse().unwrap();
        assert!(world.send_from(Peer::Network { address, tls: true }, &request).await.status.is_success());
    }
}

#[tokio::test]
async fn item_25_a_pattern_made_to_stall_does_not() {
    let (world, _) = world();
    let stars = "a*".repeat(200);
    let deny = format!(r#"{{"Effect":"Deny","Action":"*","Resource":"arn:aws:toys:*:*:toy/{stars}b"}}"#);
    // An exponential matcher would not come back from this within the life of the universe.
    allowed(&world, &user(&world, "u", &deny), "aaaaaaaaaaaaaaaaa-01").await;
}

#[tokio::test]
async fn item_26_empty_lists_are_refused_when_written() {
    for field in [
        r#""NotAction":[],"Resource":"*""#,
        r#""Action":"*","NotResource":[]"#,
        r#""Action":[],"Resource":"*""#,
    ] {
        let text = policy(&format!(r#"{{"Effect":"Allow",{field}}}"#));
        assert!(Policy::parse(&text, Kind::Identity).is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_runs_nothing() {
    let (world, _) = world();
    let root = world.identities().root();
    let before = world.digest();
    for body in ["", "{", r#"{"Name":"ball-01"} {}"#, r#"{"Name":["ball-01"]}"#] {
        let request = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01")).body(body).signed(
            &root,
            "toys",
            "us-east-1",
            world.now(),
        );
        let answer = world.send(&request).await;
        assert_eq!(answer.code().as_deref(), Some("SerializationException"), "{body}: {}", answer.text());
        assert_eq!(world.digest(), before, "{body}");
    }
}

#[tokio::test]
async fn item_27_other_methods_reach_nothing() {
    let (world, _) = world();
    let root = world.identities().root();
    let before = world.digest();
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"] {
        let mut request = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"));
        request.method = method.parse().unwrap();
        let unsigned = world.send(&request).await;
        let signed = world.send(&request.signed(&root, "toys", "us-east-1", world.now())).await;
        assert!(!unsigned.status.is_success() && !signed.status.is_success(), "{method}");
    }
    assert_eq!(world.digest(), before);
}

#[tokio::test]
async fn item_28_internal_calls_have_no_rights_of_their_own() {
    let (world, shelf) = world();
    let root = world.identities().root();
    let order = |name: &'static str| world.call(&root, "shop", "Order", toy(name));
    // As itself: the toy's policy must admit the shop, for this very counter.
    assert_eq!(order("ball-01").await.code().as_deref(), Some("AccessDeniedException"));
    let grant = |source: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Principal":{{"Service":"shop.amazonaws.com"}},"Action":"*","Resource":"*","Condition":{{"ArnEquals":{{"aws:SourceArn":"{source}"}}}}}}"#
        ))
    };
    let arn = toy_arn(&world, "ball-01");
    shelf.policy(&arn, &grant("arn:aws:shop:us-east-1:210987654321:counter/1"));
    assert_eq!(order("ball-01").await.code().as_deref(), Some("AccessDeniedException"));
    shelf.policy(&arn, &grant(Arn::regional(world.scope(), "shop", "counter/1").as_str()));
    assert!(order("ball-01").await.status.is_success());

    // As the caller: the caller's rights decide, and only on what the trust map lists.
    assert!(order("Caller-01").await.status.is_success());
    let clerk = world
        .identities()
        .user("clerk", &[&policy(r#"{"Effect":"Allow","Action":"shop:*","Resource":"*"}"#)]);
    let answer = world.call(&clerk, "shop", "Order", toy("Caller-01")).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
    let answer = order("Untrusted-01").await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
}

#[tokio::test]
async fn tags_of_a_resource_are_read_when_a_policy_asks_and_never_from_the_request() {
    let (world, shelf) = world();
    let own = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/owner":"${aws:username}"}}}"#;
    let alice = world.identities().user("alice", &[&policy(own)]);
    refused(&world, &alice, "ball-01").await;
    shelf.tag(&toy_arn(&world, "ball-01"), "owner", "bob");
    refused(&world, &alice, "ball-01").await;
    shelf.tag(&toy_arn(&world, "ball-01"), "owner", "alice");
    allowed(&world, &alice, "ball-01").await;
}

#[tokio::test]
async fn a_session_is_refused_without_its_own_token() {
    let (world, _) = world();
    let role = world.identities().role("worker", &[ALL], None);
    let first = world.session(&role, 900, None).await;
    let second = world.session(&role, 900, None).await;
    for token in [None, second.session_token.clone(), Some("x".to_owned())] {
        let wrong = Credentials { session_token: token, ..first.clone() };
        let before = world.digest();
        let answer = make(&world, &wrong, "ball-01").await;
        assert_eq!(answer.code().as_deref(), Some("UnrecognizedClientException"), "{}", answer.text());
        assert_eq!(world.digest(), before);
    }
    let with_token = world.identities().root().with_token("x");
    assert_eq!(
        make(&world, &with_token, "ball-01").await.code().as_deref(),
        Some("UnrecognizedClientException")
    );
    allowed(&world, &first, "ball-01").await;
}

#[tokio::test]
async fn a_broken_signature_is_an_error_even_where_strangers_may_enter() {
    let (world, shelf) = world();
    let open_to_all = policy(r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#);
    shelf.policy(&toy_arn(&world, "ball-01"), &open_to_all);
    let unsigned = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"));
    let before = world.digest();
    for header in
        ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA512 Credential=a", "AWS a:b"]
    {
        let answer = world.send(&unsigned.clone().header("authorization", header)).await;
        assert_eq!(
            answer.code().as_deref(),
            Some("IncompleteSignatureException"),
            "{header}: {}",
            answer.text()
        );
    }
    let wrong = Credentials { secret: "another".to_owned().into(), ..world.identities().root() };
    assert_eq!(make(&world, &wrong, "ball-01").await.code().as_deref(), Some("InvalidSignatureException"));
    assert_eq!(world.digest(), before);
    assert!(world.send(&unsigned).await.status.is_success());
}

#[tokio::test]
async fn time_and_scope_are_judged_before_the_key_so_that_keys_cannot_be_probed() {
    let (world, _) = world();
    let unknown = Credentials::new("AKIAUNKNOWN000000000", "x");
    let op = world.operation("toys", "MakeToy");
    let request = |service: &str, seconds: i64| {
        Request::of(op, &toy("ball-01")).signed(
            &unknown,
            service,
            "us-east-1",
            world.now().plus_seconds(seconds),
        )
    };
    let stale = world.send(&request("toys", -901)).await;
    assert!(stale.message().starts_with("Signature expired"), "{}", stale.text());
    let fresh = world.send(&request("toys", 0)).await;
    assert_eq!(fresh.code().as_deref(), Some("UnrecognizedClientException"));
    // A scope that cannot be read comes between the two.
    let without_service = |seconds: i64| {
        let mut request = request("toys", seconds);
        let (_, value) = request.headers.iter_mut().find(|(name, _)| name == "authorization").unwrap();
        let text = value.to_str().unwrap();
        assert!(text.contains("/toys/"), "{text}");
        *value = text.replacen("/toys/", "/", 1).parse().unwrap();
        request
    };
    let stale = world.send(&without_service(-901)).await;
    assert!(stale.message().starts_with("Signature expired"), "{}", stale.text());
    let fresh = world.send(&without_service(0)).await;
    assert_eq!(fresh.code().as_deref(), Some("IncompleteSignatureException"), "{}", fresh.text());
    assert!(fresh.message().starts_with("Credential must have exactly 5"), "{}", fresh.text());
}

#[tokio::test]
async fn the_operation_cannot_be_chosen_by_an_unsigned_header() {
    let (world, _) = world();
    let root = world.identities().root();
    let mut request = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"));
    let targets: Vec<_> = request.headers.extract_if(.., |(name, _)| name == "x-amz-target").collect();
    let mut signed = request.signed(&root, "toys", "us-east-1", world.now());
    signed.headers.extend(targets);
    let before = world.digest();
    assert_eq!(world.send(&signed).await.code().as_deref(), Some("InvalidSignatureException"));
    assert_eq!(world.digest(), before);
}
