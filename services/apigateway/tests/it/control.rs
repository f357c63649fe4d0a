//! The control plane: every noun is made, shown, listed and deleted, and what cannot be served is refused.

use serde_json::{Value, json};

use crate::{Api, Scene, uri};

fn with(api: &Api, more: Value) -> Value {
    let mut input = json!({"restApiId": api.id});
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    input
}

/// Code of a refusal that must say `needle`.
async fn refused_saying(scene: &Scene, operation: &str, input: Value, code: &str, needle: &str) {
    let (found, message) = scene.refused(operation, input).await;
    assert!(found == code && message.contains(needle), "{operation}: {found} {message}");
}

#[tokio::test]
async fn an_api_is_made_shown_listed_and_deleted() {
    let scene = Scene::new();
    let input = json!({"name": "notes", "description": "d", "version": "1", "binaryMediaTypes": ["image/png"],
        "tags": {"team": "a"}, "endpointConfiguration": {"types": ["REGIONAL"]}});
    let answer = scene.call("CreateRestApi", input).await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!((id.len(), made["rootResourceId"].as_str().unwrap().len()), (10, 10));
    assert_eq!(scene.done("GetRestApi", json!({"restApiId": id})).await, made);
    assert_eq!(made["endpointConfiguration"]["types"], json!(["REGIONAL"]));
    let listed = scene.done("GetRestApis", json!({})).await;
    assert_eq!(listed["item"].as_array().unwrap().len(), 1, "{listed}");
    let answer = scene.call("DeleteRestApi", json!({"restApiId": id})).await;
    assert_eq!(answer.status, 202);
    refused_saying(
        &scene,
        "GetRestApi",
        json!({"restApiId": id}),
        "NotFoundException",
        &format!("Invalid API identifier specified 123456789012:{id}"),
    )
    .await;
    assert_eq!(scene.refused("DeleteRestApi", json!({"restApiId": id})).await.0, "NotFoundException");
}

#[tokio::test]
async fn a_deleted_api_serves_nothing() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/x", json!({})).await;
    scene.deploy(&api).await;
    assert_eq!(scene.get(&api, "/x").await.status, 200);
    scene.done("DeleteRestApi", json!({"restApiId": api.id})).await;
    assert_eq!(scene.get(&api, "/x").await.text(), r#"{"message":"Forbidden"}"#);
}

#[tokio::test]
async fn what_an_api_cannot_have_is_refused() {
    let scene = Scene::new();
    let long = format!(
        r#"{{"Version":"2012-10-17","Id":"{}","Statement":{{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}}}"#,
        "x".repeat(8_192)
    );
    for input in [
        json!({"name": "a", "cloneFrom": "b"}),
        json!({"name": "a", "minimumCompressionSize": 1}),
        json!({"name": "a", "apiKeySource": "AUTHORIZER"}),
        json!({"name": "a", "endpointConfiguration": {"types": ["PRIVATE"]}}),
        json!({"name": "a", "policy": "no json"}),
        json!({"name": "a", "policy": "{\"Statement\": {\"Effect\": \"Allow\"}}"}),
        json!({"name": "a", "policy": long}),
    ] {
        assert_eq!(scene.refused("CreateRestApi", input.clone()).await.0, "BadRequestException", "{input}");
    }
}

#[tokio::test]
async fn apis_of_another_account_do_not_exist() {
    let scene = Scene::new();
    let api = scene.api().await;
    let other =
        scene.world.identities().user_of(&scene.world.other_account(), "other", &[crate::ALLOW_ALL], None);
    for (operation, input) in [
        ("GetRestApi", with(&api, json!({}))),
        ("DeleteRestApi", with(&api, json!({}))),
        ("GetResources", with(&api, json!({}))),
        ("CreateDeployment", with(&api, json!({"stageName": "prod"}))),
    ] {
        let answer = scene.world.call(&other, "apigateway", operation, crate::document(input)).await;
        assert_eq!(answer.code().as_deref(), Some("NotFoundException"), "{operation}");
    }
}

