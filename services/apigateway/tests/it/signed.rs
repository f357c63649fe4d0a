//! `AWS_IAM`: signatures, policies, and that signature and route see the same path.

use casemate_testkit::Request;
use http::Method;
use serde_json::json;

use crate::{Api, Scene, expected, shown};

async fn guarded() -> (Scene, Api) {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.proxy(&api, "ANY", "/x", json!({"authorizationType": "AWS_IAM"}), "echo").await;
    scene.proxy(&api, "GET", "/f/{p+}", json!({"authorizationType": "AWS_IAM"}), "echo").await;
    scene.deploy(&api).await;
    (scene, api)
}

fn policy(effect: &str, resource: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}})
        .to_string()
}

fn signed(scene: &Scene, who: &casemate_testkit::Credentials, request: Request) -> Request {
    request.signed(who, "execute-api", "us-east-1", scene.world.now())
}

#[tokio::test]
async fn a_signed_caller_with_rights_is_named_in_the_event() {
    let (scene, api) = guarded().await;
    let arn = format!("arn:aws:execute-api:us-east-1:123456789012:{}/prod/GET/x", api.id);
    let bob = scene.world.identities().user("bob", &[&policy("Allow", &arn)]);
    let answer = scene.send(signed(&scene, &bob, scene.request(&api, Method::GET, "/x"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let event = answer.json();
    let identity = &event["requestContext"]["identity"];
    assert_eq!(identity["userArn"], "arn:aws:iam::123456789012:user/bob");
    assert_eq!(
        (&identity["accessKey"], &identity["accountId"]),
        (&json!(bob.access_key_id), &json!("123456789012"))
    );
    assert!(identity["user"].as_str().unwrap().starts_with("AIDA"));
    assert!(event["headers"].get("Authorization").is_none(), "the signature is not passed on");
    let presigned = scene.request(&api, Method::GET, "/x?a=1").presigned(
        &bob,
        "execute-api",
        "us-east-1",
        scene.world.now(),
        60,
    );
    let answer = scene.send(presigned).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.json()["queryStringParameters"].get("X-Amz-Signature").is_none());
    let post = signed(&scene, &bob, scene.request(&api, Method::POST, "/x"));
    let denied = format!(
        r#"{{"Message":"User: arn:aws:iam::123456789012:user/bob is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********9012:{}/prod/POST/x"}}"#,
        api.id
    );
    assert_eq!(shown(&scene.send(post).await), expected(403, &denied, "AccessDeniedException"));
}

#[tokio::test]
async fn tags_that_nobody_was_asked_for_are_unknown() {
    let (scene, api) = guarded().await;
    let by_tag = |effect: &str, operator: &str| {
        json!({"Version": "2012-10-17", "Statement": {"Effect": effect, "Action": "execute-api:Invoke",
            "Resource": "*", "Condition": {operator: {"aws:ResourceTag/team": "a"}}}})
        .to_string()
    };
    for operator in ["StringEquals", "StringNotEquals"] {
        let people = scene.world.identities();
        let allowed = people.user("allowed", &[&by_tag("Allow", operator)]);
        let denied = people.user("denied", &[crate::ALLOW_ALL, &by_tag("Deny", operator)]);
        for who in [&allowed, &denied] {
            let answer = scene.send(signed(&scene, who, scene.request(&api, Method::GET, "/x"))).await;
            assert_eq!(answer.status, 403, "{operator}");
        }
    }
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let (scene, api) = guarded().await;
    let people = scene.world.identities();
    let nobody = people.user("nobody", &[]);
    let denied = people.user("denied", &[crate::ALLOW_ALL, &policy("Deny", "*")]);
    let foreigner = people.user_of(&scene.world.other_account(), "foreigner", &[crate::ALLOW_ALL], None);
    let other_api =
        people.user("other", &[&policy("Allow", "arn:aws:execute-api:us-east-1:123456789012:zzzzzzzzzz/*")]);
    for who in [&nobody, &denied, &foreigner, &other_api] {
        let answer = scene.send(signed(&scene, who, scene.request(&api, Method::GET, "/x"))).await;
        assert_eq!((answer.status.as_u16(), answer.code().unwrap().as_str()), (403, "AccessDeniedException"));
    }
    let explicit = scene.send(signed(&scene, &denied, scene.request(&api, Method::GET, "/x"))).await;
    assert!(explicit.text().contains("with an explicit deny"), "{}", explicit.text());
    assert!(scene.functions.events("echo").is_empty());
}

#[tokio::test]
async fn bad_signatures_are_refused_in_aws_words() {
    let (scene, api) = guarded().await;
    let people = scene.world.identities();
    let now = scene.world.now();
    let get = || scene.request(&api, Method::GET, "/x");
    let missing =
        expected(403, r#"{"message":"Missing Authentication Token"}"#, "MissingAuthenticationTokenException");
    assert_eq!(shown(&scene.send(get()).await), missing);
    let role = people.role("r", &[crate::ALLOW_ALL], None);
    let session = scene.world.session(&role, 900, None).await;
    let inactive = people.user("inactive", &[crate::ALLOW_ALL]);
    people.deactivate(&inactive.access_key_id);
    let mut wrong = scene.admin.clone();
    wrong.secret = inactive.secret.clone();
    let body = scene
        .request(&api, Method::POST, "/x")
        .body("a")
        .signed(&scene.admin, "execute-api", "us-east-1", now)
        .body("b");
    let unsigned_payload = scene
        .request(&api, Method::POST, "/x")
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .body("a")
        .signed(&scene.admin, "execute-api", "us-east-1", now)
        .body("b");
    for (what, request, code) in [
        ("wrong secret", get().signed(&wrong, "execute-api", "us-east-1", now), "InvalidSignatureException"),
        (
            "stale",
            get().signed(&scene.admin, "execute-api", "us-east-1", now.plus_seconds(-901)),
            "InvalidSignatureException",
        ),
        (
            "other service",
            get().signed(&scene.admin, "apigateway", "us-east-1", now),
            "InvalidSignatureException",
        ),
        (
            "other region",
            get().signed(&scene.admin, "execute-api", "eu-west-1", now),
            "InvalidSignatureException",
        ),
        ("swapped body", body, "InvalidSignatureException"),
        ("unsigned payload", unsigned_payload, "InvalidSignatureException"),
        ("inactive", get().signed(&inactive, "execute-api", "us-east-1", now), "UnrecognizedClientException"),
        (
            "garbage",
            get().header("authorization", "AWS4-HMAC-SHA256 nonsense"),
            "IncompleteSignatureException",
        ),
    ] {
        let answer = scene.send(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().unwrap().as_str()),
            (403, code),
            "{what}: {}",
            answer.text()
        );
    }
    scene.world.clock.advance_seconds(901);
    let expired = scene.send(signed(&scene, &session, get())).await;
    assert_eq!((expired.status.as_u16(), expired.code().unwrap().as_str()), (403, "ExpiredTokenException"));
    assert!(scene.functions.events("echo").is_empty());
}

#[tokio::test]
async fn a_captured_signature_does_not_fit_another_spelling_of_the_path() {
    let (scene, api) = guarded().await;
    let good = signed(&scene, &scene.admin, scene.request(&api, Method::GET, "/f/b"));
    assert_eq!(scene.send(good.clone()).await.status, 200);
    for path in ["/f/a/../b", "//f/b", "/f//b", "/f/./b", "/f/a/%2e%2e/b"] {
        let moved = Request { target: format!("/_aws/execute-api/{}/prod{path}", api.id), ..good.clone() };
        assert_eq!(scene.send(moved).await.status, 403, "captured, {path}");
    }
    for path in ["/f//b", "//f/b"] {
        let own = signed(&scene, &scene.admin, scene.request(&api, Method::GET, path));
        let answer = scene.send(own).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().unwrap().as_str()),
            (403, "InvalidSignatureException"),
            "{path}"
        );
    }
    assert_eq!(scene.functions.events("echo").len(), 1);
}

