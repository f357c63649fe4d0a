//! Lambda proxy integrations: what a function may answer, and everything else that can go wrong behind a method.

use http::Method;
use serde_json::{Value, json};

use crate::{Scene, expected, functions::Does, shown};

const JSON_502: &str = r#"{"message":"Internal server error"}"#;
const SERVER_ERROR: &str = "InternalServerErrorException";

/// A scene whose `ANY /f` leads to function `f`.
async fn scene() -> (Scene, crate::Api) {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.proxy(&api, "ANY", "/f", json!({}), "f").await;
    scene.deploy(&api).await;
    (scene, api)
}

#[tokio::test]
async fn a_functions_answer_becomes_the_response() {
    let (scene, api) = scene().await;
    let answer = json!({"statusCode": 201, "headers": {"Content-Type": "text/plain", "X-A": true},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "made"});
    scene.functions.set("f", Does::Returns(answer));
    let response = scene.get(&api, "/f").await;
    assert_eq!((response.status.as_u16(), response.text().as_str()), (201, "made"));
    assert_eq!(response.headers["content-type"], "text/plain");
    assert_eq!(response.headers["x-a"], "true");
    assert_eq!(response.headers.get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn violations_of_the_proxy_contract_are_bad_gateways() {
    let (scene, api) = scene().await;
    for does in [
        Does::Returns(Value::Null),
        Does::Returns(json!("text")),
        Does::Returns(json!([])),
        Does::Returns(json!({"status": 200})),
        Does::Returns(json!({"statusCode": 200, "cookies": []})),
        Does::Returns(json!({"statusCode": "abc"})),
        Does::Returns(json!({"statusCode": 700})),
        Does::Returns(json!({"statusCode": 200, "body": {"a": 1}})),
        Does::Returns(json!({"statusCode": 200, "headers": {"a": ["b"]}})),
        Does::Returns(json!({"statusCode": 200, "headers": {"a": "b\r\nc: d"}})),
        Does::Returns(json!({"statusCode": 200, "multiValueHeaders": {"a": "b"}})),
        Does::Returns(json!({"statusCode": 200, "isBase64Encoded": "yes"})),
        Does::Raw(""),
        Does::Raw("not json"),
        Does::Throws("Unauthorized"),
        Does::Throws("boom"),
        Does::ThrowsLike(json!({"statusCode": 200, "body": "as if nothing had happened"})),
        Does::Refused("TooManyRequestsException"),
        Does::Refused("ServiceException"),
    ] {
        scene.functions.set("f", does.clone());
        let response = scene.get(&api, "/f").await;
        assert_eq!(shown(&response), expected(502, JSON_502, SERVER_ERROR), "{does:?}");
    }
}

#[tokio::test]
async fn a_function_that_is_gone_is_a_bad_gateway() {
    let (scene, api) = scene().await;
    assert_eq!(shown(&scene.get(&api, "/f").await), expected(502, JSON_502, SERVER_ERROR));
}

#[tokio::test]
async fn a_function_that_may_not_be_called_is_a_fault_of_the_api() {
    let (scene, api) = scene().await;
    scene.functions.set("f", Does::Echoes);
    let allow = |source: &str| {
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": "*",
            "Condition": {"ArnLike": {"aws:SourceArn": source}}}})
    };
    let of = |rest: &str| format!("arn:aws:execute-api:us-east-1:123456789012:{rest}");
    let refused = expected(500, JSON_502, SERVER_ERROR);
    scene.functions.allow("f", None);
    assert_eq!(shown(&scene.get(&api, "/f").await), refused, "no policy");
    for source in [
        "zzzzzzzzzz/*/GET/f".to_owned(),
        format!("{}/dev/GET/f", api.id),
        format!("{}/*/POST/f", api.id),
        format!("{}/*/GET/g", api.id),
    ] {
        scene.functions.allow("f", Some(&allow(&of(&source))));
        assert_eq!(shown(&scene.get(&api, "/f").await), refused, "{source}");
    }
    assert!(scene.functions.events("f").is_empty());
    for source in [format!("{}/*/GET/f", api.id), format!("{}/prod/*/f", api.id), format!("{}/*/*/*", api.id)]
    {
        scene.functions.allow("f", Some(&allow(&of(&source))));
        assert_eq!(scene.get(&api, "/f").await.status, 200, "{source}");
    }
    assert_eq!(scene.functions.last_caller(), "apigateway.amazonaws.com");
}

