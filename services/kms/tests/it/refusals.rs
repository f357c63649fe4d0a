//! Who may not, operation by operation.

use casemate_schema::{Document, OpMeta};
use serde_json::json;

use crate::{Scene, world};

/// A key that is not there: what is asked is asked all the same.
const KEY: &str = "01234567-89ab-4def-8123-456789abcdef";

pub(crate) fn hints(op: &OpMeta, member: &str) -> Option<Document> {
    match (op.name, member) {
        (_, "KeyId" | "TargetKeyId" | "DestinationKeyId" | "SourceKeyId") => Some(KEY.into()),
        (_, "AliasName") => Some("alias/sample".into()),
        ("RetireGrant", "GrantId") => Some("0123456789abcdef".into()),
        _ => None,
    }
}

#[tokio::test]
async fn every_operation_is_refused_in_every_way() {
    assert_eq!(casemate_testkit::refusals(&world(), &hints).await, Vec::<String>::new());
}

#[tokio::test]
async fn another_accounts_key_is_refused_where_aws_has_no_such_use_even_if_its_policy_allows_it() {
    let scene = Scene::new().await;
    let other = scene.world.other_account();
    let stranger = scene.world.identities().user_of(&other, "stranger", &[crate::ALLOW_ALL], None);
    let all = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:root"}},"Action":"kms:*","Resource":"*"}}"#,
        other.as_str()
    );
    let arn = scene.arn();
    let encrypt = json!({"KeyId": arn, "Plaintext": "YQ=="});
    assert_eq!(scene.refused_as(&stranger, "Encrypt", encrypt.clone()).await, "AccessDeniedException");
    scene.put_policy(&all).await;
    scene.done_as(&stranger, "Encrypt", encrypt).await;
    scene.done_as(&stranger, "DescribeKey", json!({"KeyId": arn})).await;
    for (operation, input) in [
        ("GetKeyPolicy", json!({"KeyId": arn})),
        ("PutKeyPolicy", json!({"KeyId": arn, "Policy": "{}"})),
        ("ScheduleKeyDeletion", json!({"KeyId": arn})),
        ("DisableKey", json!({"KeyId": arn})),
        ("EnableKey", json!({"KeyId": arn})),
        ("TagResource", json!({"KeyId": arn, "Tags": [{"TagKey": "a", "TagValue": "b"}]})),
        ("ListResourceTags", json!({"KeyId": arn})),
        ("UpdateKeyDescription", json!({"KeyId": arn, "Description": "mine"})),
        ("EnableKeyRotation", json!({"KeyId": arn})),
        ("CreateAlias", json!({"AliasName": "alias/x", "TargetKeyId": arn})),
    ] {
        assert_eq!(
            scene.refused_as(&stranger, operation, input).await,
            "AccessDeniedException",
            "{operation}"
        );
    }
}

#[tokio::test]
async fn another_account_needs_both_the_key_policy_and_a_policy_of_its_own() {
    let scene = Scene::new().await;
    let other = scene.world.other_account();
    let with = scene.world.identities().user_of(&other, "with", &[crate::ALLOW_ALL], None);
    let without = scene.world.identities().user_of(&other, "without", &[], None);
    let blob = scene.sealed(json!({})).await;
    let input = json!({"CiphertextBlob": blob, "KeyId": scene.arn()});
    assert_eq!(scene.refused_as(&with, "Decrypt", input.clone()).await, "AccessDeniedException");
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:root"}},"Action":"kms:Decrypt","Resource":"*"}}"#,
        other.as_str()
    );
    scene.put_policy(&statement).await;
    scene.done_as(&with, "Decrypt", input.clone()).await;
    // The ciphertext itself says whose key it is.
    scene.done_as(&with, "Decrypt", json!({"CiphertextBlob": input["CiphertextBlob"]})).await;
    assert_eq!(scene.refused_as(&without, "Decrypt", input.clone()).await, "AccessDeniedException");
    assert_eq!(
        scene.refused_as(&with, "Encrypt", json!({"KeyId": scene.arn(), "Plaintext": "YQ=="})).await,
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn who_may_nothing_does_not_learn_which_keys_there_are() {
    let scene = Scene::new().await;
    let nobody = scene.world.identities().user("nobody", &[]);
    for key in [scene.key.as_str(), KEY, "alias/none"] {
        assert_eq!(
            scene.refused_as(&nobody, "DescribeKey", json!({"KeyId": key})).await,
            "AccessDeniedException",
            "{key}"
        );
    }
    assert_eq!(scene.refused("DescribeKey", json!({"KeyId": KEY})).await, "NotFoundException");
    assert_eq!(scene.refused("DescribeKey", json!({"KeyId": "alias/none"})).await, "NotFoundException");
}
