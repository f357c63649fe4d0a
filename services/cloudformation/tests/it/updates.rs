//! Stacks changed.

use casemate_schema::Document;

use crate::{Scene, of, stacks::ROLE_AND_TABLE};

async fn updated(scene: &Scene, template: &str) -> String {
    let answer = scene.update("notes", template).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    scene.settled("notes").await
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_refused() {
    let scene = Scene::new().await;
    scene.created("notes", ROLE_AND_TABLE).await;
    let answer = scene.update("notes", ROLE_AND_TABLE).await;
    assert_eq!(answer.code().as_deref(), Some("ValidationError"));
    assert_eq!(answer.message(), "No updates are to be performed.");
    let unknown = scene.update("nobody", ROLE_AND_TABLE).await;
    assert_eq!(unknown.message(), "Stack with id nobody does not exist");
}

#[tokio::test]
async fn resources_are_changed_in_place_added_and_removed() {
    let scene = Scene::new().await;
    scene.created("notes", ROLE_AND_TABLE).await;
    let table = scene.tables().await;
    let template = ROLE_AND_TABLE.replace("PolicyName: table", "PolicyName: renamed").replace(
        "Outputs:",
        "  Group:\n    Type: AWS::Logs::LogGroup\n    Properties: {RetentionInDays: 7}\nOutputs:",
    );
    assert_eq!(updated(&scene, &template).await, "UPDATE_COMPLETE", "{}", scene.events("notes").await);
    assert_eq!(scene.tables().await, table, "the table was left alone");
    assert!(!scene.events("notes").await.contains("<ResourceStatus></ResourceStatus>"));
    let groups = scene.other("logs", "DescribeLogGroups", Document::empty()).await.json();
    assert_eq!(groups["logGroups"][0]["retentionInDays"], 7);
    assert_eq!(updated(&scene, ROLE_AND_TABLE).await, "UPDATE_COMPLETE");
    let groups = scene.other("logs", "DescribeLogGroups", Document::empty()).await.json();
    assert_eq!(groups["logGroups"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_changed_key_replaces_the_table_and_what_refers_to_it_follows() {
    let scene = Scene::new().await;
    scene.created("notes", ROLE_AND_TABLE).await;
    let before = scene.tables().await;
    assert_eq!(updated(&scene, &ROLE_AND_TABLE.replace("pk", "id")).await, "UPDATE_COMPLETE");
    let after = scene.tables().await;
    assert_eq!(after.len(), 1);
    assert_ne!(before, after);
    let role = scene.call("DescribeStackResources", of("notes")).await.text();
    let name = role.split("<PhysicalResourceId>").find(|part| part.starts_with("notes-Role-")).unwrap();
    let name = name.split('<').next().unwrap();
    let policy = Document::structure([("RoleName", name.into()), ("PolicyName", "table".into())]);
    let policy = scene.other("iam", "GetRolePolicy", policy).await.text();
    assert!(policy.contains(&after[0]) && !policy.contains(&before[0]), "{policy}");
}

#[tokio::test]
async fn a_named_resource_is_not_replaced() {
    let scene = Scene::new().await;
    let named = ROLE_AND_TABLE.replace("      BillingMode", "      TableName: fixed\n      BillingMode");
    scene.created("notes", &named).await;
    assert_eq!(updated(&scene, &named.replace("pk", "id")).await, "UPDATE_ROLLBACK_COMPLETE");
    let events = scene.events("notes").await;
    assert!(events.contains("CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename fixed"), "{events}");
    assert_eq!(scene.tables().await, ["fixed"]);
}

#[tokio::test]
async fn a_failed_update_puts_everything_back() {
    let scene = Scene::new().await;
    scene.created("notes", ROLE_AND_TABLE).await;
    let before = scene.tables().await;
    // The key changes, the group is new, and a second table cannot be made: its name is taken.
    let template = ROLE_AND_TABLE.replace("pk", "id").replace(
        "Outputs:",
        "  Group: {Type: AWS::Logs::LogGroup}\n  Second:\n    Type: AWS::DynamoDB::Table\n    DependsOn: [Group, Role]\n    Properties:\n      TableName: taken\n      BillingMode: PAY_PER_REQUEST\n      AttributeDefinitions: [{AttributeName: a, AttributeType: S}]\n      KeySchema: [{AttributeName: a, KeyType: HASH}]\nOutputs:",
    );
    let taken = ROLE_AND_TABLE.replace("      BillingMode", "      TableName: taken\n      BillingMode");
    scene.created("other", &taken).await;
    assert_eq!(
        updated(&scene, &template).await,
        "UPDATE_ROLLBACK_COMPLETE",
        "{}",
        scene.events("notes").await
    );
    let events = scene.events("notes").await;
    assert!(events.contains("The following resource(s) failed to create: [Second]"), "{events}");
    let mut tables = scene.tables().await;
    tables.retain(|name| name != "taken");
    assert_eq!(tables, before, "the old table is the stack's again, the new one is gone");
    let groups = scene.other("logs", "DescribeLogGroups", Document::empty()).await.json();
    assert_eq!(groups["logGroups"].as_array().unwrap().len(), 0);
    // The stack is as it was: the same template changes nothing, and another update works.
    assert_eq!(scene.update("notes", ROLE_AND_TABLE).await.message(), "No updates are to be performed.");
    assert_eq!(updated(&scene, &ROLE_AND_TABLE.replace("pk", "id")).await, "UPDATE_COMPLETE");
}