#[tokio::test]
async fn the_source_of_a_call_names_path_parameters_by_a_star() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.proxy(&api, "GET", "/n/{id}/{p+}", json!({}), "f").await;
    scene.deploy(&api).await;
    scene.functions.set("f", Does::Echoes);
    let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceArn":
            format!("arn:aws:execute-api:us-east-1:123456789012:{}/prod/GET/n/*/*", api.id)}}}});
    scene.functions.allow("f", Some(&policy));
    let response = scene.get(&api, "/n/7/a//b").await;
    assert_eq!(response.json()["pathParameters"], json!({"id": "7", "p": "a//b"}), "{}", response.text());
}

#[tokio::test]
async fn a_role_given_is_used_and_must_trust_the_gateway() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.method(&api, "GET", "/f", json!({})).await;
    let trusting = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"apigateway.amazonaws.com"}}}"#;
    let may = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}}"#;
    let people = scene.world.identities();
    let (good, powerless, other) = (
        people.role("good", &[may], Some(trusting)),
        people.role("powerless", &[], Some(trusting)),
        people.role("other", &[may], None),
    );
    scene.functions.set("f", Does::Echoes);
    scene.functions.allow("f", None);
    for (role, status) in [(good, 200), (powerless, 500), (other, 500)] {
        let input = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": "GET", "type": "AWS_PROXY",
            "integrationHttpMethod": "POST", "uri": crate::uri("f"), "credentials": role.arn.as_str()});
        scene.done("PutIntegration", input).await;
        scene.deploy(&api).await;
        assert_eq!(scene.get(&api, "/f").await.status, status, "{}", role.name);
    }
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_a_timeout() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.method(&api, "GET", "/f", json!({})).await;
    let input = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": "GET", "type": "AWS_PROXY",
        "integrationHttpMethod": "POST", "uri": crate::uri("f"), "timeoutInMillis": 50});
    scene.done("PutIntegration", input).await;
    scene.deploy(&api).await;
    scene.functions.set("f", Does::Hangs);
    let timeout = expected(504, r#"{"message":"Endpoint request timed out"}"#, SERVER_ERROR);
    assert_eq!(shown(&scene.get(&api, "/f").await), timeout);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_anything_runs() {
    let (scene, api) = scene().await;
    scene.functions.set("f", Does::Echoes);
    let large = scene.request(&api, Method::POST, "/f").body(vec![b'x'; (10 << 20) + 1]);
    assert_eq!(
        shown(&scene.send(large).await),
        expected(413, r#"{"message":"Request Too Long"}"#, "RequestTooLargeException")
    );
    let header = scene.request(&api, Method::GET, "/f").header("x-a", &"x".repeat(10_240));
    assert_eq!(scene.send(header).await.status, 431);
    assert_eq!(scene.get(&api, &format!("/f?{}", "x".repeat(10_240))).await.status, 414);
    assert!(scene.functions.events("f").is_empty());
    scene.functions.set("f", Does::Refused("RequestTooLargeException"));
    let response = scene.send(scene.request(&api, Method::POST, "/f").body("x")).await;
    assert_eq!(response.status, 413, "too large for the function");
}

#[tokio::test]
async fn a_method_arn_over_the_limit_is_refused_where_authorization_is_on() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/open/{p+}", json!({})).await;
    scene.mock(&api, "GET", "/iam/{p+}", json!({"authorizationType": "AWS_IAM"})).await;
    scene.deploy(&api).await;
    let long = "x".repeat(1_600);
    assert_eq!(scene.get(&api, &format!("/open/{long}")).await.status, 200);
    assert_eq!(scene.get(&api, &format!("/iam/{long}")).await.status, 414);
}

#[tokio::test]
async fn bodies_are_text_unless_their_type_is_binary() {
    let scene = Scene::new();
    let api = scene.api().await;
    let patch = json!({"restApiId": api.id, "patchOperations": [
        {"op": "add", "path": "/binaryMediaTypes/image~1png"}]});
    scene.done("UpdateRestApi", patch).await;
    scene.proxy(&api, "POST", "/f", json!({}), "f").await;
    scene.deploy(&api).await;
    scene.functions.set("f", Does::Echoes);
    let post = |kind: &str, body: &'static [u8]| {
        scene.request(&api, Method::POST, "/f").header("content-type", kind).body(body)
    };
    let event = scene.send(post("image/png", &[0, 255])).await.json();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("AP8="), &json!(true)));
    let event = scene.send(post("text/plain", b"hi")).await.json();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("hi"), &json!(false)));
    scene.functions.set("f", Does::Returns(json!({"body": "AP8=", "isBase64Encoded": true})));
    let accept = |kind: &str| post("text/plain", b"").header("accept", kind);
    assert_eq!(&scene.send(accept("image/png,*/*")).await.body[..], [0, 255]);
    assert_eq!(scene.send(accept("text/html,image/png")).await.text(), "AP8=", "the first value decides");
    scene.functions.set("f", Does::Returns(json!({"body": "***", "isBase64Encoded": true})));
    assert_eq!(scene.send(accept("image/png")).await.status, 500);
}

