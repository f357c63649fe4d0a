//! Throttling: method settings of a stage, and whom they meet.

use serde_json::{Value, json};

use crate::{Api, Scene, expected, shown};

const TOO_MANY: (&str, &str) = (r#"{"message":"Too Many Requests"}"#, "TooManyRequestsException");

async fn limit(scene: &Scene, api: &Api, method: &str, rate: &str, burst: &str) -> Value {
    let patch = |what: &str, value: &str| json!({"op": "replace", "path": format!("{method}/throttling/{what}"), "value": value});
    let input = json!({"restApiId": api.id, "stageName": "prod",
        "patchOperations": [patch("rateLimit", rate), patch("burstLimit", burst)]});
    scene.done("UpdateStage", input).await
}

async fn statuses(scene: &Scene, api: &Api, path: &str, times: usize) -> Vec<u16> {
    let mut found = Vec::new();
    for _ in 0..times {
        found.push(scene.get(api, path).await.status.as_u16());
    }
    found
}

#[tokio::test]
async fn a_stages_methods_have_a_burst_and_a_rate_each() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/a", json!({})).await;
    scene.mock(&api, "ANY", "/b/{id}", json!({})).await;
    scene.deploy(&api).await;
    limit(&scene, &api, "/*/*", "1", "2").await;
    let shown_stage = limit(&scene, &api, "/~1b~1{id}/ANY", "2", "1").await;
    let settings = &shown_stage["methodSettings"];
    assert_eq!(settings["*/*"]["throttlingBurstLimit"], 2);
    assert_eq!(settings["~1b~1{id}/ANY"]["throttlingRateLimit"].as_f64(), Some(2.0));
    assert_eq!(settings["*/*"]["cachingEnabled"], false);
    assert_eq!(statuses(&scene, &api, "/a", 4).await, [200, 200, 429, 429]);
    assert_eq!(statuses(&scene, &api, "/b/1", 1).await, [200], "another method, another bucket");
    assert_eq!(statuses(&scene, &api, "/b/2", 1).await, [429], "its own setting counts, whatever the path");
    let refused = scene.get(&api, "//a/").await;
    assert_eq!(shown(&refused), expected(429, TOO_MANY.0, TOO_MANY.1), "another spelling is the same method");
    assert_eq!(scene.world.last_record().outcome.status, 429);
    scene.world.clock.advance_seconds(1);
    assert_eq!(statuses(&scene, &api, "/a", 2).await, [200, 429]);
    let remove = json!({"restApiId": api.id, "stageName": "prod", "patchOperations": [{"op": "remove", "path": "/*/*"}]});
    let after = scene.done("UpdateStage", remove).await;
    assert!(after["methodSettings"].get("*/*").is_none());
    assert_eq!(statuses(&scene, &api, "/a", 3).await, [200, 200, 200]);
    let stage = scene.done("GetStage", json!({"restApiId": api.id, "stageName": "prod"})).await;
    assert_eq!(stage["methodSettings"], after["methodSettings"]);
}

#[tokio::test]
async fn requests_without_identity_are_counted_before_they_are_refused() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/iam", json!({"authorizationType": "AWS_IAM"})).await;
    let custom = json!({"restApiId": api.id, "responseType": "THROTTLED", "statusCode": "503",
        "responseTemplates": {"application/json": "$context.error.responseType"}});
    scene.done("PutGatewayResponse", custom).await;
    scene.deploy(&api).await;
    limit(&scene, &api, "/*/*", "1", "1").await;
    assert_eq!(statuses(&scene, &api, "/iam", 2).await, [403, 503]);
    assert_eq!(scene.get(&api, "/iam").await.text(), "THROTTLED");
    assert_eq!(statuses(&scene, &api, "/none", 3).await, [403, 403, 403], "no method, no limit of a method");
}

#[tokio::test]
async fn limits_that_are_none_are_refused_and_nothing_changes() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/a", json!({})).await;
    scene.deploy(&api).await;
    let before = scene.world.digest();
    for (path, value) in [
        ("/*/*/throttling/rateLimit", "x"),
        ("/*/*/throttling/rateLimit", "NaN"),
        ("/*/*/throttling/rateLimit", "inf"),
        ("/*/*/throttling/rateLimit", "-2"),
        ("/*/*/throttling/rateLimit", "1e99"),
        ("/*/*/throttling/burstLimit", "1.5"),
        ("/*/*/throttling/burstLimit", "-2"),
        ("/*/*/throttling/burstLimit", "99999999999"),
        ("/~1a/POST/throttling/burstLimit", "1"),
        ("/~1none/GET/throttling/burstLimit", "1"),
        ("/*/GET/throttling/burstLimit", "1"),
        ("/*/*/caching/enabled", "true"),
        ("/*/*/throttling/nothing", "1"),
    ] {
        let input = json!({"restApiId": api.id, "stageName": "prod",
            "patchOperations": [{"op": "replace", "path": path, "value": value}]});
        assert_eq!(scene.refused("UpdateStage", input).await.0, "BadRequestException", "{path} {value}");
    }
    assert_eq!(scene.world.digest(), before);
    limit(&scene, &api, "/~1a/GET", "-1", "-1").await;
    assert_eq!(statuses(&scene, &api, "/a", 3).await, [200, 200, 200], "-1 is no limit of its own");
    limit(&scene, &api, "/~1a/GET", "0", "0").await;
    assert_eq!(statuses(&scene, &api, "/a", 2).await, [429, 429]);
}