#[tokio::test]
async fn resources_form_a_tree() {
    let scene = Scene::new();
    let api = scene.api().await;
    let create = |parent: &str, part: &str| with(&api, json!({"parentId": parent, "pathPart": part}));
    let made = scene.done("CreateResource", create(&api.root, "a")).await;
    let a = made["id"].as_str().unwrap().to_owned();
    assert_eq!((a.len(), &made["path"]), (6, &json!("/a")));
    let b = scene.done("CreateResource", create(&a, "{b}")).await["id"].as_str().unwrap().to_owned();
    assert_eq!(scene.done("GetResource", with(&api, json!({"resourceId": b}))).await["path"], "/a/{b}");
    let greedy =
        scene.done("CreateResource", create(&api.root, "{p+}")).await["id"].as_str().unwrap().to_owned();
    let bad = "BadRequestException";
    refused_saying(
        &scene,
        "CreateResource",
        create(&greedy, "x"),
        bad,
        "Cannot create a child of a resource with a greedy path variable: {p+}",
    )
    .await;
    refused_saying(
        &scene,
        "CreateResource",
        create(&api.root, "a b"),
        bad,
        "Resource's path part only allow",
    )
    .await;
    refused_saying(&scene, "CreateResource", create(&a, "{c}"), bad, "already has a variable path part")
        .await;
    refused_saying(
        &scene,
        "CreateResource",
        create(&api.root, "a"),
        "ConflictException",
        "already has this name: a",
    )
    .await;
    refused_saying(
        &scene,
        "CreateResource",
        create("zzzzzz", "x"),
        "NotFoundException",
        "Invalid Resource identifier",
    )
    .await;
    let listed = scene.done("GetResources", with(&api, json!({"limit": 2}))).await;
    assert_eq!(listed["item"].as_array().unwrap().len(), 2, "{listed}");
    let rest =
        scene.done("GetResources", with(&api, json!({"limit": 2, "position": listed["position"]}))).await;
    assert_eq!(rest["item"].as_array().unwrap().len(), 2);
    let root = with(&api, json!({"resourceId": api.root}));
    refused_saying(&scene, "DeleteResource", root, bad, "Root resource cannot be deleted").await;
    assert_eq!(scene.call("DeleteResource", with(&api, json!({"resourceId": a}))).await.status, 202);
    assert_eq!(
        scene.refused("GetResource", with(&api, json!({"resourceId": b}))).await.0,
        "NotFoundException",
        "children go too"
    );
}

#[tokio::test]
async fn methods_and_what_is_behind_them() {
    let scene = Scene::new();
    let api = scene.api().await;
    let method = with(&api, json!({"resourceId": api.root, "httpMethod": "GET"}));
    let more = |extra: Value| {
        let mut input = method.clone();
        for (name, value) in extra.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    };
    assert_eq!(scene.refused("GetMethod", method.clone()).await.1, "Invalid Method identifier specified");
    assert_eq!(scene.call("PutMethod", more(json!({"authorizationType": "NONE"}))).await.status, 201);
    assert_eq!(
        scene.refused("PutMethod", more(json!({"authorizationType": "NONE"}))).await.0,
        "ConflictException"
    );
    assert_eq!(
        scene.refused("GetIntegration", method.clone()).await.1,
        "Invalid Integration identifier specified"
    );
    let integration = scene.done("PutIntegration", more(json!({"type": "MOCK"}))).await;
    assert_eq!(
        (&integration["type"], &integration["passthroughBehavior"]),
        (&json!("MOCK"), &json!("WHEN_NO_MATCH"))
    );
    assert_eq!(scene.done("GetIntegration", method.clone()).await, integration);
    let ok = more(json!({"statusCode": "200", "responseParameters": {"method.response.header.X": true}}));
    let undeclared = more(json!({"statusCode": "200"}));
    assert_eq!(
        scene.refused("PutIntegrationResponse", undeclared).await.1,
        "Invalid Response status code specified"
    );
    scene.done("PutMethodResponse", ok.clone()).await;
    assert_eq!(scene.refused("PutMethodResponse", ok).await.0, "ConflictException");
    let mapped =
        |name: &str, value: &str| more(json!({"statusCode": "200", "responseParameters": {name: value}}));
    scene.done("PutIntegrationResponse", mapped("method.response.header.X", "'1'")).await;
    for (name, value) in [
        ("method.response.header.Y", "'1'"),
        ("method.response.header.X", "integration.response.body"),
        ("x", "'1'"),
    ] {
        refused_saying(
            &scene,
            "PutIntegrationResponse",
            mapped(name, value),
            "BadRequestException",
            "Invalid mapping expression",
        )
        .await;
    }
    let status = more(json!({"statusCode": "200"}));
    let shown = scene.done("GetMethod", method.clone()).await;
    assert_eq!(
        shown["methodIntegration"]["integrationResponses"]["200"]["responseParameters"],
        json!({"method.response.header.X": "'1'"})
    );
    assert_eq!(scene.done("GetMethodResponse", status.clone()).await["statusCode"], "200");
    assert_eq!(scene.done("GetIntegrationResponse", status.clone()).await["statusCode"], "200");
    let embedded = scene.done("GetResources", with(&api, json!({"embed": ["methods"]}))).await;
    assert_eq!(embedded["item"][0]["resourceMethods"]["GET"]["authorizationType"], "NONE");
    for (operation, input) in [
        ("DeleteIntegrationResponse", status.clone()),
        ("DeleteMethodResponse", status),
        ("DeleteIntegration", method.clone()),
        ("DeleteMethod", method.clone()),
    ] {
        assert_eq!(scene.call(operation, input.clone()).await.status, 204, "{operation}");
        assert_eq!(scene.refused(operation, input).await.0, "NotFoundException", "{operation}");
    }
}

