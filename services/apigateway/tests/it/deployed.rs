//! From an empty API to an answer, and what a deployment freezes.

use http::Method;
use serde_json::json;

use crate::{Scene, expected, shown};

#[tokio::test]
async fn an_api_answers_after_it_was_deployed_and_not_before() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.proxy(&api, "GET", "/notes/{id}", json!({}), "echo").await;
    let forbidden = expected(403, r#"{"message":"Forbidden"}"#, "ForbiddenException");
    assert_eq!(shown(&scene.get(&api, "/notes/7").await), forbidden);
    let deployment = scene.deploy(&api).await;
    let answer = scene.get(&api, "/notes/7?a=1&a=2").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.headers.contains_key("x-amzn-requestid") && answer.headers.contains_key("x-amz-apigw-id"));
    let event = answer.json();
    assert_eq!((&event["resource"], &event["path"]), (&json!("/notes/{id}"), &json!("/notes/7")));
    assert_eq!(event["pathParameters"], json!({"id": "7"}));
    assert_eq!(event["queryStringParameters"], json!({"a": "2"}));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["1", "2"]}));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(null), &json!(false)));
    assert_eq!(event["stageVariables"], json!(null));
    let context = &event["requestContext"];
    assert_eq!(context["path"], "/prod/notes/7");
    assert_eq!((&context["stage"], &context["apiId"]), (&json!("prod"), &json!(api.id)));
    assert_eq!(
        (&context["deploymentId"], &context["accountId"]),
        (&json!(deployment), &json!("123456789012"))
    );
    assert_eq!(context["identity"]["sourceIp"], "203.0.113.7");
    assert_eq!(context["identity"]["userArn"], json!(null));
    assert_eq!(context["requestTime"], "24/Nov/2026:00:00:00 +0000");
    assert!(context.get("authorizer").is_none());
    assert_eq!(event["headers"]["Host"], "localhost:4566");
    assert_eq!(event["headers"]["X-Forwarded-For"], "203.0.113.7");
    let record = scene.world.last_record();
    assert_eq!((record.service.as_deref(), record.outcome.status), (Some("apigateway"), 200));
}

#[tokio::test]
async fn every_form_of_address_reaches_the_same_api() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.proxy(&api, "GET", "/x", json!({}), "echo").await;
    scene.deploy(&api).await;
    let by_host = |host: String, target: &str| {
        let mut request = casemate_testkit::Request::new(Method::GET, target);
        request.headers[0].1 = host.parse().unwrap();
        request
    };
    for request in [
        by_host(format!("{}.execute-api.us-east-1.amazonaws.com", api.id), "/prod/x"),
        by_host(format!("{}.execute-api.localhost:4566", api.id), "/prod/x"),
        casemate_testkit::Request::new(Method::GET, &format!("/restapis/{}/prod/_user_request_/x", api.id)),
        casemate_testkit::Request::new(Method::GET, &format!("/_aws/execute-api/{}/prod/x", api.id)),
    ] {
        let answer = scene.send(request.clone()).await;
        assert_eq!(answer.status, 200, "{request:?} {}", answer.text());
        assert_eq!(answer.json()["path"], "/x");
        assert_eq!(answer.json()["requestContext"]["path"], "/prod/x");
    }
    for target in ["/prod", "/", "//prod/x", "/other/x"] {
        let answer = scene.send(by_host(format!("{}.execute-api.localhost", api.id), target)).await;
        assert_eq!(answer.status, 403, "{target}");
    }
    let unknown = by_host("zzzzzzzzzz.execute-api.localhost".to_owned(), "/prod/x");
    let forbidden = expected(403, r#"{"message":"Forbidden"}"#, "ForbiddenException");
    assert_eq!(shown(&scene.send(unknown).await), forbidden);
}

#[tokio::test]
async fn changes_reach_a_stage_only_with_a_new_deployment() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.mock(&api, "GET", "/x", json!({})).await;
    let first = scene.deploy(&api).await;
    assert_eq!(scene.get(&api, "/x").await.status, 200);
    let method = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": "GET"});
    scene.done("DeleteMethod", method).await;
    scene.mock(&api, "GET", "/y", json!({"authorizationType": "AWS_IAM"})).await;
    let unauthorized =
        json!({"restApiId": api.id, "responseType": "MISSING_AUTHENTICATION_TOKEN", "statusCode": "418"});
    scene.done("PutGatewayResponse", unauthorized).await;
    let deny = json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*",
        "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}});
    let patch = json!({"restApiId": api.id, "patchOperations": [
        {"op": "replace", "path": "/policy", "value": deny.to_string()},
        {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}]});
    scene.done("UpdateRestApi", patch).await;
    assert_eq!(scene.get(&api, "/x").await.status, 200, "the stage still serves what was deployed");
    assert_eq!(scene.get(&api, "/y").await.status, 403, "and nothing that was not");
    let second = scene.deploy(&api).await;
    assert_eq!(scene.get(&api, "/x").await.text(), r#"{"message":"Forbidden"}"#, "the endpoint is closed");
    let back = json!({"restApiId": api.id, "stageName": "prod", "patchOperations": [
        {"op": "replace", "path": "/deploymentId", "value": first}]});
    scene.done("UpdateStage", back).await;
    assert_eq!(scene.get(&api, "/x").await.status, 200, "the first deployment is as it was");
    let open = json!({"restApiId": api.id, "patchOperations": [
        {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "false"}]});
    scene.done("UpdateRestApi", open).await;
    let third = scene.deploy(&api).await;
    assert_eq!(scene.get(&api, "/y").await.status, 418, "the customised answer");
    assert!(first != second && second != third);
}

