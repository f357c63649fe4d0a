//! Change sets, as `aws cloudformation deploy` and `sam deploy` use them.

use casemate_schema::Document;

use crate::{Scene, of, request, stacks::ROLE_AND_TABLE};

fn proposal(stack: &str, name: &str, kind: &str, template: &str) -> Document {
    let mut input = request(stack, template);
    input.push("ChangeSetName", name.into());
    input.push("ChangeSetType", kind.into());
    input
}

fn named(stack: &str, name: &str) -> Document {
    Document::structure([("StackName", stack.into()), ("ChangeSetName", name.into())])
}

#[tokio::test]
async fn a_stack_is_proposed_looked_at_and_made() {
    let scene = Scene::new().await;
    let made = scene.call("CreateChangeSet", proposal("notes", "first", "CREATE", ROLE_AND_TABLE)).await;
    assert!(made.status.is_success(), "{}", made.text());
    assert!(made.element("Id").unwrap().contains(":changeSet/first/"));
    assert_eq!(scene.describe("notes").await.element("StackStatus").as_deref(), Some("REVIEW_IN_PROGRESS"));
    let seen = scene.call("DescribeChangeSet", named("notes", "first")).await.text();
    assert!(
        seen.contains("<Status>CREATE_COMPLETE</Status>") && seen.contains("<Action>Add</Action>"),
        "{seen}"
    );
    assert_eq!(scene.tables().await, Vec::<String>::new());
    let done = scene.call("ExecuteChangeSet", named("notes", "first")).await;
    assert!(done.status.is_success(), "{}", done.text());
    assert_eq!(scene.settled("notes").await, "CREATE_COMPLETE");
    let again = scene.call("ExecuteChangeSet", named("notes", "first")).await;
    assert_eq!(again.code().as_deref(), Some("InvalidChangeSetStatus"));
}

#[tokio::test]
async fn an_update_is_proposed_and_what_it_replaces_is_told() {
    let scene = Scene::new().await;
    scene.created("notes", ROLE_AND_TABLE).await;
    let same = scene.call("CreateChangeSet", proposal("notes", "same", "UPDATE", ROLE_AND_TABLE)).await;
    assert!(same.status.is_success());
    let same = scene.call("DescribeChangeSet", named("notes", "same")).await.text();
    assert!(same.contains("<Status>FAILED</Status>"), "{same}");
    assert!(
        same.contains("The submitted information didn&apos;t contain changes")
            || same.contains("The submitted information didn't contain changes"),
        "{same}"
    );
    let other = ROLE_AND_TABLE.replace("pk", "id");
    scene.call("CreateChangeSet", proposal("notes", "key", "UPDATE", &other)).await;
    let key = scene.call("DescribeChangeSet", named("notes", "key")).await.text();
    assert!(key.contains("<Replacement>True</Replacement>"), "{key}");
    let listed = scene.call("ListChangeSets", of("notes")).await.text();
    assert!(
        listed.contains("<ChangeSetName>same</ChangeSetName>")
            && listed.contains("<ChangeSetName>key</ChangeSetName>")
    );
    assert!(scene.call("ExecuteChangeSet", named("notes", "key")).await.status.is_success());
    assert_eq!(scene.settled("notes").await, "UPDATE_COMPLETE");
}

#[tokio::test]
async fn deleting_the_only_change_set_of_an_empty_stack_takes_the_stack_along() {
    let scene = Scene::new().await;
    scene.call("CreateChangeSet", proposal("notes", "first", "CREATE", ROLE_AND_TABLE)).await;
    assert!(scene.call("DeleteChangeSet", named("notes", "first")).await.status.is_success());
    assert_eq!(scene.settled("notes").await, "gone");
    let missing = scene.call("DescribeChangeSet", named("notes", "first")).await;
    assert_eq!(missing.code().as_deref(), Some("ChangeSetNotFound"));
}

#[tokio::test]
async fn a_change_set_is_reached_only_through_its_own_stack() {
    let scene = Scene::new().await;
    let group = "Resources: {Group: {Type: 'AWS::Logs::LogGroup'}}";
    let made = scene.call("CreateChangeSet", proposal("victim", "plan", "CREATE", group)).await;
    let plan = made.element("Id").unwrap();
    scene.created("mine", group).await;
    let own_stack = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"cloudformation:*","Resource":"arn:aws:cloudformation:*:*:stack/mine/*"}}"#;
    let mallory = scene.user("mallory", own_stack).await;
    for operation in ["DescribeChangeSet", "ExecuteChangeSet", "GetTemplate"] {
        for stack in [None, Some("mine"), Some("absent"), Some("victim")] {
            let mut asked = Document::structure([("ChangeSetName", plan.as_str().into())]);
            if let Some(stack) = stack {
                asked.push("StackName", stack.into());
            }
            let answer = scene.world.call(&mallory, "cloudformation", operation, asked).await;
            assert!(!answer.status.is_success(), "{operation} through {stack:?}: {}", answer.text());
        }
    }
    // Deleting what is not there succeeds, and deletes nothing.
    scene.world.call(&mallory, "cloudformation", "DeleteChangeSet", named("mine", &plan)).await;
    let shown = scene.call("DescribeChangeSet", named("victim", &plan)).await;
    assert_eq!(shown.element("ExecutionStatus").as_deref(), Some("AVAILABLE"), "{}", shown.text());
}
