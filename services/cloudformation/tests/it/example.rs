//! The example application of this repository, deployed.

use casemate_schema::Document;

use crate::{Scene, of, packages::uploaded};

const TEMPLATE: &str = include_str!("../../../../examples/notes/template.yaml");

/// The template with its code uploaded, as `casemate deploy` sends it.
async fn packaged(scene: &Scene) -> String {
    let python = uploaded(scene, &zip_of("create.py")).await;
    let node = uploaded(scene, &zip_of("list.mjs")).await;
    TEMPLATE
        .replace("CodeUri: functions/python", &format!("CodeUri: {python}"))
        .replace("CodeUri: functions/node", &format!("CodeUri: {node}"))
}

fn zip_of(name: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(name.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn the_example_is_deployed_changed_and_deleted() {
    let scene = Scene::new().await;
    let template = packaged(&scene).await;
    scene.created("notes", &template).await;
    let stack = scene.describe("notes").await.text();
    for output in ["ApiUrl", "UserPoolId", "UserPoolClientId", "TableName", "Try1SignUp"] {
        assert!(stack.contains(&format!("<OutputKey>{output}</OutputKey>")), "{output}: {stack}");
    }
    assert!(stack.contains("http://localhost:4566/_aws/execute-api/"), "{stack}");
    assert_eq!(scene.update("notes", &template).await.message(), "No updates are to be performed.");

    let changed = template.replace("Timeout: 10", "Timeout: 11").replace("Path: /status", "Path: /health");
    let answer = scene.update("notes", &changed).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("notes").await, "UPDATE_COMPLETE", "{}", scene.events("notes").await);

    assert!(scene.call("DeleteStack", of("notes")).await.status.is_success());
    assert_eq!(scene.settled("notes").await, "gone", "{}", scene.events("notes").await);
    assert_eq!(scene.tables().await, Vec::<String>::new());
    let apis = scene.other("apigateway", "GetRestApis", Document::empty()).await.text();
    assert!(!apis.contains("notes-api"), "{apis}");
    let functions = scene.other("lambda", "ListFunctions", Document::empty()).await.text();
    assert!(!functions.contains("notes-"), "{functions}");
}

#[tokio::test]
async fn a_package_outlives_the_functions_made_from_it() {
    let scene = Scene::new().await;
    let template = packaged(&scene).await;
    scene.created("notes", &template).await;
    assert!(scene.call("DeleteStack", of("notes")).await.status.is_success());
    assert_eq!(scene.settled("notes").await, "gone", "{}", scene.events("notes").await);
    // Nothing is uploaded again.
    scene.created("notes", &template).await;
}
