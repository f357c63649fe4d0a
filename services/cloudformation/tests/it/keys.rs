//! KMS keys and aliases in templates.

use casemate_schema::Document;

use crate::{Scene, of};

const KEY: &str = r"
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      Description: of the stack
      EnableKeyRotation: true
      RotationPeriodInDays: 100
      PendingWindowInDays: 7
      Tags: [{Key: team, Value: a}]
      KeyPolicy:
        Version: 2012-10-17
        Statement:
          - {Effect: Allow, Principal: {AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'}, Action: 'kms:*', Resource: '*'}
  Alias:
    Type: AWS::KMS::Alias
    Properties: {AliasName: alias/of-the-stack, TargetKeyId: !Ref Key}
Outputs:
  Arn: {Value: !GetAtt Key.Arn}
";

async fn kms(scene: &Scene, operation: &str, key: &str) -> String {
    scene.other("kms", operation, Document::structure([("KeyId", key.into())])).await.text()
}

#[tokio::test]
async fn a_key_and_its_alias_follow_the_template() {
    let scene = Scene::new().await;
    scene.created("keys", KEY).await;
    let described = kms(&scene, "DescribeKey", "alias/of-the-stack").await;
    let found: serde_json::Value = serde_json::from_str(&described).unwrap();
    let id = found["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    assert_eq!(found["KeyMetadata"]["Description"], "of the stack");
    assert!(scene.describe("keys").await.text().contains(found["KeyMetadata"]["Arn"].as_str().unwrap()));
    assert!(kms(&scene, "GetKeyRotationStatus", &id).await.contains(r#""RotationPeriodInDays":100"#));
    assert!(kms(&scene, "ListResourceTags", &id).await.contains(r#"{"TagKey":"team","TagValue":"a"}"#));

    let changed = KEY
        .replace("EnableKeyRotation: true", "Enabled: false")
        .replace("of the stack", "changed")
        .replace("Key: team, Value: a", "Key: stage, Value: b");
    assert_eq!(scene.update("keys", &changed).await.status, 200);
    assert_eq!(scene.settled("keys").await, "UPDATE_COMPLETE");
    let described = kms(&scene, "DescribeKey", &id).await;
    assert!(described.contains("changed") && described.contains(r#""KeyState":"Disabled""#), "{described}");
    assert!(kms(&scene, "GetKeyRotationStatus", &id).await.contains(r#""KeyRotationEnabled":false"#));
    let tags = kms(&scene, "ListResourceTags", &id).await;
    assert!(tags.contains("stage") && !tags.contains("team"), "{tags}");

    assert_eq!(scene.call("DeleteStack", of("keys")).await.status, 200);
    scene.settled("keys").await;
    assert!(kms(&scene, "DescribeKey", &id).await.contains(r#""KeyState":"PendingDeletion""#));
    assert!(kms(&scene, "DescribeKey", "alias/of-the-stack").await.contains("NotFoundException"));
}

#[tokio::test]
async fn who_may_not_make_keys_makes_none_by_a_template() {
    let scene = Scene::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"cloudformation:*","Resource":"*"}}"#;
    let weak = scene.user("weak", policy).await;
    scene.world.call(&weak, "cloudformation", "CreateStack", crate::request("keys", KEY)).await;
    assert_eq!(scene.settled("keys").await, "ROLLBACK_COMPLETE");
    assert!(scene.events("keys").await.contains("kms:CreateKey"));
    let listed = scene.other("kms", "ListKeys", Document::empty()).await.text();
    assert!(listed.contains(r#""Keys":[]"#), "{listed}");
}

#[tokio::test]
async fn a_key_that_waits_for_its_deletion_already_counts_as_deleted() {
    let scene = Scene::new().await;
    scene.created("keys", KEY).await;
    let described = kms(&scene, "DescribeKey", "alias/of-the-stack").await;
    let found: serde_json::Value = serde_json::from_str(&described).unwrap();
    let id = found["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    assert!(kms(&scene, "ScheduleKeyDeletion", &id).await.contains("PendingDeletion"));
    assert_eq!(scene.call("DeleteStack", of("keys")).await.status, 200);
    scene.settled("keys").await;
    let answer = scene.describe("keys").await;
    assert!(answer.status != 200 || answer.text().contains("DELETE_COMPLETE"), "{}", answer.text());
}

#[tokio::test]
async fn a_window_that_no_deletion_may_have_makes_no_key() {
    for days in ["6", "31", "0", "-7", "soon"] {
        let scene = Scene::new().await;
        let template = KEY.replace("PendingWindowInDays: 7", &format!("PendingWindowInDays: {days}"));
        scene
            .world
            .call(&scene.admin, "cloudformation", "CreateStack", crate::request("keys", &template))
            .await;
        assert_eq!(scene.settled("keys").await, "ROLLBACK_COMPLETE", "{days}");
        assert!(
            scene.other("kms", "ListKeys", Document::empty()).await.text().contains(r#""Keys":[]"#),
            "{days}"
        );
    }
}
