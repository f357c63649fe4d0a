//! Updates by patch operations: what each takes, and what it does not.

use serde_json::{Value, json};

use crate::{Scene, uri};

fn patched(mut input: Value, operations: Value) -> Value {
    input["patchOperations"] = operations;
    input
}

fn replace(path: &str, value: &str) -> Value {
    json!([{"op": "replace", "path": path, "value": value}])
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_update_changes_what_it_says_and_refuses_other_paths_in_aws_words() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.mock(&api, "GET", "/x", json!({})).await;
    let mut validator = json!({"restApiId": api.id, "name": "v"});
    validator = scene.done("CreateRequestValidator", validator).await["id"].clone();
    let authorizer = json!({"restApiId": api.id, "name": "a", "type": "TOKEN", "authorizerUri": uri("f"),
        "identitySource": "method.request.header.Authorization"});
    let authorizer = scene.done("CreateAuthorizer", authorizer).await["id"].clone();
    scene
        .done("CreateModel", json!({"restApiId": api.id, "name": "M", "contentType": "application/json"}))
        .await;
    let deployment = scene.deploy(&api).await;
    let of_api = json!({"restApiId": api.id});
    let with = |more: Value| {
        let mut input = of_api.clone();
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    };
    let method = with(json!({"resourceId": resource, "httpMethod": "GET"}));
    let response = with(json!({"resourceId": resource, "httpMethod": "GET", "statusCode": "200"}));
    for (operation, input, path, value, shown) in [
        ("UpdateRestApi", of_api.clone(), "/description", "d", json!({"description": "d"})),
        ("UpdateResource", with(json!({"resourceId": resource})), "/pathPart", "y", json!({"path": "/y"})),
        ("UpdateMethod", method.clone(), "/operationName", "o", json!({"operationName": "o"})),
        (
            "UpdateMethodResponse",
            response.clone(),
            "/responseParameters/method.response.header.A",
            "true",
            json!({"responseParameters": {"method.response.header.A": true}}),
        ),
        ("UpdateIntegration", method.clone(), "/timeoutInMillis", "60", json!({"timeoutInMillis": 60})),
        (
            "UpdateIntegrationResponse",
            response.clone(),
            "/selectionPattern",
            "2..",
            json!({"selectionPattern": "2.."}),
        ),
        ("UpdateAuthorizer", with(json!({"authorizerId": authorizer})), "/name", "n", json!({"name": "n"})),
        (
            "UpdateRequestValidator",
            with(json!({"requestValidatorId": validator})),
            "/validateRequestBody",
            "true",
            json!({"validateRequestBody": true}),
        ),
        (
            "UpdateModel",
            with(json!({"modelName": "M"})),
            "/schema",
            r#"{"type":"object"}"#,
            json!({"schema": r#"{"type":"object"}"#}),
        ),
        (
            "UpdateGatewayResponse",
            with(json!({"responseType": "UNAUTHORIZED"})),
            "/statusCode",
            "404",
            json!({"statusCode": "404"}),
        ),
        (
            "UpdateDeployment",
            with(json!({"deploymentId": deployment})),
            "/description",
            "d",
            json!({"description": "d"}),
        ),
        (
            "UpdateStage",
            with(json!({"stageName": "prod"})),
            "/variables/v",
            "1",
            json!({"variables": {"v": "1"}}),
        ),
    ] {
        let answer = scene.done(operation, patched(input.clone(), replace(path, value))).await;
        for (name, value) in shown.as_object().unwrap() {
            assert_eq!(&answer[name], value, "{operation}");
        }
        let (code, message) =
            scene.refused(operation, patched(input.clone(), replace("/nothing", "x"))).await;
        assert_eq!(code, "BadRequestException", "{operation}");
        assert!(
            message
                .starts_with("Invalid patch path '/nothing' specified for op 'replace'. Must be one of: [/"),
            "{message}"
        );
        let moved = json!([{"op": "move", "path": path, "from": "/x"}]);
        let (_, message) = scene.refused(operation, patched(input, moved)).await;
        assert!(
            message.starts_with("Invalid patch operation specified. Must be one of: [")
                || message.starts_with("Invalid patch path"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_patch_cannot_make_what_a_put_would_refuse() {
    let scene = Scene::new();
    let api = scene.api().await;
    let resource = scene.proxy(&api, "GET", "/x/y", json!({}), "f").await;
    let parent = scene.resource(&api, "/x").await;
    let authorizer = json!({"restApiId": api.id, "name": "a", "type": "TOKEN", "authorizerUri": uri("f"),
        "identitySource": "method.request.header.Authorization"});
    let authorizer = scene.done("CreateAuthorizer", authorizer).await["id"].clone();
    scene.deploy(&api).await;
    let method = json!({"restApiId": api.id, "resourceId": resource, "httpMethod": "GET"});
    let before = scene.world.digest();
    for (operation, input, path, value) in [
        ("UpdateRestApi", json!({"restApiId": api.id}), "/policy", "no json"),
        ("UpdateRestApi", json!({"restApiId": api.id}), "/disableExecuteApiEndpoint", "perhaps"),
        ("UpdateRestApi", json!({"restApiId": api.id}), "/name", ""),
        ("UpdateResource", json!({"restApiId": api.id, "resourceId": resource}), "/pathPart", "a b"),
        (
            "UpdateResource",
            json!({"restApiId": api.id, "resourceId": parent}),
            "/parentId",
            resource.as_str(),
        ),
        ("UpdateResource", json!({"restApiId": api.id, "resourceId": parent}), "/pathPart", "{p+}"),
        ("UpdateResource", json!({"restApiId": api.id, "resourceId": api.root}), "/pathPart", "r"),
        ("UpdateMethod", method.clone(), "/authorizationType", "CUSTOM"),
        ("UpdateMethod", method.clone(), "/authorizationType", "OPEN"),
        ("UpdateMethod", method.clone(), "/apiKeyRequired", "true"),
        ("UpdateMethod", method.clone(), "/requestValidatorId", "zzzzzz"),
        ("UpdateIntegration", method.clone(), "/uri", "http://169.254.169.254/"),
        ("UpdateIntegration", method.clone(), "/timeoutInMillis", "1"),
        ("UpdateIntegration", method.clone(), "/timeoutInMillis", "x"),
        (
            "UpdateAuthorizer",
            json!({"restApiId": api.id, "authorizerId": authorizer}),
            "/identitySource",
            "x",
        ),
        (
            "UpdateAuthorizer",
            json!({"restApiId": api.id, "authorizerId": authorizer}),
            "/authorizerResultTtlInSeconds",
            "9999",
        ),
        ("UpdateStage", json!({"restApiId": api.id, "stageName": "prod"}), "/variables/a-b", "x"),
    ] {
        let (code, _) = scene.refused(operation, patched(input, replace(path, value))).await;
        assert_eq!(code, "BadRequestException", "{operation} {path} {value}");
    }
    let gone = patched(json!({"restApiId": api.id, "stageName": "prod"}), replace("/deploymentId", "zzzzzz"));
    assert_eq!(scene.refused("UpdateStage", gone).await.0, "NotFoundException");
    assert_eq!(scene.world.digest(), before, "refused updates change nothing");
}
