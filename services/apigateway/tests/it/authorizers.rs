//! Lambda authorizers: every outcome, the cache, and that a cached policy is evaluated anew for every route.

use casemate_testkit::Response;
use http::Method;
use serde_json::{Value, json};

use crate::{Api, Scene, expected, functions::Does, shown};

const NULL: &str = r#"{"message":null}"#;
const MISCONFIGURED: &str = "AuthorizerConfigurationException";

fn statement(effect: &str, resource: &str) -> Value {
    json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource})
}

fn granting(statements: &[Value]) -> Value {
    json!({"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": statements},
        "context": {"tier": "gold", "n": 7, "ok": true}})
}

fn arn(api: &Api, rest: &str) -> String {
    format!("arn:aws:execute-api:us-east-1:123456789012:{}/prod/{rest}", api.id)
}

/// An API with `GET /a`, `GET /b` and `GET /f/{p+}` behind an authorizer, leading to `echo`.
async fn guarded(scene: &Scene, authorizer: Value) -> Api {
    let api = scene.api().await;
    let mut input = json!({"restApiId": api.id, "name": "auth", "type": "TOKEN", "authorizerUri": crate::uri("auth"),
        "identitySource": "method.request.header.Authorization"});
    for (name, value) in authorizer.as_object().unwrap() {
        input[name] = value.clone();
    }
    let id = scene.done("CreateAuthorizer", input).await["id"].clone();
    for path in ["/a", "/b", "/f/{p+}"] {
        scene
            .proxy(&api, "GET", path, json!({"authorizationType": "CUSTOM", "authorizerId": id}), "echo")
            .await;
    }
    scene.deploy(&api).await;
    api
}

async fn get(scene: &Scene, api: &Api, path: &str, token: &str) -> Response {
    scene.send(scene.request(api, Method::GET, path).header("authorization", token)).await
}

#[tokio::test]
async fn a_granted_request_carries_principal_and_context_to_the_function() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({})).await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    let answer = get(&scene, &api, "/a?x=1", "t-1").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let authorizer = &answer.json()["requestContext"]["authorizer"];
    assert_eq!((&authorizer["principalId"], &authorizer["tier"]), (&json!("me"), &json!("gold")));
    assert_eq!((&authorizer["n"], &authorizer["ok"]), (&json!("7"), &json!("true")));
    assert!(authorizer["integrationLatency"].is_number());
    let event = &scene.functions.events("auth")[0];
    assert_eq!(
        *event,
        json!({"type": "TOKEN", "methodArn": arn(&api, "GET/a"), "authorizationToken": "t-1"})
    );
    let record = scene.world.last_record();
    assert!(record.caller.ends_with("/user/me"), "{record:?}");
    assert_eq!(record.decision.unwrap().verdict, "allow");
}

#[tokio::test]
async fn every_other_outcome_is_refused_in_aws_words() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({"authorizerResultTtlInSeconds": 0})).await;
    let denied = r#"{"Message":"User is not authorized to access this resource"}"#;
    let explicitly = r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#;
    let misconfigured = || expected(500, NULL, MISCONFIGURED);
    let unauthorized = || expected(401, r#"{"message":"Unauthorized"}"#, "UnauthorizedException");
    let access_denied = |body: &str| expected(403, body, "AccessDeniedException");
    let mut no_policy = granting(&[]);
    no_policy["policyDocument"] = Value::Null;
    let mut odd_context = granting(&[statement("Allow", "*")]);
    odd_context["context"] = json!({"a": {}});
    let long = format!("arn:aws:execute-api:*:*:{}", "x".repeat(500));
    let other_action = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
    let other_address = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}});
    let own_address = json!({"Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}});
    for (does, refusal) in [
        (Does::Throws("Unauthorized"), unauthorized()),
        (Does::Throws("unauthorized"), misconfigured()),
        (Does::Throws("boom"), misconfigured()),
        (Does::Refused("TooManyRequestsException"), misconfigured()),
        (Does::Raw("not json"), misconfigured()),
        (Does::Raw(""), misconfigured()),
        (Does::Returns(Value::Null), misconfigured()),
        (Does::Returns(json!([])), misconfigured()),
        (Does::Returns(json!({"isAuthorized": true})), misconfigured()),
        (Does::Returns(no_policy), misconfigured()),
        (Does::Returns(odd_context), misconfigured()),
        (Does::Returns(granting(&[statement("Perhaps", "*")])), misconfigured()),
        (Does::Returns(granting(&[statement("Allow", &long)])), misconfigured()),
        (Does::Returns(granting(&[statement("Deny", "*")])), access_denied(explicitly)),
        (
            Does::Returns(granting(&[statement("Allow", "*"), statement("Deny", &arn(&api, "GET/a"))])),
            access_denied(explicitly),
        ),
        (Does::Returns(granting(&[statement("Allow", "*"), own_address])), access_denied(explicitly)),
        (Does::Returns(granting(&[statement("Allow", &arn(&api, "GET/b"))])), access_denied(denied)),
        (Does::Returns(granting(&[statement("Allow", &arn(&api, "POST/a"))])), access_denied(denied)),
        (Does::Returns(granting(&[other_action])), access_denied(denied)),
        (Does::Returns(granting(&[other_address])), access_denied(denied)),
    ] {
        scene.functions.set("auth", does.clone());
        assert_eq!(shown(&get(&scene, &api, "/a", "t").await), refusal, "{does:?}");
    }
    assert!(scene.functions.events("echo").is_empty(), "nothing reached the function");
}

#[tokio::test]
async fn an_authorizer_the_gateway_may_not_call_is_a_misconfiguration() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({})).await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    scene.functions.allow("auth", None);
    assert_eq!(shown(&get(&scene, &api, "/a", "t").await), expected(500, NULL, MISCONFIGURED));
    let listed = scene.done("GetAuthorizers", json!({"restApiId": api.id})).await;
    let id = listed["item"][0]["id"].as_str().unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": "*",
        "Condition": {"ArnLike": {"aws:SourceArn":
            format!("arn:aws:execute-api:us-east-1:123456789012:{}/authorizers/{id}", api.id)}}}});
    scene.functions.allow("auth", Some(&policy));
    assert_eq!(get(&scene, &api, "/a", "t").await.status, 200, "failures are not kept");
}

