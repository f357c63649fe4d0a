//! Encryption, decryption and data keys: what comes back, and what does not.

use serde_json::{Value, json};

use crate::{Scene, decoded, encoded};

#[tokio::test]
async fn what_was_encrypted_comes_back_in_the_same_context_only() {
    let scene = Scene::new().await;
    let blob = scene.sealed(json!({"a": "1", "b": "2"})).await;
    let open = |context: Value| json!({"CiphertextBlob": blob, "EncryptionContext": context});
    let answer = scene.done("Decrypt", open(json!({"b": "2", "a": "1"}))).await;
    assert_eq!(decoded(&answer["Plaintext"]), b"secret");
    assert_eq!(answer["KeyId"], scene.arn());
    for wrong in [
        json!({}),
        json!({"a": "1"}),
        json!({"a": "1", "b": "3"}),
        json!({"A": "1", "b": "2"}),
        json!({"a": "1", "b": "2", "c": ""}),
    ] {
        assert_eq!(
            scene.refused("Decrypt", open(wrong.clone())).await,
            "InvalidCiphertextException",
            "{wrong}"
        );
    }
    assert_eq!(scene.refused("Decrypt", json!({"CiphertextBlob": blob})).await, "InvalidCiphertextException");
}

#[tokio::test]
async fn a_changed_ciphertext_is_refused_whichever_byte_it_is() {
    let scene = Scene::new().await;
    let blob = decoded(&scene.sealed(json!({})).await);
    for index in [0, 4, 11, 12, 27, 28, 31, 32, 47, 48, 59, 60, blob.len() - 1] {
        let mut changed = blob.clone();
        changed[index] ^= 1;
        let input = json!({"CiphertextBlob": encoded(&changed)});
        let code = scene.refused("Decrypt", input.clone()).await;
        // Another account's or an unknown key's ciphertext says no more than that one has no right to it.
        assert!(
            ["InvalidCiphertextException", "AccessDeniedException", "NotFoundException"]
                .contains(&code.as_str()),
            "byte {index}: {code}"
        );
        let named = json!({"CiphertextBlob": encoded(&changed), "KeyId": scene.key});
        let code = scene.refused("Decrypt", named).await;
        assert!(
            ["InvalidCiphertextException", "IncorrectKeyException"].contains(&code.as_str()),
            "byte {index}"
        );
    }
    let input = json!({"CiphertextBlob": encoded(&blob[..blob.len() - 1])});
    assert_eq!(scene.refused("Decrypt", input).await, "InvalidCiphertextException");
    assert_eq!(scene.refused("Decrypt", json!({})).await, "InvalidCiphertextException");
}

#[tokio::test]
async fn another_key_does_not_decrypt() {
    let scene = Scene::new().await;
    let other = scene.make_key(json!({})).await;
    let blob = scene.sealed(json!({})).await;
    let input = json!({"CiphertextBlob": blob, "KeyId": other});
    assert_eq!(scene.refused("Decrypt", input).await, "IncorrectKeyException");
}

#[tokio::test]
async fn data_keys_come_in_plain_and_sealed_and_the_one_is_the_other() {
    let scene = Scene::new().await;
    let context = json!({"purpose": "test"});
    for (spec, length) in [
        (json!({"KeySpec": "AES_256"}), 32),
        (json!({"KeySpec": "AES_128"}), 16),
        (json!({"NumberOfBytes": 100}), 100),
    ] {
        let mut input = json!({"KeyId": scene.key, "EncryptionContext": context});
        input.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let made = scene.done("GenerateDataKey", input.clone()).await;
        let open = json!({"CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": context});
        let opened = scene.done("Decrypt", open).await;
        assert_eq!(opened["Plaintext"], made["Plaintext"]);
        assert_eq!(decoded(&made["Plaintext"]).len(), length);
        let hidden = scene.done("GenerateDataKeyWithoutPlaintext", input).await;
        assert!(hidden.get("Plaintext").is_none());
    }
    for wrong in [json!({}), json!({"KeySpec": "AES_256", "NumberOfBytes": 1})] {
        let mut input = json!({"KeyId": scene.key});
        input.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert_eq!(scene.refused("GenerateDataKey", input).await, "ValidationException");
    }
}

#[tokio::test]
async fn limits_are_kept() {
    let scene = Scene::new().await;
    let encrypt = |bytes: usize| json!({"KeyId": scene.key, "Plaintext": encoded(&vec![0; bytes])});
    let blob = scene.done("Encrypt", encrypt(4096)).await["CiphertextBlob"].clone();
    assert_eq!(
        decoded(&scene.done("Decrypt", json!({"CiphertextBlob": blob})).await["Plaintext"]).len(),
        4096
    );
    assert_eq!(scene.refused("Encrypt", encrypt(4097)).await, "ValidationException");
    let context =
        json!({"KeyId": scene.key, "Plaintext": "YQ==", "EncryptionContext": {"a": "x".repeat(8192)}});
    assert_eq!(scene.refused("Encrypt", context).await, "ValidationException");
    assert_eq!(scene.refused("GenerateRandom", json!({"NumberOfBytes": 1025})).await, "ValidationException");
    assert_eq!(scene.refused("GenerateRandom", json!({})).await, "ValidationException");
    let random = scene.done("GenerateRandom", json!({"NumberOfBytes": 1024})).await;
    assert_eq!(decoded(&random["Plaintext"]).len(), 1024);
}