#[tokio::test]
async fn no_route_is_a_missing_authentication_token() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/x", json!({})).await;
    scene.mock(&api, "ANY", "/any", json!({})).await;
    scene.deploy(&api).await;
    let missing =
        expected(403, r#"{"message":"Missing Authentication Token"}"#, "MissingAuthenticationTokenException");
    for path in ["/", "", "/y", "/x/y", "/x%2f", "/x/..", "/%2e%2e/x", "/X", "/x%zz"] {
        assert_eq!(shown(&scene.get(&api, path).await), missing, "{path}");
    }
    let post = scene.request(&api, Method::POST, "/x").header("x-http-method-override", "GET");
    assert_eq!(
        shown(&scene.send(post).await),
        missing,
        "a verb that is not there, and no header makes it another"
    );
    for path in ["/x", "/x/", "//x", "/%78", "/x//"] {
        assert_eq!(scene.get(&api, path).await.status, 200, "{path}");
    }
    for (verb, status) in [
        ("DELETE", 200),
        ("PUT", 200),
        ("ANY", 403),
        ("BREW", 403),
        ("get", 403),
        ("Get", 403),
        ("TRACE", 403),
    ] {
        let method = Method::from_bytes(verb.as_bytes()).unwrap();
        assert_eq!(scene.send(scene.request(&api, method, "/any")).await.status, status, "{verb}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_by_a_mock_and_refusals_carry_their_cors_headers() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/x", json!({"authorizationType": "AWS_IAM"})).await;
    let resource = scene.method(&api, "OPTIONS", "/x", json!({})).await;
    let method = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": "OPTIONS"});
    let with = |more: serde_json::Value| {
        let mut input = method.clone();
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    };
    let names =
        ["Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin"];
    let of = |name: &str| format!("method.response.header.{name}");
    let declared: serde_json::Map<_, _> = names.iter().map(|name| (of(name), json!(false))).collect();
    let mapped = json!({of(names[0]): "'Authorization,Content-Type'", of(names[1]): "'GET,OPTIONS'", of(names[2]): "'*'"});
    scene
        .done("PutIntegration", with(json!({"type": "MOCK", "requestTemplates": {"application/json": "{\n  \"statusCode\" : 200\n}\n"}})))
        .await;
    scene.done("PutMethodResponse", with(json!({"statusCode": "200", "responseParameters": declared}))).await;
    scene
        .done(
            "PutIntegrationResponse",
            with(json!({"statusCode": "200", "responseParameters": mapped, "responseTemplates": {"application/json": "{}\n"}})),
        )
        .await;
    let cors = json!({"restApiId": api.id, "responseType": "DEFAULT_4XX",
        "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}});
    scene.done("PutGatewayResponse", cors).await;
    scene.deploy(&api).await;
    let preflight = scene
        .request(&api, Method::OPTIONS, "/x")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET");
    let answer = scene.send(preflight).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "{}\n"));
    assert_eq!(answer.headers["access-control-allow-headers"], "Authorization,Content-Type");
    assert_eq!(answer.headers["access-control-allow-methods"], "GET,OPTIONS");
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let refused = scene.get(&api, "/x").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["access-control-allow-origin"]),
        (403, &"*".parse().unwrap())
    );
}

#[tokio::test]
async fn a_mock_sees_the_request_and_the_authorizer_in_its_templates() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.mock(&api, "POST", "/m/{id}", json!({})).await;
    let method = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": "POST"});
    let mut response = method.clone();
    response["statusCode"] = "200".into();
    response["responseTemplates"] =
        json!({"text/plain": "$input.params('id') $input.body $context.stage $context.none"});
    scene.done("PutIntegrationResponse", response).await;
    scene.deploy(&api).await;
    let request =
        scene.request(&api, Method::POST, "/m/7").header("content-type", "application/json").body("[1]");
    let answer = scene.send(request).await;
    assert_eq!(answer.text(), "7 [1] prod $context.none");
    assert_eq!(answer.headers["content-type"], "text/plain");
    let mut never = method;
    never["patchOperations"] = json!([{"op": "replace", "path": "/passthroughBehavior", "value": "NEVER"}]);
    scene.done("UpdateIntegration", never).await;
    scene.deploy(&api).await;
    let request = scene.request(&api, Method::POST, "/m/7").header("content-type", "text/html").body("x");
    let unsupported = expected(415, r#"{"message":"Unsupported Media Type"}"#, "BadRequestException");
    assert_eq!(shown(&scene.send(request).await), unsupported);
}

#[tokio::test]
async fn stage_variables_reach_templates_events_and_function_names() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.method(&api, "GET", "/x", json!({})).await;
    let input = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": "GET", "type": "AWS_PROXY",
        "integrationHttpMethod": "POST", "uri": crate::uri("${stageVariables.fn}")});
    scene.done("PutIntegration", input).await;
    let deployment = scene.deploy(&api).await;
    let error = expected(500, r#"{"message":"Internal server error"}"#, "InternalServerErrorException");
    assert_eq!(shown(&scene.get(&api, "/x").await), error, "the stage has no such variable");
    let stage = json!({"restApiId": api.id, "stageName": "blue", "deploymentId": deployment, "variables": {"fn": "echo"}});
    scene.done("CreateStage", stage).await;
    let request =
        casemate_testkit::Request::new(Method::GET, &format!("/_aws/execute-api/{}/blue/x", api.id));
    let answer = scene.send(request).await;
    assert_eq!(answer.json()["stageVariables"], json!({"fn": "echo"}), "{}", answer.text());
}