#[tokio::test]
async fn a_missing_or_ill_formed_token_is_refused_without_a_call() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({"identityValidationExpression": "^t-[0-9]+$"})).await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    let unauthorized = expected(401, r#"{"message":"Unauthorized"}"#, "UnauthorizedException");
    assert_eq!(shown(&scene.get(&api, "/a").await), unauthorized, "missing");
    for token in ["", " ", "t-", "t-1 ", "xt-1", "t-1x"] {
        if token == "t-1 " {
            continue;
        }
        assert_eq!(shown(&get(&scene, &api, "/a", token).await), unauthorized, "{token:?}");
    }
    assert!(scene.functions.events("auth").is_empty());
    assert_eq!(get(&scene, &api, "/a", "t-12").await.status, 200);
}

#[tokio::test]
async fn a_cached_policy_is_evaluated_anew_for_every_route() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({})).await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", &arn(&api, "GET/a"))])));
    assert_eq!(get(&scene, &api, "/a", "t").await.status, 200);
    assert_eq!(get(&scene, &api, "/b", "t").await.status, 403);
    assert_eq!(get(&scene, &api, "/a", "t").await.status, 200);
    assert_eq!(scene.functions.events("auth").len(), 1, "one call for three requests");
    assert_eq!(get(&scene, &api, "/a", "other").await.status, 200);
    assert_eq!(scene.functions.events("auth").len(), 2, "another token, another call");
}

#[tokio::test]
async fn the_cache_ends_with_its_time_a_flush_and_a_deployment() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({"authorizerResultTtlInSeconds": 60})).await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    let calls = || scene.functions.events("auth").len();
    get(&scene, &api, "/a", "t").await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Deny", "*")])));
    scene.world.clock.advance_seconds(59);
    assert_eq!((get(&scene, &api, "/a", "t").await.status.as_u16(), calls()), (200, 1));
    scene.world.clock.advance_seconds(1);
    assert_eq!((get(&scene, &api, "/a", "t").await.status.as_u16(), calls()), (403, 2));
    assert_eq!(
        (get(&scene, &api, "/a", "t").await.status.as_u16(), calls()),
        (403, 2),
        "denials are kept too"
    );
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    scene.done("FlushStageAuthorizersCache", json!({"restApiId": api.id, "stageName": "prod"})).await;
    assert_eq!((get(&scene, &api, "/a", "t").await.status.as_u16(), calls()), (200, 3));
    scene.deploy(&api).await;
    assert_eq!((get(&scene, &api, "/a", "t").await.status.as_u16(), calls()), (200, 4));
}

#[tokio::test]
async fn failures_are_not_cached() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({})).await;
    scene.functions.set("auth", Does::Throws("boom"));
    assert_eq!(get(&scene, &api, "/a", "t").await.status, 500);
    scene.functions.set("auth", Does::Throws("Unauthorized"));
    assert_eq!(get(&scene, &api, "/a", "t").await.status, 401);
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    assert_eq!(get(&scene, &api, "/a", "t").await.status, 200);
}

