//! Keys: their states, aliases and tags.

use serde_json::{Value, json};

use crate::{Scene, decoded};

#[tokio::test]
async fn a_disabled_key_does_nothing_until_it_is_enabled() {
    let scene = Scene::new().await;
    let blob = scene.sealed(json!({})).await;
    let key = json!({"KeyId": scene.key});
    scene.done("DisableKey", key.clone()).await;
    for (operation, input) in [
        ("Encrypt", json!({"KeyId": scene.key, "Plaintext": "YQ=="})),
        ("Decrypt", json!({"CiphertextBlob": blob})),
        ("GenerateDataKey", json!({"KeyId": scene.key, "KeySpec": "AES_256"})),
        ("ReEncrypt", json!({"CiphertextBlob": blob, "DestinationKeyId": scene.key})),
        ("EnableKeyRotation", key.clone()),
        ("RotateKeyOnDemand", key.clone()),
    ] {
        assert_eq!(scene.refused(operation, input).await, "DisabledException", "{operation}");
    }
    assert_eq!(scene.done("DescribeKey", key.clone()).await["KeyMetadata"]["KeyState"], "Disabled");
    scene.done("EnableKey", key).await;
    assert_eq!(
        decoded(&scene.done("Decrypt", json!({"CiphertextBlob": blob})).await["Plaintext"]),
        b"secret"
    );
}

#[tokio::test]
async fn a_key_about_to_be_deleted_does_nothing_and_is_gone_in_time() {
    let scene = Scene::new().await;
    let blob = scene.sealed(json!({})).await;
    let key = json!({"KeyId": scene.key});
    for days in [6, 31] {
        let input = json!({"KeyId": scene.key, "PendingWindowInDays": days});
        assert_eq!(scene.refused("ScheduleKeyDeletion", input).await, "ValidationException");
    }
    scene.done("ScheduleKeyDeletion", json!({"KeyId": scene.key, "PendingWindowInDays": 7})).await;
    for (operation, input) in [
        ("Encrypt", json!({"KeyId": scene.key, "Plaintext": "YQ=="})),
        ("Decrypt", json!({"CiphertextBlob": blob})),
        ("EnableKey", key.clone()),
        ("DisableKey", key.clone()),
        ("ScheduleKeyDeletion", key.clone()),
        ("TagResource", json!({"KeyId": scene.key, "Tags": []})),
        ("CreateAlias", json!({"AliasName": "alias/a", "TargetKeyId": scene.key})),
    ] {
        assert_eq!(scene.refused(operation, input).await, "KMSInvalidStateException", "{operation}");
    }
    scene.done("CancelKeyDeletion", key.clone()).await;
    assert_eq!(scene.refused("CancelKeyDeletion", key.clone()).await, "KMSInvalidStateException");
    assert_eq!(scene.refused("Decrypt", json!({"CiphertextBlob": blob})).await, "DisabledException");
    scene.done("ScheduleKeyDeletion", json!({"KeyId": scene.key, "PendingWindowInDays": 7})).await;
    scene.world.clock.advance_seconds(7 * 86_400 - 1);
    scene.done("DescribeKey", key.clone()).await;
    scene.world.clock.advance_seconds(1);
    for (operation, input) in [
        ("DescribeKey", key.clone()),
        ("CancelKeyDeletion", key.clone()),
        ("Decrypt", json!({"CiphertextBlob": blob})),
        ("GetKeyPolicy", key.clone()),
    ] {
        assert_eq!(scene.refused(operation, input).await, "NotFoundException", "{operation}");
    }
    let listed = scene.done("ListKeys", json!({})).await;
    assert_eq!(listed["Keys"], json!([]));
}

