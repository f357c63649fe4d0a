//! Twelve ways to be refused, on every operation.

use casemate_schema::{Document, OpMeta};
use casemate_testkit::WorldBuilder;

#[tokio::test]
async fn every_operation_refuses_whoever_may_not() {
    let world = WorldBuilder::new()
        .service("cloudformation", "cloudformation.amazonaws.com", casemate_cloudformation::open)
        .start();
    assert_eq!(casemate_testkit::refusals(&world, &hints).await, Vec::<String>::new());
}

fn hints(_op: &OpMeta, member: &str) -> Option<Document> {
    match member {
        "TemplateBody" => Some("Resources: {A: {Type: 'AWS::Logs::LogGroup'}}".into()),
        "StackName" => Some("stack".into()),
        "ChangeSetName" => Some("change-set".into()),
        _ => None,
    }
}