#[tokio::test]
async fn a_forged_forwarding_header_does_not_become_a_fact() {
    let (scene, api) = scene().await;
    scene.functions.set("f", Does::Echoes);
    let request = scene.request(&api, Method::GET, "/f").header("x-forwarded-for", "10.0.0.1");
    let event = scene.send(request).await.json();
    assert_eq!(event["requestContext"]["identity"]["sourceIp"], "203.0.113.7");
    assert_eq!(event["headers"]["X-Forwarded-For"], "203.0.113.7");
    assert_eq!(event["multiValueHeaders"]["X-Forwarded-For"], json!(["203.0.113.7"]));
    assert_eq!(
        (&event["headers"]["X-Forwarded-Proto"], &event["headers"]["X-Forwarded-Port"]),
        (&json!("http"), &json!("4566"))
    );
}

#[tokio::test]
async fn validators_refuse_before_the_function_is_called() {
    let scene = Scene::new();
    let api = scene.api().await;
    let note = json!({"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}});
    let model = json!({"restApiId": api.id, "name": "Note", "contentType": "application/json", "schema": note.to_string()});
    scene.done("CreateModel", model).await;
    let validator = json!({"restApiId": api.id, "name": "all", "validateRequestBody": true, "validateRequestParameters": true});
    let validator = scene.done("CreateRequestValidator", validator).await["id"].clone();
    let with = json!({"requestValidatorId": validator, "requestModels": {"application/json": "Note"},
        "requestParameters": {"method.request.header.x-header-param": true, "method.request.querystring.qs1": true,
            "method.request.path.issuer": true, "method.request.querystring.optional": false}});
    scene.proxy(&api, "POST", "/{issuer}", with, "f").await;
    let custom = json!({"restApiId": api.id, "responseType": "BAD_REQUEST_BODY",
        "responseTemplates": {"application/json": "{\"message\":$context.error.messageString,\"detail\":\"$context.error.responseType\"}"}});
    scene.done("PutGatewayResponse", custom).await;
    scene.deploy(&api).await;
    scene.functions.set("f", Does::Echoes);
    let post = |path: &str| scene.request(&api, Method::POST, path);
    let bad = |text: &str| expected(400, text, "BadRequestException");
    let missing = bad(r#"{"message":"Missing required request parameters: [x-header-param, qs1]"}"#);
    assert_eq!(shown(&scene.send(post("/i").body("{}")).await), missing);
    let blank = post("/i?qs1=").header("x-header-param", "a").body(r#"{"title":"a"}"#);
    assert_eq!(
        shown(&scene.send(blank).await),
        bad(r#"{"message":"Missing required request parameters: [qs1]"}"#)
    );
    for body in ["", "{}", "[]", "not json", r#"{"title":1}"#] {
        let request = post("/i?qs1=a").header("x-header-param", "a").body(body);
        let invalid = bad(r#"{"message":"Invalid request body","detail":"BAD_REQUEST_BODY"}"#);
        assert_eq!(shown(&scene.send(request).await), invalid, "{body}");
    }
    assert!(scene.functions.events("f").is_empty());
    let good = post("/i?qs1=a").header("x-header-param", "a").body(r#"{"title":"t"}"#);
    assert_eq!(scene.send(good).await.status, 200);
}