#[tokio::test]
async fn an_alias_names_one_key_of_its_account() {
    let scene = Scene::new().await;
    let other = scene.make_key(json!({})).await;
    let alias = |key: &str| json!({"AliasName": "alias/mine", "TargetKeyId": key});
    scene.done("CreateAlias", alias(&scene.key)).await;
    assert_eq!(scene.refused("CreateAlias", alias(&other)).await, "AlreadyExistsException");
    let encrypt = json!({"KeyId": "alias/mine", "Plaintext": "YQ=="});
    assert_eq!(scene.done("Encrypt", encrypt.clone()).await["KeyId"], scene.arn());
    scene.done("UpdateAlias", alias(&other)).await;
    assert!(scene.done("Encrypt", encrypt.clone()).await["KeyId"].as_str().unwrap().ends_with(&other));
    let listed = scene.done("ListAliases", json!({"KeyId": other})).await;
    assert_eq!(listed["Aliases"][0]["AliasName"], "alias/mine");
    assert_eq!(scene.done("ListAliases", json!({"KeyId": scene.key})).await["Aliases"], json!([]));
    assert_eq!(scene.refused("EnableKey", json!({"KeyId": "alias/mine"})).await, "NotFoundException");
    scene.done("DeleteAlias", json!({"AliasName": "alias/mine"})).await;
    assert_eq!(scene.refused("Encrypt", encrypt).await, "NotFoundException");
    for (name, code) in [
        ("alias/aws/lambda", "NotAuthorizedException"),
        ("mine", "ValidationException"),
        ("alias/a:b", "InvalidAliasNameException"),
    ] {
        let input = json!({"AliasName": name, "TargetKeyId": scene.key});
        assert_eq!(scene.refused("CreateAlias", input).await, code, "{name}");
    }
}

#[tokio::test]
async fn pointing_an_alias_elsewhere_needs_rights_to_the_alias_and_both_keys() {
    let scene = Scene::new().await;
    let other = scene.make_key(json!({})).await;
    scene.done("CreateAlias", json!({"AliasName": "alias/mine", "TargetKeyId": scene.key})).await;
    let arn = |resource: &str| format!(r#""arn:aws:kms:us-east-1:{}:{resource}""#, crate::HOME);
    let (alias, old, new) =
        (arn("alias/mine"), arn(&format!("key/{}", scene.key)), arn(&format!("key/{other}")));
    let input = json!({"AliasName": "alias/mine", "TargetKeyId": other});
    let may = |name: &str, resources: &[&str]| {
        let resources = resources.join(",");
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:UpdateAlias","Resource":[{resources}]}}}}"#
        );
        scene.world.identities().user(name, &[&policy])
    };
    for (name, resources) in
        [("a", [alias.as_str(), &old]), ("b", [alias.as_str(), &new]), ("c", [old.as_str(), &new])]
    {
        let who = may(name, &resources);
        assert_eq!(
            scene.refused_as(&who, "UpdateAlias", input.clone()).await,
            "AccessDeniedException",
            "{name}"
        );
    }
    scene.done_as(&may("all", &[&alias, &old, &new]), "UpdateAlias", input).await;
}

