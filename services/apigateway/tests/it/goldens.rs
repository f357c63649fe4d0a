//! Answers byte for byte.

use casemate_testkit::{Request, golden};
use http::Method;
use serde_json::json;

use crate::{Scene, document};

/// An operation's request, signed by the administrator.
fn request(scene: &Scene, operation: &str, input: serde_json::Value) -> Request {
    scene.world.request(&scene.admin, "apigateway", operation, &document(input))
}

#[tokio::test]
async fn operations_and_their_errors() {
    let scene = Scene::new();
    let create =
        request(&scene, "CreateRestApi", json!({"name": "notes", "description": "for the golden file"}));
    golden!("create_rest_api/made.http", scene.world.transcript(&create).await);
    let missing = request(&scene, "GetRestApi", json!({"restApiId": "zzzzzzzzzz"}));
    golden!("get_rest_api/missing.http", scene.world.transcript(&missing).await);
    let api = scene.api().await;
    let http = json!({"restApiId": api.id, "resourceId": api.root, "httpMethod": "GET", "type": "HTTP_PROXY",
        "uri": "http://169.254.169.254/"});
    golden!(
        "put_integration/unsupported.http",
        scene.world.transcript(&request(&scene, "PutIntegration", http)).await
    );
    let empty = request(&scene, "CreateDeployment", json!({"restApiId": api.id}));
    golden!("create_deployment/empty.http", scene.world.transcript(&empty).await);
}

#[tokio::test]
async fn answers_of_deployed_apis() {
    let scene = Scene::new();
    let api = scene.api().await;
    scene.proxy(&api, "POST", "/notes/{id}", json!({}), "echo").await;
    scene.deploy(&api).await;
    let get = scene.request(&api, Method::GET, "/nothing");
    golden!("deployed/missing_authentication_token.http", scene.world.transcript(&get).await);
    let post = scene
        .request(&api, Method::POST, "/notes/7?tag=a&tag=b+c")
        .header("content-type", "application/json")
        .header("user-agent", "golden")
        .body(r#"{"title":"t"}"#);
    golden!("deployed/proxied.http", scene.world.transcript(&post).await);
}