#[tokio::test]
async fn re_encryption_needs_rights_to_both_keys() {
    let scene = Scene::new().await;
    let other = scene.make_key(json!({})).await;
    let blob = scene.sealed(json!({"a": "1"})).await;
    let input = json!({
        "CiphertextBlob": blob, "SourceEncryptionContext": {"a": "1"},
        "DestinationKeyId": other, "DestinationEncryptionContext": {"b": "2"}
    });
    let moved = scene.done("ReEncrypt", input.clone()).await;
    let open =
        json!({"CiphertextBlob": moved["CiphertextBlob"], "KeyId": other, "EncryptionContext": {"b": "2"}});
    assert_eq!(decoded(&scene.done("Decrypt", open).await["Plaintext"]), b"secret");
    let arn = |key: &str| format!("arn:aws:kms:us-east-1:{}:key/{key}", crate::HOME);
    let may = |action: &str, key: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:{action}","Resource":"{}"}}}}"#,
            arn(key)
        )
    };
    let people = scene.world.identities();
    let from = people.user("from", &[&may("ReEncryptFrom", &scene.key)]);
    let to = people.user("to", &[&may("ReEncryptTo", &other)]);
    let both = people.user("both", &[&may("ReEncryptFrom", &scene.key), &may("ReEncryptTo", &other)]);
    assert_eq!(scene.refused_as(&from, "ReEncrypt", input.clone()).await, "AccessDeniedException");
    assert_eq!(scene.refused_as(&to, "ReEncrypt", input.clone()).await, "AccessDeniedException");
    scene.done_as(&both, "ReEncrypt", input.clone()).await;
    let mut wrong = input;
    wrong["SourceEncryptionContext"] = json!({"a": "2"});
    assert_eq!(scene.refused_as(&both, "ReEncrypt", wrong).await, "InvalidCiphertextException");
}

#[tokio::test]
async fn a_rehearsal_says_that_it_would_have_succeeded_and_nothing_else() {
    let scene = Scene::new().await;
    let nobody = scene.world.identities().user("nobody", &[]);
    let input = json!({"KeyId": scene.key, "Plaintext": "YQ==", "DryRun": true});
    assert_eq!(scene.refused("Encrypt", input.clone()).await, "DryRunOperationException");
    assert_eq!(scene.refused_as(&nobody, "Encrypt", input).await, "AccessDeniedException");
    let blob = scene.sealed(json!({})).await;
    let answer =
        scene.call_as(&scene.admin, "Decrypt", json!({"CiphertextBlob": blob, "DryRun": true})).await;
    assert_eq!(answer.code().as_deref(), Some("DryRunOperationException"));
    assert!(!answer.text().contains(&encoded(b"secret")));
}

#[tokio::test]
async fn rotated_keys_still_open_what_they_sealed_before() {
    let scene = Scene::new().await;
    let old = scene.done("Encrypt", json!({"KeyId": scene.key, "Plaintext": "YQ=="})).await;
    let key = json!({"KeyId": scene.key});
    scene.done("EnableKeyRotation", json!({"KeyId": scene.key, "RotationPeriodInDays": 90})).await;
    let before = scene.done("DescribeKey", key.clone()).await["KeyMetadata"]["CurrentKeyMaterialId"].clone();
    scene.world.clock.advance_seconds(90 * 86_400);
    let new = scene.done("Encrypt", json!({"KeyId": scene.key, "Plaintext": "Yg=="})).await;
    let after = scene.done("DescribeKey", key.clone()).await["KeyMetadata"]["CurrentKeyMaterialId"].clone();
    assert_ne!(before, after);
    for (made, plain) in [(&old, "YQ=="), (&new, "Yg==")] {
        let opened = scene.done("Decrypt", json!({"CiphertextBlob": made["CiphertextBlob"]})).await;
        assert_eq!(opened["Plaintext"], plain);
    }
    scene.done("RotateKeyOnDemand", key.clone()).await;
    let listed = scene.done("ListKeyRotations", key.clone()).await;
    let kinds: Vec<_> =
        listed["Rotations"].as_array().unwrap().iter().map(|r| r["RotationType"].clone()).collect();
    assert_eq!(kinds, ["AUTOMATIC", "ON_DEMAND"]);
    let status = scene.done("GetKeyRotationStatus", key.clone()).await;
    assert_eq!(status["KeyRotationEnabled"], true);
    scene.done("DisableKeyRotation", key.clone()).await;
    assert_eq!(scene.done("GetKeyRotationStatus", key).await["KeyRotationEnabled"], false);
}