#[tokio::test]
async fn methods_that_could_not_be_served_are_refused() {
    let scene = Scene::new();
    let api = scene.api().await;
    let input = json!({"restApiId": api.id, "name": "a", "type": "TOKEN", "authorizerUri": uri("f"),
        "identitySource": "method.request.header.Authorization"});
    let token = scene.done("CreateAuthorizer", input).await["id"].clone();
    let put = |more: Value| {
        let mut input =
            with(&api, json!({"resourceId": api.root, "httpMethod": "GET", "authorizationType": "NONE"}));
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    };
    for more in [
        json!({"httpMethod": "get"}),
        json!({"httpMethod": "TRACE"}),
        json!({"authorizationType": "none"}),
        json!({"authorizationType": "CUSTOM"}),
        json!({"authorizationType": "CUSTOM", "authorizerId": "zzzzzz"}),
        json!({"authorizationType": "COGNITO_USER_POOLS", "authorizerId": token}),
        json!({"apiKeyRequired": true}),
        json!({"requestValidatorId": "zzzzzz"}),
        json!({"requestModels": {"application/json": "Gone"}}),
        json!({"requestParameters": {"method.request.body": true}}),
        json!({"authorizationType": "CUSTOM", "authorizerId": token, "authorizationScopes": ["a"]}),
    ] {
        assert_eq!(scene.refused("PutMethod", put(more.clone())).await.0, "BadRequestException", "{more}");
    }
    assert_eq!(scene.refused("PutMethod", put(json!({"resourceId": "zzzzzz"}))).await.0, "NotFoundException");
}

#[tokio::test]
async fn integrations_that_could_not_be_served_are_refused() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.method(&api, "GET", "/x", json!({})).await;
    let put = |more: Value| {
        let mut input = with(
            &api,
            json!({"resourceId": resource, "httpMethod": "GET", "type": "AWS_PROXY",
            "integrationHttpMethod": "POST", "uri": uri("f")}),
        );
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    };
    for more in [
        json!({"type": "HTTP"}),
        json!({"type": "HTTP_PROXY", "uri": "http://169.254.169.254/"}),
        json!({"type": "AWS"}),
        json!({"uri": null}),
        json!({"uri": "arn:aws:apigateway:us-east-1:s3:path/bucket"}),
        json!({"uri": "https://example.com"}),
        json!({"integrationHttpMethod": "GET"}),
        json!({"integrationHttpMethod": null}),
        json!({"credentials": "arn:aws:iam::*:user/*"}),
        json!({"credentials": "arn:aws:iam::123456789012:user/bob"}),
        json!({"connectionType": "VPC_LINK"}),
        json!({"requestParameters": {"integration.request.header.X": "'1'"}}),
        json!({"contentHandling": "CONVERT_TO_TEXT"}),
        json!({"responseTransferMode": "STREAM"}),
        json!({"timeoutInMillis": 49}),
        json!({"timeoutInMillis": 29_001}),
        json!({"passthroughBehavior": "ALWAYS"}),
        json!({"type": "MOCK", "requestTemplates": {"application/json": "#set($x = )"}}),
        json!({"type": "MOCK", "requestTemplates": {"application/json": "$util.parseJson('x'"}}),
    ] {
        let (code, message) = scene.refused("PutIntegration", put(more.clone())).await;
        assert!(
            matches!(code.as_str(), "BadRequestException" | "AccessDeniedException"),
            "{more}: {code} {message}"
        );
    }
    let text = "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.";
    assert_eq!(scene.refused("PutIntegration", put(json!({"uri": "x"}))).await.1, text);
}

