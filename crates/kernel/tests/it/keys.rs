//! The global condition keys, each with the very value that the facts give it: a Deny that names it fires, and one that
//! names any other value does not. A key that were absent by mistake would lose every Deny that rests on it.

mod impossible;

use std::{cell::Cell, net::SocketAddr, sync::Arc};

use casemate_kernel::{Caller, Peer, SessionRequest};
use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Request, World};

use crate::toys::{Shelf, builder, toy};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const OPEN: &str = r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#;
const CLIENT: &str = "203.0.113.7:50000";

/// The ways a call reaches a toy.
enum Way<'a> {
    Signed(&'a Credentials),
    Unsigned,
    /// The shop for itself, on an order of this customer.
    Shop(&'a Credentials),
    /// The shop for its customer.
    Through(&'a Credentials),
}

struct Scene {
    world: World,
    shelf: Arc<Shelf>,
    tls: bool,
    /// Headers that every request has besides.
    headers: Cell<&'static [(&'static str, &'static str)]>,
}

impl Scene {
    fn new() -> Self {
        let (builder, shelf) = builder();
        let world = builder.service("sts", "sts.amazonaws.com", casemate_sts::open).start();
        Self { world, shelf, tls: false, headers: Cell::new(&[]) }
    }

    /// Does the call succeed where the toy is everybody's, but for this condition?
    async fn reaches(&self, way: &Way<'_>, condition: &str) -> bool {
        let (operation, service, name) = match way {
            Way::Signed(_) | Way::Unsigned => ("MakeToy", "toys", "ball-01"),
            Way::Shop(_) => ("Order", "shop", "ball-01"),
            Way::Through(_) => ("Order", "shop", "Caller-01"),
        };
        let arn = Arn::regional(self.world.scope(), "toys", &format!("toy/{name}"));
        let deny = format!(
            r#"{{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{condition}}}"#
        );
        self.shelf.policy(&arn, &format!(r#"{{"Version":"2012-10-17","Statement":[{OPEN},{deny}]}}"#));
        let request = Request::of(self.world.operation(service, operation), &toy(name))
            .header("user-agent", "teddy/1.0")
            .header("referer", "https://example.com/shelf");
        let request =
            self.headers.get().iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = match way {
            Way::Unsigned => request,
            Way::Signed(who) | Way::Shop(who) | Way::Through(who) => {
                request.signed(who, service, "us-east-1", self.world.now())
            }
        };
        let address: SocketAddr = CLIENT.parse().unwrap();
        let answer = self.world.send_from(Peer::Network { address, tls: self.tls }, &request).await;
        answer.status.is_success()
    }

    /// The key has this one value, and no other.
    async fn has(&self, way: &Way<'_>, key: &str, value: &str) {
        let with = |value: &str| format!(r#"{{"StringEquals":{{"{key}":"{value}"}}}}"#);
        assert!(!self.reaches(way, &with(value)).await, "{key} is not {value}");
        assert!(self.reaches(way, &with(&format!("{value}x"))).await, "{key} is also something else");
    }

    /// The key has this value among others.
    async fn lists(&self, way: &Way<'_>, key: &str, value: &str) {
        let with = |value: &str| format!(r#"{{"ForAnyValue:StringEquals":{{"{key}":"{value}"}}}}"#);
        assert!(!self.reaches(way, &with(value)).await, "{key} does not list {value}");
        assert!(self.reaches(way, &with(&format!("{value}x"))).await, "{key} also lists something else");
    }

    /// The key is known to be absent.
    async fn lacks(&self, way: &Way<'_>, keys: &[&str]) {
        for key in keys {
            let with = |absent: bool| format!(r#"{{"Null":{{"{key}":"{absent}"}}}}"#);
            assert!(!self.reaches(way, &with(true)).await, "{key} is there");
            assert!(self.reaches(way, &with(false)).await, "{key} is there or unknown");
        }
    }

    fn ann(&self) -> Credentials {
        self.world.identities().user("ann", &[ALL])
    }

    async fn made(&self, who: &Credentials, operation: &str, input: Document) -> Credentials {
        let answer = self.world.call(who, "sts", operation, input).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        let element = |name: &str| answer.element(name).unwrap();
        Credentials::new(element("AccessKeyId"), element("SecretAccessKey"))
            .with_token(element("SessionToken"))
    }
}

/// What only a service that calls for itself has.
const OF_SERVICES: [&str; 5] = [
    "aws:PrincipalServiceName",
    "aws:PrincipalServiceNamesList",
    "aws:SourceArn",
    "aws:SourceAccount",
    "aws:SourceOrgID",
];
/// What only a call through a service has.
const OF_CHAINS: [&str; 3] = ["aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast"];
// tidy: a global key of function sessions, named so by AWS
const SOURCE_FUNCTION: &str = "lambda:SourceFunctionArn";

#[tokio::test]
async fn keys_of_a_user_and_of_the_request() {
    let scene = Scene::new();
    let ann = scene.ann();
    let Some(Caller::User { unique_id, .. }) = &ann.caller else { panic!("not a user") };
    let way = Way::Signed(&ann);
    for (key, value) in [
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:user/ann"),
        ("aws:PrincipalAccount", "123456789012"),
        ("aws:PrincipalType", "User"),
        ("aws:userid", unique_id),
        ("aws:username", "ann"),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:ViaAWSService", "false"),
        ("aws:SourceIp", "203.0.113.7"),
        ("aws:SecureTransport", "false"),
        ("aws:UserAgent", "teddy/1.0"),
        ("aws:referer", "https://example.com/shelf"),
        ("aws:CurrentTime", "2026-11-24T00:00:00Z"),
        ("aws:EpochTime", "1795478400"),
        ("aws:RequestedRegion", "us-east-1"),
        ("aws:ResourceAccount", "123456789012"),
    ] {
        scene.has(&way, key, value).await;
    }
    scene.lacks(&way, &OF_SERVICES).await;
    scene.lacks(&way, &OF_CHAINS).await;
    scene
        .lacks(
            &way,
            &[
                "aws:TokenIssueTime",
                "aws:MultiFactorAuthPresent",
                "aws:MultiFactorAuthAge",
                "aws:FederatedProvider",
                "aws:SourceIdentity",
                SOURCE_FUNCTION,
            ],
        )
        .await;
    let scene = Scene { tls: true, ..scene };
    scene.has(&way, "aws:SecureTransport", "true").await;
}

#[tokio::test]
async fn keys_of_a_role_session() {
    let scene = Scene::new();
    let role = scene.world.identities().role("worker", &[ALL], None);
    let function = Arn::regional(scene.world.scope(), "toys", "machine/f");
    let session = scene
        .world
        .mint(SessionRequest {
            role: Arc::clone(&role),
            session_name: "s-1".to_owned(),
            duration_s: 900,
            policies: None,
            tags: vec![("Team".to_owned(), "blue".to_owned())],
            transitive_tags: Vec::new(),
            source_identity: Some("eve".to_owned()),
            bound_to: None,
            source_function: Some(function.clone()),
        })
        .await;
    let way = Way::Signed(&session);
    for (key, value) in [
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:role/worker"),
        ("aws:PrincipalAccount", "123456789012"),
        ("aws:PrincipalType", "AssumedRole"),
        ("aws:userid", &format!("{}:s-1", role.unique_id)),
        ("aws:PrincipalTag/Team", "blue"),
        ("aws:TokenIssueTime", "2026-11-24T00:00:00Z"),
        ("aws:MultiFactorAuthPresent", "false"),
        ("aws:SourceIdentity", "eve"),
        (SOURCE_FUNCTION, function.as_str()),
    ] {
        scene.has(&way, key, value).await;
    }
    scene.lacks(&way, &OF_SERVICES).await;
    scene.lacks(&way, &["aws:username", "aws:MultiFactorAuthAge", "aws:PrincipalTag/Other"]).await;
}

#[tokio::test]
async fn tags_that_are_transitive_and_the_source_identity_pass_on_to_the_next_role() {
    let scene = Scene::new();
    let ids = scene.world.identities();
    let first = ids.role("first", &[ALL], None);
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},
        "Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}"#;
    let second = ids.role("second", &[ALL], Some(trust));
    let tag = |key: &str| (key.to_owned(), "blue".to_owned());
    let session = scene
        .world
        .mint(SessionRequest {
            role: first,
            session_name: "s-1".to_owned(),
            duration_s: 900,
            policies: None,
            tags: vec![tag("Team"), tag("Desk")],
            transitive_tags: vec!["Team".to_owned()],
            source_identity: Some("eve".to_owned()),
            bound_to: None,
            source_function: None,
        })
        .await;
    let input =
        Document::structure([("RoleArn", second.arn.as_str().into()), ("RoleSessionName", "s-2".into())]);
    let next = scene.made(&session, "AssumeRole", input).await;
    let way = Way::Signed(&next);
    scene.has(&way, "aws:PrincipalTag/Team", "blue").await;
    scene.has(&way, "aws:SourceIdentity", "eve").await;
    scene.lacks(&way, &["aws:PrincipalTag/Desk"]).await;
}

#[tokio::test]
async fn keys_of_the_root_and_of_temporary_credentials() {
    let scene = Scene::new();
    let root = scene.world.identities().root();
    for (key, value) in [
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:root"),
        ("aws:PrincipalAccount", "123456789012"),
        ("aws:PrincipalType", "Account"),
        ("aws:userid", "123456789012"),
    ] {
        scene.has(&Way::Signed(&root), key, value).await;
    }
    scene.lacks(&Way::Signed(&root), &["aws:username", "aws:TokenIssueTime"]).await;

    let ann = scene.ann();
    let session = scene.made(&ann, "GetSessionToken", Document::empty()).await;
    for (key, value) in [
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:user/ann"),
        ("aws:PrincipalAccount", "123456789012"),
        ("aws:PrincipalType", "User"),
        ("aws:username", "ann"),
        ("aws:TokenIssueTime", "2026-11-24T00:00:00Z"),
        ("aws:MultiFactorAuthPresent", "false"),
    ] {
        scene.has(&Way::Signed(&session), key, value).await;
    }

    let tag = Document::structure([("Key", "Team".into()), ("Value", "blue".into())]);
    let tags = Document::List(vec![tag]);
    let input = Document::structure([("Name", "bob".into()), ("Policy", ALL.into()), ("Tags", tags)]);
    let bob = scene.made(&ann, "GetFederationToken", input).await;
    // A grant to everybody is none to a federated user beyond its policies, which here allow everything.
    for (key, value) in [
        ("aws:PrincipalArn", "arn:aws:sts::123456789012:federated-user/bob"),
        ("aws:PrincipalAccount", "123456789012"),
        ("aws:PrincipalType", "FederatedUser"),
        ("aws:userid", "123456789012:bob"),
        ("aws:PrincipalTag/Team", "blue"),
        ("aws:TokenIssueTime", "2026-11-24T00:00:00Z"),
        ("aws:MultiFactorAuthPresent", "false"),
    ] {
        scene.has(&Way::Signed(&bob), key, value).await;
    }
    scene.lacks(&Way::Signed(&bob), &["aws:username"]).await;
}

#[tokio::test]
async fn a_session_made_with_a_code_says_so_and_how_long_ago_that_was() {
    let scene = Scene::new();
    let ann = scene.ann();
    let Some(Caller::User { unique_id, .. }) = &ann.caller else { panic!("not a user") };
    let serial = "arn:aws:iam::123456789012:mfa/ann";
    scene.world.identities().device(unique_id, serial, "123456");
    let input = Document::structure([("SerialNumber", serial.into()), ("TokenCode", "123456".into())]);
    let session = scene.made(&ann, "GetSessionToken", input).await;
    let way = Way::Signed(&session);
    scene.has(&way, "aws:MultiFactorAuthPresent", "true").await;
    scene.has(&way, "aws:MultiFactorAuthAge", "0").await;
    scene.world.clock.advance_seconds(90);
    scene.has(&way, "aws:MultiFactorAuthAge", "90").await;
}

#[tokio::test]
async fn keys_of_a_stranger() {
    let scene = Scene::new();
    scene.has(&Way::Unsigned, "aws:PrincipalType", "Anonymous").await;
    scene.has(&Way::Unsigned, "aws:PrincipalIsAWSService", "false").await;
    scene.has(&Way::Unsigned, "aws:SourceIp", "203.0.113.7").await;
    scene
        .lacks(
            &Way::Unsigned,
            &["aws:PrincipalArn", "aws:PrincipalAccount", "aws:userid", "aws:username", "aws:TokenIssueTime"],
        )
        .await;
    scene.lacks(&Way::Unsigned, &OF_SERVICES).await;
}

#[tokio::test]
async fn keys_of_a_service_that_calls_for_itself() {
    let scene = Scene::new();
    let ann = scene.ann();
    let way = Way::Shop(&ann);
    for (key, value) in [
        ("aws:PrincipalIsAWSService", "true"),
        ("aws:PrincipalServiceName", "shop.amazonaws.com"),
        ("aws:SourceArn", "arn:aws:shop:us-east-1:123456789012:counter/1"),
        ("aws:SourceAccount", "123456789012"),
        ("aws:ViaAWSService", "false"),
    ] {
        scene.has(&way, key, value).await;
    }
    scene.lists(&way, "aws:PrincipalServiceNamesList", "shop.amazonaws.com").await;
    // Neither its customer nor where that customer is.
    scene.lacks(&way, &OF_CHAINS).await;
    scene
        .lacks(
            &way,
            &[
                "aws:PrincipalArn",
                "aws:PrincipalAccount",
                "aws:userid",
                "aws:username",
                "aws:SourceIp",
                "aws:referer",
            ],
        )
        .await;
}

#[tokio::test]
async fn keys_of_a_call_through_a_service() {
    let scene = Scene::new();
    let ann = scene.ann();
    let way = Way::Through(&ann);
    for (key, value) in [
        ("aws:ViaAWSService", "true"),
        ("aws:CalledViaFirst", "shop.amazonaws.com"),
        ("aws:CalledViaLast", "shop.amazonaws.com"),
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:user/ann"),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:SourceIp", "203.0.113.7"),
        ("aws:UserAgent", "shop.amazonaws.com"),
    ] {
        scene.has(&way, key, value).await;
    }
    scene.lists(&way, "aws:CalledVia", "shop.amazonaws.com").await;
    scene.lacks(&way, &["aws:referer"]).await;
    scene.lacks(&way, &OF_SERVICES).await;
}

#[tokio::test]
async fn the_tags_that_a_user_has_itself_are_keys() {
    let scene = Scene::new();
    let ann = scene.world.identities().user("ann", &[ALL]);
    let Some(Caller::User { unique_id, .. }) = &ann.caller else { panic!("a user") };
    scene.lacks(&Way::Signed(&ann), &["aws:PrincipalTag/Team"]).await;
    scene.world.identities().tag(unique_id, "Team", "blue");
    for way in [Way::Signed(&ann), Way::Through(&ann)] {
        scene.has(&way, "aws:PrincipalTag/Team", "blue").await;
        scene.lacks(&way, &["aws:PrincipalTag/Desk"]).await;
    }
    // The shop's own order is not its customer's.
    scene.lacks(&Way::Shop(&ann), &["aws:PrincipalTag/Team"]).await;
}
