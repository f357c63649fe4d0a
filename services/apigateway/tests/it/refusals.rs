//! Who may not, tried on every operation.

use casemate_schema::{Document, OpMeta};

use crate::Scene;

fn hints(op: &OpMeta, member: &str) -> Option<Document> {
    match (op.service.prefix, member) {
        ("lambda", "FunctionName") => Some(crate::function_arn("f").into()),
        ("lambda", "Payload") => Some(Document::Blob(b"{}".to_vec().into())),
        (_, "resourceArn") => Some("arn:aws:apigateway:us-east-1::/restapis/abcdefghi1".into()),
        _ => None,
    }
}

#[tokio::test]
async fn every_operation_is_refused_in_every_way() {
    let scene = Scene::new();
    assert_eq!(casemate_testkit::refusals(&scene.world, &hints).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_policy_on_one_apis_paths_gives_no_other() {
    let scene = Scene::new();
    let (own, other) = (scene.api().await, scene.api().await);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":"apigateway:*","Resource":"arn:aws:apigateway:us-east-1::/restapis/{0}/*"}},
            {{"Effect":"Allow","Action":"apigateway:GET","Resource":"arn:aws:apigateway:us-east-1::/restapis/{0}"}},
            {{"Effect":"Deny","Action":"apigateway:PUT","Resource":"arn:aws:apigateway:us-east-1::/restapis/{0}/resources/*/methods/DELETE"}}]}}"#,
        own.id
    );
    let bob = scene.world.identities().user("bob", &[&policy]);
    for (operation, input, status) in [
        ("GetRestApi", serde_json::json!({"restApiId": own.id}), 200),
        ("GetRestApi", serde_json::json!({"restApiId": other.id}), 403),
        ("DeleteRestApi", serde_json::json!({"restApiId": own.id}), 403),
        ("GetResources", serde_json::json!({"restApiId": own.id}), 200),
        ("GetResources", serde_json::json!({"restApiId": other.id}), 403),
        (
            "CreateResource",
            serde_json::json!({"restApiId": own.id, "parentId": own.root, "pathPart": "a"}),
            201,
        ),
        (
            "PutMethod",
            serde_json::json!({"restApiId": own.id, "resourceId": own.root, "httpMethod": "GET", "authorizationType": "NONE"}),
            201,
        ),
        (
            "PutMethod",
            serde_json::json!({"restApiId": own.id, "resourceId": own.root, "httpMethod": "DELETE", "authorizationType": "NONE"}),
            403,
        ),
        (
            "PutMethod",
            serde_json::json!({"restApiId": own.id, "resourceId": own.root, "httpMethod": "delete", "authorizationType": "NONE"}),
            400,
        ),
        ("CreateRestApi", serde_json::json!({"name": "c"}), 403),
    ] {
        let answer = scene.world.call(&bob, "apigateway", operation, crate::document(input)).await;
        assert_eq!(answer.status, status, "{operation}: {}", answer.text());
    }
}