#[tokio::test]
async fn handing_a_role_over_needs_the_right_to_pass_it() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.method(&api, "GET", "/x", json!({})).await;
    let gateway_only =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"apigateway:*","Resource":"*"}}"#;
    let bob = scene.world.identities().user("bob", &[gateway_only]);
    let role = "arn:aws:iam::123456789012:role/r";
    let put = with(
        &api,
        json!({"resourceId": resource, "httpMethod": "GET", "type": "AWS_PROXY",
        "integrationHttpMethod": "POST", "uri": uri("f"), "credentials": role}),
    );
    let create = with(
        &api,
        json!({"name": "a", "type": "TOKEN", "authorizerUri": uri("f"),
        "identitySource": "method.request.header.A", "authorizerCredentials": role}),
    );
    scene.done("PutIntegration", put.clone()).await;
    let id = scene.done("CreateAuthorizer", create.clone()).await["id"].clone();
    let patch = |path: &str| json!([{"op": "replace", "path": path, "value": role}]);
    let update = with(
        &api,
        json!({"resourceId": resource, "httpMethod": "GET", "patchOperations": patch("/credentials")}),
    );
    let change = with(&api, json!({"authorizerId": id, "patchOperations": patch("/authorizerCredentials")}));
    for (operation, input) in [
        ("PutIntegration", put),
        ("CreateAuthorizer", create),
        ("UpdateIntegration", update),
        ("UpdateAuthorizer", change),
    ] {
        let answer = scene.world.call(&bob, "apigateway", operation, crate::document(input)).await;
        assert_eq!(answer.status, 403, "{operation}");
        assert!(answer.message().contains("iam:PassRole"), "{operation}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_resource_policy_needs_a_right_of_its_own() {
    let scene = Scene::new();
    let api = scene.api().await;
    let verbs = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["apigateway:POST","apigateway:PATCH"],"Resource":"*"}}"#;
    let bob = scene.world.identities().user("bob", &[verbs]);
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"*"}}"#;
    let patch = json!([{"op": "replace", "path": "/policy", "value": policy}]);
    for (operation, input) in [
        ("CreateRestApi", json!({"name": "a", "policy": policy})),
        ("UpdateRestApi", with(&api, json!({"patchOperations": patch}))),
    ] {
        let answer = scene.world.call(&bob, "apigateway", operation, crate::document(input)).await;
        assert!(
            answer.status == 403 && answer.message().contains("apigateway:UpdateRestApiPolicy"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn authorizers_are_made_shown_and_deleted_and_bad_ones_refused() {
    let scene = Scene::new();
    let api = scene.api().await;
    let create = |more: Value| {
        let mut input = with(
            &api,
            json!({"name": "a", "type": "TOKEN", "authorizerUri": uri("f"),
            "identitySource": "method.request.header.Authorization"}),
        );
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    };
    let made = scene.done("CreateAuthorizer", create(json!({}))).await;
    assert_eq!((&made["authorizerResultTtlInSeconds"], &made["authType"]), (&json!(300), &json!("custom")));
    let id = with(&api, json!({"authorizerId": made["id"]}));
    assert_eq!(scene.done("GetAuthorizer", id.clone()).await, made);
    assert_eq!(scene.done("GetAuthorizers", with(&api, json!({}))).await["item"], json!([made]));
    for more in [
        json!({}),
        json!({"name": "b", "authorizerResultTtlInSeconds": 3601}),
        json!({"name": "b", "authorizerResultTtlInSeconds": -1}),
        json!({"name": "b", "identitySource": null}),
        json!({"name": "b", "identitySource": "method.request.querystring.a"}),
        json!({"name": "b", "identitySource": "Authorization"}),
        json!({"name": "b", "identitySource": "method.request.path.a", "type": "REQUEST"}),
        json!({"name": "b", "identitySource": null, "type": "REQUEST"}),
        json!({"name": "b", "identityValidationExpression": "("}),
        json!({"name": "b", "authorizerUri": "f"}),
        json!({"name": "b", "authorizerUri": null}),
        json!({"name": "b", "authorizerCredentials": "arn:aws:iam::*:user/*"}),
        json!({"name": "b", "type": "JWT"}),
        json!({"name": "b", "type": "COGNITO_USER_POOLS"}),
        json!({"name": "b", "type": "COGNITO_USER_POOLS", "providerARNs": ["arn:aws:iam::123456789012:user/x"]}),
        json!({"name": "b", "type": "COGNITO_USER_POOLS", "providerARNs": ["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/x"]}),
    ] {
        let (code, message) = scene.refused("CreateAuthorizer", create(more.clone())).await;
        assert!(
            matches!(code.as_str(), "BadRequestException" | "AccessDeniedException"),
            "{more} {code} {message}"
        );
    }
    let used = json!({"authorizationType": "CUSTOM", "authorizerId": made["id"]});
    let resource = scene.mock(&api, "GET", "/x", used).await;
    assert_eq!(scene.refused("DeleteAuthorizer", id.clone()).await.0, "ConflictException");
    scene.done("DeleteResource", with(&api, json!({"resourceId": resource}))).await;
    assert_eq!(scene.call("DeleteAuthorizer", id.clone()).await.status, 202);
    assert_eq!(scene.refused("GetAuthorizer", id).await.0, "NotFoundException");
}

#[tokio::test]
async fn validators_and_models_are_made_shown_and_deleted() {
    let scene = Scene::new();
    let api = scene.api().await;
    let made = scene
        .done("CreateRequestValidator", with(&api, json!({"name": "v", "validateRequestBody": true})))
        .await;
    let id = with(&api, json!({"requestValidatorId": made["id"]}));
    assert_eq!(scene.done("GetRequestValidator", id.clone()).await, made);
    assert_eq!(scene.done("GetRequestValidators", with(&api, json!({}))).await["item"], json!([made]));
    let model = |name: &str, schema: &str| {
        with(&api, json!({"name": name, "contentType": "application/json", "schema": schema}))
    };
    let note = scene.done("CreateModel", model("Note", r#"{"type":"object"}"#)).await;
    let name = with(&api, json!({"modelName": "Note"}));
    assert_eq!(scene.done("GetModel", name.clone()).await, note);
    assert_eq!(scene.done("GetModels", with(&api, json!({}))).await["item"], json!([note]));
    assert_eq!(scene.refused("CreateModel", model("Note", "{}")).await.0, "ConflictException");
    for (name, schema) in
        [("a-b", "{}"), ("A", "{"), ("A", r#"{"type":7}"#), ("A", r#"{"$ref":"https://example.com/x"}"#)]
    {
        assert_eq!(
            scene.refused("CreateModel", model(name, schema)).await.0,
            "BadRequestException",
            "{schema}"
        );
    }
    let used = json!({"requestValidatorId": made["id"], "requestModels": {"application/json": "Note"}});
    let resource = scene.mock(&api, "GET", "/x", used).await;
    assert_eq!(scene.refused("DeleteRequestValidator", id.clone()).await.0, "ConflictException");
    assert_eq!(scene.refused("DeleteModel", name.clone()).await.0, "ConflictException");
    scene.done("DeleteResource", with(&api, json!({"resourceId": resource}))).await;
    assert_eq!(scene.call("DeleteRequestValidator", id.clone()).await.status, 202);
    assert_eq!(scene.call("DeleteModel", name.clone()).await.status, 202);
    for (operation, input) in [
        ("GetRequestValidator", id.clone()),
        ("DeleteRequestValidator", id),
        ("GetModel", name.clone()),
        ("DeleteModel", name),
    ] {
        assert_eq!(scene.refused(operation, input).await.0, "NotFoundException", "{operation}");
    }
}

#[tokio::test]
async fn gateway_responses_are_customised_and_put_back() {
    let scene = Scene::new();
    let api = scene.api().await;
    let kind = with(&api, json!({"responseType": "UNAUTHORIZED"}));
    let default = scene.done("GetGatewayResponse", kind.clone()).await;
    assert_eq!((&default["defaultResponse"], &default["statusCode"]), (&json!(true), &json!("401")));
    let listed = scene.done("GetGatewayResponses", with(&api, json!({}))).await;
    assert_eq!(listed["item"].as_array().unwrap().len(), 21);
    let put = |more: Value| {
        let mut input = kind.clone();
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    };
    let custom = scene.done("PutGatewayResponse", put(json!({"statusCode": "404"}))).await;
    assert_eq!((&custom["defaultResponse"], &custom["statusCode"]), (&json!(false), &json!("404")));
    for more in [
        json!({"statusCode": "99"}),
        json!({"statusCode": "abc"}),
        json!({"responseParameters": {"x": "'1'"}}),
        json!({"responseParameters": {"gatewayresponse.header.a b": "'1'"}}),
        json!({"responseParameters": {"gatewayresponse.header.a": "1"}}),
        json!({"responseTemplates": {"application/json": "x".repeat(300 * 1024 + 1)}}),
    ] {
        assert_eq!(
            scene.refused("PutGatewayResponse", put(more.clone())).await.0,
            "BadRequestException",
            "{more}"
        );
    }
    assert_eq!(scene.call("DeleteGatewayResponse", kind.clone()).await.status, 202);
    assert_eq!(scene.refused("DeleteGatewayResponse", kind.clone()).await.0, "NotFoundException");
    assert_eq!(scene.done("GetGatewayResponse", kind).await, default);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn deployments_and_stages_hold_each_other() {
    let scene = Scene::new();
    let api = scene.api().await;
    let bad = "BadRequestException";
    refused_saying(
        &scene,
        "CreateDeployment",
        with(&api, json!({})),
        bad,
        "The REST API doesn't contain any methods",
    )
    .await;
    let resource = scene.method(&api, "GET", "/x", json!({})).await;
    refused_saying(
        &scene,
        "CreateDeployment",
        with(&api, json!({})),
        bad,
        "No integration defined for method",
    )
    .await;
    scene.done("DeleteResource", with(&api, json!({"resourceId": resource}))).await;
    scene.mock(&api, "GET", "/x", json!({})).await;
    let made = scene.done("CreateDeployment", with(&api, json!({"description": "one"}))).await;
    let id = with(&api, json!({"deploymentId": made["id"]}));
    assert_eq!(scene.done("GetDeployment", id.clone()).await, made);
    let mut embedded = id.clone();
    embedded["embed"] = json!(["apisummary"]);
    assert_eq!(
        scene.done("GetDeployment", embedded).await["apiSummary"]["/x"]["GET"]["authorizationType"],
        "NONE"
    );
    assert_eq!(scene.done("GetDeployments", with(&api, json!({}))).await["item"], json!([made]));
    let stage = |name: &str| with(&api, json!({"stageName": name, "deploymentId": made["id"]}));
    let shown = scene.done("CreateStage", stage("prod")).await;
    assert_eq!(scene.done("GetStage", with(&api, json!({"stageName": "prod"}))).await, shown);
    assert_eq!(scene.done("GetStages", with(&api, json!({}))).await["item"], json!([shown]));
    assert_eq!(
        scene.done("GetStages", with(&api, json!({"deploymentId": "zzzzzz"}))).await["item"],
        json!([])
    );
    assert_eq!(scene.refused("CreateStage", stage("prod")).await.0, "ConflictException");
    for name in ["a b", "a/b", "ä"] {
        refused_saying(&scene, "CreateStage", stage(name), bad, "Stage name only allow").await;
    }
    let mut variables = stage("v");
    variables["variables"] = json!({"a": "x\r\ny"});
    assert_eq!(scene.refused("CreateStage", variables).await.0, bad);
    let mut canary = stage("c");
    canary["canarySettings"] = json!({"percentTraffic": 10.0});
    assert_eq!(scene.refused("CreateStage", canary).await.0, bad);
    let gone = with(&api, json!({"stageName": "g", "deploymentId": "zzzzzz"}));
    assert_eq!(scene.refused("CreateStage", gone).await.1, "Invalid Deployment identifier specified");
    refused_saying(
        &scene,
        "DeleteDeployment",
        id.clone(),
        bad,
        "Active stages pointing to this deployment must be moved or deleted",
    )
    .await;
    assert_eq!(scene.call("DeleteStage", with(&api, json!({"stageName": "prod"}))).await.status, 202);
    assert_eq!(scene.get(&api, "/x").await.text(), r#"{"message":"Forbidden"}"#);
    for operation in ["GetStage", "DeleteStage", "FlushStageAuthorizersCache"] {
        let (code, text) = scene.refused(operation, with(&api, json!({"stageName": "prod"}))).await;
        assert_eq!(
            (code.as_str(), text.as_str()),
            ("NotFoundException", "Invalid Stage identifier specified")
        );
    }
    assert_eq!(scene.call("DeleteDeployment", id.clone()).await.status, 202);
    assert_eq!(scene.refused("GetDeployment", id).await.0, "NotFoundException");
}

#[tokio::test]
async fn tags_are_put_shown_and_taken_and_seen_by_policies() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/x", json!({})).await;
    scene.deploy(&api).await;
    let of = |path: &str| format!("arn:aws:apigateway:us-east-1::/restapis/{}{path}", api.id);
    for path in ["", "/stages/prod"] {
        let answer = scene
            .call("TagResource", json!({"resourceArn": of(path), "tags": {"team": "a", "x": "y"}}))
            .await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        scene.done("UntagResource", json!({"resourceArn": of(path), "tagKeys": ["x"]})).await;
        assert_eq!(
            scene.done("GetTags", json!({"resourceArn": of(path)})).await["tags"],
            json!({"team": "a"})
        );
    }
    let tagged = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"apigateway:GET","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}"#;
    let bob = scene.world.identities().user("bob", &[tagged]);
    let get = |id: &str| crate::document(json!({"restApiId": id}));
    assert_eq!(scene.world.call(&bob, "apigateway", "GetRestApi", get(&api.id)).await.status, 200);
    let other = scene.api().await;
    assert_eq!(scene.world.call(&bob, "apigateway", "GetRestApi", get(&other.id)).await.status, 403);
    for arn in
        [of("/resources/x"), "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(), "x".to_owned()]
    {
        assert_eq!(
            scene.refused("GetTags", json!({"resourceArn": arn})).await.0,
            "BadRequestException",
            "{arn}"
        );
    }
    let many: serde_json::Map<_, _> = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
    assert_eq!(
        scene.refused("TagResource", json!({"resourceArn": of(""), "tags": many})).await.0,
        "LimitExceededException"
    );
}

#[tokio::test]
async fn the_accounts_settings_are_kept_and_its_role_must_be_passed() {
    let scene = Scene::new();
    assert_eq!(scene.done("GetAccount", json!({})).await["throttleSettings"]["burstLimit"], 5_000);
    let role = "arn:aws:iam::123456789012:role/logs";
    let patch = json!({"patchOperations": [{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]});
    assert_eq!(scene.done("UpdateAccount", patch.clone()).await["cloudwatchRoleArn"], role);
    assert_eq!(scene.done("GetAccount", json!({})).await["cloudwatchRoleArn"], role);
    let gateway_only =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"apigateway:*","Resource":"*"}}"#;
    let bob = scene.world.identities().user("bob", &[gateway_only]);
    let answer = scene.world.call(&bob, "apigateway", "UpdateAccount", crate::document(patch)).await;
    assert!(answer.status == 403 && answer.message().contains("iam:PassRole"), "{}", answer.text());
    let other =
        json!({"patchOperations": [{"op": "replace", "path": "/throttleSettings/rateLimit", "value": "1"}]});
    assert_eq!(scene.refused("UpdateAccount", other).await.0, "BadRequestException");
}

#[tokio::test]
async fn an_api_has_at_most_ten_stages() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.mock(&api, "GET", "/x", json!({})).await;
    let deployment = scene.deploy(&api).await;
    let stage = |n: usize| {
        with(&api, json!({"stageName": format!("s{n}"), "deploymentId": deployment, "tracingEnabled": true}))
    };
    for n in 1..10 {
        assert_eq!(scene.done("CreateStage", stage(n)).await["tracingEnabled"], true);
    }
    assert_eq!(scene.refused("CreateStage", stage(10)).await.0, "LimitExceededException");
    let another = with(&api, json!({"stageName": "s10"}));
    assert_eq!(scene.refused("CreateDeployment", another).await.0, "LimitExceededException");
    scene.done("CreateDeployment", with(&api, json!({"stageName": "s9"}))).await;
}