#[tokio::test]
async fn rights_through_an_alias_are_rights_to_its_key() {
    let scene = Scene::new().await;
    scene.done("CreateAlias", json!({"AliasName": "alias/mine", "TargetKeyId": scene.key})).await;
    let policy = |condition: &str, resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:Encrypt","Resource":"{resource}"{condition}}}}}"#
        )
    };
    let input = |key: &str| json!({"KeyId": key, "Plaintext": "YQ=="});
    let people = scene.world.identities();
    // AWS: an alias's ARN as the resource of a policy is no right to its key (Developer Guide, "Control access by alias").
    let by_arn =
        people.user("by-arn", &[&policy("", &format!("arn:aws:kms:us-east-1:{}:alias/mine", crate::HOME))]);
    assert_eq!(scene.refused_as(&by_arn, "Encrypt", input("alias/mine")).await, "AccessDeniedException");
    let requested = people.user(
        "requested",
        &[&policy(r#","Condition":{"StringEquals":{"kms:RequestAlias":"alias/mine"}}"#, "*")],
    );
    scene.done_as(&requested, "Encrypt", input("alias/mine")).await;
    assert_eq!(scene.refused_as(&requested, "Encrypt", input(&scene.key)).await, "AccessDeniedException");
    let has = people.user(
        "has",
        &[&policy(r#","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/mine"}}"#, "*")],
    );
    scene.done_as(&has, "Encrypt", input(&scene.key)).await;
    scene.done("DeleteAlias", json!({"AliasName": "alias/mine"})).await;
    assert_eq!(scene.refused_as(&has, "Encrypt", input(&scene.key)).await, "AccessDeniedException");
}

#[tokio::test]
async fn tags_are_kept_and_decide() {
    let scene = Scene::new().await;
    let tag = |value: &str| json!([{"TagKey": "team", "TagValue": value}]);
    scene.done("TagResource", json!({"KeyId": scene.key, "Tags": tag("a")})).await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*",
        "Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}"#;
    let of_a = scene.world.identities().user("of-a", &[policy]);
    let input = json!({"KeyId": scene.key, "Plaintext": "YQ=="});
    scene.done_as(&of_a, "Encrypt", input.clone()).await;
    scene.done("TagResource", json!({"KeyId": scene.key, "Tags": tag("b")})).await;
    assert_eq!(scene.refused_as(&of_a, "Encrypt", input).await, "AccessDeniedException");
    let listed = scene.done("ListResourceTags", json!({"KeyId": scene.key})).await;
    assert_eq!(listed["Tags"], tag("b"));
    scene.done("UntagResource", json!({"KeyId": scene.key, "TagKeys": ["team"]})).await;
    assert_eq!(scene.done("ListResourceTags", json!({"KeyId": scene.key})).await["Tags"], json!([]));
    let reserved = json!({"KeyId": scene.key, "Tags": [{"TagKey": "aws:x", "TagValue": ""}]});
    assert_eq!(scene.refused("TagResource", reserved).await, "TagException");
}

#[tokio::test]
async fn making_a_key_with_tags_needs_the_right_to_tag() {
    let scene = Scene::new().await;
    let policy =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}}"#;
    let maker = scene.world.identities().user("maker", &[policy]);
    scene.done_as(&maker, "CreateKey", json!({})).await;
    let tagged = json!({"Tags": [{"TagKey": "a", "TagValue": "b"}]});
    assert_eq!(scene.refused_as(&maker, "CreateKey", tagged).await, "AccessDeniedException");
}

#[tokio::test]
async fn what_is_not_offered_is_refused() {
    let scene = Scene::new().await;
    for input in [
        json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}),
        json!({"KeyUsage": "GENERATE_VERIFY_MAC"}),
        json!({"Origin": "EXTERNAL"}),
        json!({"MultiRegion": true}),
        json!({"CustomKeyStoreId": "cks-1"}),
    ] {
        assert_eq!(
            scene.refused("CreateKey", input.clone()).await,
            "UnsupportedOperationException",
            "{input}"
        );
    }
}

#[tokio::test]
async fn every_key_is_listed_once() {
    let scene = Scene::new().await;
    for _ in 0..4 {
        scene.make_key(json!({})).await;
    }
    let (mut marker, mut seen) = (Value::Null, Vec::new());
    loop {
        let input =
            if marker.is_null() { json!({"Limit": 2}) } else { json!({"Limit": 2, "Marker": marker}) };
        let page = scene.done("ListKeys", input).await;
        seen.extend(page["Keys"].as_array().unwrap().iter().map(|key| key["KeyId"].to_string()));
        if page["Truncated"] == false {
            break;
        }
        marker = page["NextMarker"].clone();
    }
    assert_eq!(seen.len(), 5);
    seen.dedup();
    assert_eq!(seen.len(), 5);
    assert_eq!(scene.refused("ListKeys", json!({"Marker": "zz"})).await, "InvalidMarkerException");
}
