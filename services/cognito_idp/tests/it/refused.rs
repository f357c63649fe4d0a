//! What every operation refuses, generated.

use casemate_schema::{Document, OpMeta};

use crate::scene::world;

fn hints(op: &OpMeta, member: &str) -> Option<Document> {
    match (op.name, member) {
        ("ChangePassword", "PreviousPassword") => Some("Correct-Horse-1!".into()),
        (_, "ResourceArn") => {
            Some("arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEfGhI".into())
        }
        (_, "UserPoolId") => Some("us-east-1_AbCdEfGhI".into()),
        _ => None,
    }
}

#[tokio::test]
async fn every_operation_refuses_the_twelve_ways() {
    let world = world();
    assert_eq!(casemate_testkit::refusals(&world, &hints).await, Vec::<String>::new());
}