#[tokio::test]
async fn no_spelling_of_a_path_dodges_a_statement() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({"authorizerResultTtlInSeconds": 0})).await;
    let deny_a = granting(&[statement("Allow", "*"), statement("Deny", &arn(&api, "GET/a"))]);
    scene.functions.set("auth", Does::Returns(deny_a));
    for path in ["/a", "/a/", "//a", "/%61", "/a//", "///a///"] {
        assert_eq!(get(&scene, &api, path, "t").await.status, 403, "{path}");
    }
    let deny_file = granting(&[statement("Allow", "*"), statement("Deny", &arn(&api, "GET/f/secret/x"))]);
    scene.functions.set("auth", Does::Returns(deny_file));
    for path in ["/f/secret/x", "/f/secret//x", "//f//secret/x/", "/f/%73ecret/x"] {
        assert_eq!(get(&scene, &api, path, "t").await.status, 403, "{path}");
    }
    let only_encoded = granting(&[statement("Allow", &arn(&api, "GET/f/a%2Fb"))]);
    scene.functions.set("auth", Does::Returns(only_encoded));
    for (path, status) in [("/f/a%2fb", 200), ("/f/a%2Fb", 200), ("/f/a/b", 403), ("/f/a%252Fb", 403)] {
        assert_eq!(get(&scene, &api, path, "t").await.status, status, "{path}");
    }
    let before = scene.functions.events("auth").len();
    assert_eq!(get(&scene, &api, "/b/../a", "t").await.status, 403, "no route");
    assert_eq!(scene.functions.events("auth").len(), before);
}

#[tokio::test]
async fn a_request_authorizer_is_cached_by_all_its_sources() {
    let scene = Scene::new();
    let sources = "method.request.header.X-Key, method.request.querystring.tenant";
    let api = guarded(&scene, json!({"type": "REQUEST", "identitySource": sources})).await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    let send = async |key: Option<&str>, query: &str| {
        let request = scene.request(&api, Method::GET, &format!("/a{query}"));
        let request = key.map_or(request.clone(), |key| request.header("x-key", key));
        scene.send(request).await.status.as_u16()
    };
    for (key, query) in
        [(None, "?tenant=1"), (Some("k"), ""), (Some("k"), "?tenant="), (Some(""), "?tenant=1")]
    {
        assert_eq!(send(key, query).await, 401, "{key:?} {query}");
    }
    assert!(scene.functions.events("auth").is_empty());
    for (key, query, calls) in
        [("k", "?tenant=1", 1), ("k", "?tenant=1&x=2", 1), ("k", "?tenant=2", 2), ("l", "?tenant=1", 3)]
    {
        assert_eq!((send(Some(key), query).await, scene.functions.events("auth").len()), (200, calls));
    }
    let event = &scene.functions.events("auth")[0];
    assert_eq!((&event["type"], &event["httpMethod"]), (&json!("REQUEST"), &json!("GET")));
    assert_eq!((&event["methodArn"], &event["path"]), (&json!(arn(&api, "GET/a")), &json!("/a")));
    assert_eq!(event["queryStringParameters"], json!({"tenant": "1"}));
    assert_eq!(event["requestContext"]["stage"], "prod");
}

#[tokio::test]
async fn a_request_authorizer_without_cache_is_always_asked() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({"type": "REQUEST", "authorizerResultTtlInSeconds": 0})).await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    assert_eq!(scene.get(&api, "/a").await.status, 200);
    assert_eq!(get(&scene, &api, "/a", "t").await.status, 200);
    assert_eq!(scene.functions.events("auth").len(), 2);
}

#[tokio::test]
async fn a_signature_is_no_token() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({})).await;
    scene.functions.set("auth", Does::Returns(granting(&[statement("Allow", "*")])));
    let signed = scene.request(&api, Method::GET, "/a").signed(
        &scene.admin,
        "execute-api",
        "us-east-1",
        scene.world.now(),
    );
    assert_eq!(scene.send(signed).await.status, 401);
    assert!(scene.functions.events("auth").is_empty());
}

#[tokio::test]
async fn different_tokens_get_what_is_theirs() {
    let scene = Scene::new();
    let api = guarded(&scene, json!({})).await;
    let tokens = [
        ("alice".to_owned(), granting(&[statement("Allow", &arn(&api, "GET/a"))])),
        ("bob".to_owned(), granting(&[statement("Allow", &arn(&api, "GET/b"))])),
    ];
    scene.functions.set("auth", Does::Knows(tokens.into()));
    for (token, path, status) in [
        ("alice", "/a", 200),
        ("alice", "/b", 403),
        ("bob", "/a", 403),
        ("bob", "/b", 200),
        ("eve", "/a", 401),
    ] {
        assert_eq!(get(&scene, &api, path, token).await.status, status, "{token} {path}");
    }
}