#[tokio::test]
async fn credentials_of_an_environment_are_worth_nothing_elsewhere() {
    let (scene, api) = guarded().await;
    let role = scene.world.identities().role("fn", &[crate::ALLOW_ALL], None);
    let bound = scene.world.bound_session(&role, 900, None, Some("env-1")).await;
    let request = signed(&scene, &bound, scene.request(&api, Method::GET, "/x"));
    assert_eq!(scene.send(request).await.status, 403);
    assert!(scene.world.last_record().alarm.is_some());
}

#[tokio::test]
async fn a_decoy_key_is_refused_as_an_unknown_one_and_raises_an_alarm_on_every_route() {
    let (scene, api) = guarded().await;
    scene.mock(&api, "GET", "/open", json!({})).await;
    scene.deploy(&api).await;
    let decoy = scene.world.env().plant_decoy("the cellar".to_owned()).unwrap();
    let with = |id: &str, secret: &str| casemate_testkit::Credentials {
        access_key_id: id.to_owned(),
        secret: secret.to_owned().into(),
        ..scene.admin.clone()
    };
    let get = |path: &str, who: &casemate_testkit::Credentials| {
        signed(&scene, who, scene.request(&api, Method::GET, path))
    };
    let unknown = scene.send(get("/x", &with("AKIAUNKNOWN000000000", "x"))).await;
    assert_eq!(unknown.status, 403);
    assert!(scene.world.last_record().alarm.is_none());
    let alarmed = || {
        let alarm = scene.world.last_record().alarm.expect("an alarm");
        assert!(alarm.contains("the decoy key of the cellar was used from"), "{alarm}");
    };
    for secret in [decoy.secret_access_key().expose().as_str(), "guessed"] {
        let bait = with(decoy.access_key_id(), secret);
        assert_eq!(shown(&scene.send(get("/x", &bait)).await), shown(&unknown));
        alarmed();
        let presigned = scene.request(&api, Method::GET, "/x").presigned(
            &bait,
            "execute-api",
            "us-east-1",
            scene.world.now(),
            60,
        );
        assert_eq!(shown(&scene.send(presigned).await), shown(&unknown));
        alarmed();
        // Where no signature is asked for none is refused; who carries the key is noticed all the same.
        assert_eq!(scene.send(get("/open", &bait)).await.status, 200);
        alarmed();
        scene.send(get("/nowhere", &bait)).await;
        alarmed();
    }
    assert!(scene.functions.events("echo").is_empty());
}
