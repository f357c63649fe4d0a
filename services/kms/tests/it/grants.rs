//! Grants: what each gives, to whom, and that it gives nothing more.

use serde_json::{Value, json};

use crate::Scene;

/// Grants `operations` to whoever `grantee` names; id and token.
async fn granted(scene: &Scene, grantee: &str, operations: Value, more: Value) -> (String, String) {
    let mut input = json!({"KeyId": scene.key, "GranteePrincipal": grantee, "Operations": operations});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = scene.done("CreateGrant", input).await;
    (made["GrantId"].as_str().unwrap().to_owned(), made["GrantToken"].as_str().unwrap().to_owned())
}

fn encrypt(scene: &Scene, context: Value) -> Value {
    json!({"KeyId": scene.key, "Plaintext": "YQ==", "EncryptionContext": context})
}

const DENIED: &str = "AccessDeniedException";

#[tokio::test]
async fn a_grant_gives_its_operations_to_its_grantee_and_nothing_else() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    let (_, bystander) = scene.role("bystander").await;
    assert_eq!(scene.refused_as(&session, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    let (_, token) = granted(&scene, role.arn.as_str(), json!(["Encrypt", "DescribeKey"]), json!({})).await;
    let blob = scene.done_as(&session, "Encrypt", encrypt(&scene, json!({}))).await["CiphertextBlob"].clone();
    scene.done_as(&session, "DescribeKey", json!({"KeyId": scene.key})).await;
    let key = json!({"KeyId": scene.key});
    for (operation, input) in [
        ("Decrypt", json!({"CiphertextBlob": blob})),
        ("Decrypt", json!({"CiphertextBlob": blob, "GrantTokens": [token]})),
        ("GenerateDataKey", json!({"KeyId": scene.key, "KeySpec": "AES_256"})),
        ("ReEncrypt", json!({"CiphertextBlob": blob, "DestinationKeyId": scene.key})),
        (
            "CreateGrant",
            json!({"KeyId": scene.key, "GranteePrincipal": role.arn.as_str(), "Operations": ["Encrypt"]}),
        ),
        ("ListGrants", key.clone()),
        ("GetKeyPolicy", key.clone()),
        ("PutKeyPolicy", json!({"KeyId": scene.key, "Policy": "{}"})),
        ("DisableKey", key.clone()),
        ("ScheduleKeyDeletion", key.clone()),
        ("EnableKeyRotation", key.clone()),
    ] {
        assert_eq!(scene.refused_as(&session, operation, input).await, DENIED, "{operation}");
    }
    assert_eq!(scene.refused_as(&bystander, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    let mut with_token = encrypt(&scene, json!({}));
    with_token["GrantTokens"] = json!([token]);
    assert_eq!(scene.refused_as(&bystander, "Encrypt", with_token).await, DENIED);
    let other = scene.make_key(json!({})).await;
    let elsewhere = json!({"KeyId": other, "Plaintext": "YQ=="});
    assert_eq!(scene.refused_as(&session, "Encrypt", elsewhere).await, DENIED);
}

#[tokio::test]
async fn an_explicit_deny_beats_a_grant_wherever_it_is() {
    let scene = Scene::new().await;
    let deny =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}}"#;
    let (role, session) = scene.role_with("denied", &[deny]).await;
    granted(&scene, role.arn.as_str(), json!(["Encrypt"]), json!({})).await;
    assert_eq!(scene.refused_as(&session, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    let (role, session) = scene.role("worker").await;
    granted(&scene, role.arn.as_str(), json!(["Encrypt"]), json!({})).await;
    scene.done_as(&session, "Encrypt", encrypt(&scene, json!({}))).await;
    let statement = format!(
        r#"{{"Effect":"Deny","Principal":{{"AWS":"{}"}},"Action":"kms:Encrypt","Resource":"*"}}"#,
        role.arn
    );
    scene.put_policy(&statement).await;
    assert_eq!(scene.refused_as(&session, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
}

#[tokio::test]
async fn a_grant_stays_within_session_policies_and_boundaries() {
    let scene = Scene::new().await;
    let (role, _) = scene.role("worker").await;
    granted(&scene, role.arn.as_str(), json!(["Encrypt"]), json!({})).await;
    let other =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}}"#;
    let confined = scene.world.session(&role, 3600, Some(&[other])).await;
    assert_eq!(scene.refused_as(&confined, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    scene.world.identities().grant(&role.unique_id, &[], Some(other));
    let bounded = scene.world.session(&role, 3600, None).await;
    assert_eq!(scene.refused_as(&bounded, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    scene.world.identities().grant(&role.unique_id, &[], None);
    scene.done_as(&bounded, "Encrypt", encrypt(&scene, json!({}))).await;
}

#[tokio::test]
async fn constraints_hold_byte_by_byte() {
    let scene = Scene::new().await;
    let (exact, exactly) = scene.role("exact").await;
    let (partial, partly) = scene.role("partial").await;
    let constraint = |kind: &str| json!({"Constraints": {kind: {"Team": "a"}}});
    granted(
        &scene,
        exact.arn.as_str(),
        json!(["Encrypt", "DescribeKey"]),
        constraint("EncryptionContextEquals"),
    )
    .await;
    granted(&scene, partial.arn.as_str(), json!(["Encrypt"]), constraint("EncryptionContextSubset")).await;
    for (context, equal, within) in [
        (json!({"Team": "a"}), true, true),
        (json!({"Team": "a", "x": "y"}), false, true),
        (json!({"team": "a"}), false, false),
        (json!({"Team": "A"}), false, false),
        (json!({"Team": "b"}), false, false),
        (json!({}), false, false),
        (json!({"Team": "a", "team": "b"}), false, false),
    ] {
        let input = encrypt(&scene, context.clone());
        let answer = scene.call_as(&exactly, "Encrypt", input.clone()).await;
        assert_eq!(answer.status == 200, equal, "equals {context}: {}", answer.text());
        assert_eq!(scene.call_as(&partly, "Encrypt", input).await.status == 200, within, "subset {context}");
    }
    scene.done_as(&exactly, "DescribeKey", json!({"KeyId": scene.key})).await;
    for wrong in [
        json!({"EncryptionContextEquals": {"a": "b"}, "EncryptionContextSubset": {"a": "b"}}),
        json!({"EncryptionContextEquals": {"a": "x".repeat(385)}}),
        json!({"SourceArn": "arn:aws:s3:::bucket"}),
    ] {
        let input = json!({"KeyId": scene.key, "GranteePrincipal": exact.arn.as_str(), "Operations": ["Encrypt"],
            "Constraints": wrong});
        assert_eq!(scene.refused("CreateGrant", input).await, "ValidationException", "{wrong}");
    }
}

#[tokio::test]
async fn each_side_of_a_re_encryption_has_its_own_grant_and_context() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    let constraint = json!({"Constraints": {"EncryptionContextEquals": {"a": "1"}}});
    granted(&scene, role.arn.as_str(), json!(["ReEncryptFrom"]), constraint).await;
    granted(&scene, role.arn.as_str(), json!(["ReEncryptTo"]), json!({})).await;
    let blob = scene.sealed(json!({"a": "1"})).await;
    let other = scene.sealed(json!({"a": "2"})).await;
    let input = |blob: &Value, a: &str| json!({"CiphertextBlob": blob, "SourceEncryptionContext": {"a": a}, "DestinationKeyId": scene.key});
    scene.done_as(&session, "ReEncrypt", input(&blob, "1")).await;
    assert_eq!(scene.refused_as(&session, "ReEncrypt", input(&other, "2")).await, DENIED);
}

#[tokio::test]
async fn revoked_and_retired_grants_give_nothing() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    let (retirer, retires) = scene.role("retirer").await;
    let (_, bystander) = scene.role("bystander").await;
    let retiring = json!({"RetiringPrincipal": retirer.arn.as_str()});
    let (id, _) = granted(&scene, role.arn.as_str(), json!(["Encrypt"]), json!({})).await;
    scene.done_as(&session, "Encrypt", encrypt(&scene, json!({}))).await;
    let by_id = |id: &str| json!({"KeyId": scene.arn(), "GrantId": id});
    for who in [&session, &retires, &bystander] {
        assert_eq!(scene.refused_as(who, "RevokeGrant", by_id(&id)).await, DENIED);
        assert_eq!(scene.refused_as(who, "RetireGrant", by_id(&id)).await, DENIED);
    }
    scene.done("RevokeGrant", by_id(&id)).await;
    assert_eq!(scene.refused_as(&session, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    assert_eq!(scene.refused("RevokeGrant", by_id(&id)).await, "NotFoundException");

    let (id, token) = granted(&scene, role.arn.as_str(), json!(["Encrypt"]), retiring.clone()).await;
    let (other, _) = granted(&scene, role.arn.as_str(), json!(["Decrypt"]), json!({})).await;
    // Whom one grant names for it may not end another.
    assert_eq!(scene.refused_as(&retires, "RetireGrant", by_id(&other)).await, DENIED);
    assert_eq!(scene.refused_as(&retires, "RevokeGrant", by_id(&id)).await, DENIED);
    assert_eq!(scene.refused_as(&bystander, "RetireGrant", json!({"GrantToken": token})).await, DENIED);
    scene.done_as(&retires, "RetireGrant", json!({"GrantToken": token})).await;
    assert_eq!(scene.refused_as(&session, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    assert_eq!(
        scene.refused("RetireGrant", json!({"GrantToken": token})).await,
        "InvalidGrantTokenException"
    );

    let (id, _) = granted(&scene, role.arn.as_str(), json!(["Encrypt", "RetireGrant"]), json!({})).await;
    assert_eq!(scene.refused_as(&session, "RetireGrant", by_id(&other)).await, DENIED);
    scene.done_as(&session, "RetireGrant", by_id(&id)).await;
    assert_eq!(scene.refused_as(&session, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
}

#[tokio::test]
async fn tokens_of_nothing_are_refused() {
    let scene = Scene::new().await;
    let (role, _) = scene.role("worker").await;
    let (id, token) = granted(&scene, role.arn.as_str(), json!(["Encrypt"]), json!({})).await;
    let mut input = encrypt(&scene, json!({}));
    input["GrantTokens"] = json!([token]);
    scene.done("Encrypt", input.clone()).await;
    scene.done("RevokeGrant", json!({"KeyId": scene.key, "GrantId": id})).await;
    let forged = format!("{}0", &token[..token.len() - 1]);
    for bad in [token.as_str(), &forged, "x", "a_b_c_d", "___"] {
        input["GrantTokens"] = json!([bad]);
        assert_eq!(scene.refused("Encrypt", input.clone()).await, "InvalidGrantTokenException", "{bad}");
        let retire = json!({"GrantToken": bad});
        assert_eq!(scene.refused("RetireGrant", retire).await, "InvalidGrantTokenException", "{bad}");
    }
    assert_eq!(scene.refused("RetireGrant", json!({})).await, "ValidationException");
}

#[tokio::test]
async fn a_grant_made_by_a_grant_cannot_exceed_it() {
    let scene = Scene::new().await;
    let (parent, makes) = scene.role("parent").await;
    let (child, uses) = scene.role("child").await;
    let constraint = json!({"Constraints": {"EncryptionContextSubset": {"team": "a"}}});
    granted(&scene, parent.arn.as_str(), json!(["Encrypt", "CreateGrant"]), constraint).await;
    let make = |operations: Value, constraints: Value| {
        json!({"KeyId": scene.key, "GranteePrincipal": child.arn.as_str(), "Operations": operations,
            "Constraints": constraints})
    };
    for (operations, constraints) in [
        (json!(["Encrypt"]), json!({})),
        (json!(["Encrypt", "Decrypt"]), json!({"EncryptionContextEquals": {"team": "a"}})),
        (json!(["Decrypt"]), json!({"EncryptionContextEquals": {"team": "a"}})),
        (json!(["RetireGrant"]), json!({"EncryptionContextEquals": {"team": "a"}})),
        (json!(["Encrypt"]), json!({"EncryptionContextEquals": {"team": "b"}})),
        (json!(["Encrypt"]), json!({"EncryptionContextSubset": {"Team": "a"}})),
        (json!(["Encrypt"]), json!({"EncryptionContextSubset": {"stage": "a"}})),
        (json!([]), json!({"EncryptionContextEquals": {"team": "a"}})),
    ] {
        let input = make(operations.clone(), constraints.clone());
        assert_eq!(
            scene.refused_as(&makes, "CreateGrant", input).await,
            DENIED,
            "{operations} {constraints}"
        );
    }
    for constraints in [
        json!({"EncryptionContextSubset": {"team": "a"}}),
        json!({"EncryptionContextSubset": {"team": "a", "stage": "x"}}),
        json!({"EncryptionContextEquals": {"team": "a"}}),
        json!({"EncryptionContextEquals": {"team": "a", "stage": "x"}}),
    ] {
        scene.done_as(&makes, "CreateGrant", make(json!(["Encrypt"]), constraints)).await;
    }
    scene.done_as(&uses, "Encrypt", encrypt(&scene, json!({"team": "a"}))).await;
    assert_eq!(scene.refused_as(&uses, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    let more = make(json!(["Encrypt"]), json!({"EncryptionContextEquals": {"team": "a"}}));
    assert_eq!(scene.refused_as(&uses, "CreateGrant", more).await, DENIED);

    // Under a grant for one context exactly, a grant for all that contain it is wider.
    let (exact, makes) = scene.role("exact").await;
    let constraint = json!({"Constraints": {"EncryptionContextEquals": {"team": "a"}}});
    granted(&scene, exact.arn.as_str(), json!(["Encrypt", "CreateGrant"]), constraint).await;
    for wider in [
        json!({"EncryptionContextSubset": {"team": "a"}}),
        json!({"EncryptionContextEquals": {"team": "a", "x": "y"}}),
        json!({}),
    ] {
        let input = make(json!(["Encrypt"]), wider.clone());
        assert_eq!(scene.refused_as(&makes, "CreateGrant", input).await, DENIED, "{wider}");
    }
}

#[tokio::test]
async fn a_grant_is_its_role_not_its_roles_name() {
    let scene = Scene::new().await;
    let (first, session) = scene.role("worker").await;
    let (id, _) = granted(&scene, first.arn.as_str(), json!(["Encrypt"]), json!({})).await;
    scene.done_as(&session, "Encrypt", encrypt(&scene, json!({}))).await;
    scene.world.identities().delete(&first.unique_id);
    let (_, again) = scene.role("worker").await;
    assert_eq!(scene.refused_as(&again, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
    let listed = scene.done("ListGrants", json!({"KeyId": scene.key, "GrantId": id})).await;
    assert_eq!(listed["Grants"][0]["GranteePrincipal"], first.unique_id);
}

#[tokio::test]
async fn a_grant_across_accounts_needs_the_others_own_policy_too() {
    let scene = Scene::new().await;
    let other = scene.world.other_account();
    let root = format!("arn:aws:iam::{}:root", other.as_str());
    granted(&scene, &root, json!(["Encrypt"]), json!({})).await;
    let user = scene.world.identities().user_of(&other, "user", &[crate::ALLOW_ALL], None);
    let input = json!({"KeyId": scene.arn(), "Plaintext": "YQ=="});
    // The grant is the root's, not everybody's whom the account trusts.
    assert_eq!(scene.refused_as(&user, "Encrypt", input).await, DENIED);
}

#[tokio::test]
async fn of_a_grantee_of_another_account_its_own_policies_count_too() {
    let scene = Scene::new().await;
    let (other, identities) = (scene.world.other_account(), scene.world.identities());
    let user = identities.user_of(&other, "user", &[], None);
    let stranger = identities.user_of(&other, "stranger", &[crate::ALLOW_ALL], None);
    let arn = user.caller.as_ref().unwrap().arn_text();
    let id = user.caller.as_ref().unwrap().user_id().unwrap();
    let input = json!({"KeyId": scene.arn(), "Plaintext": "YQ=="});
    let own = |action: &str, key: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"{key}"}}}}"#
        )
    };
    let (right, all) = (own("kms:Encrypt", &scene.arn()), crate::ALLOW_ALL);
    identities.grant(&id, &[all], None);
    assert_eq!(scene.refused_as(&user, "Encrypt", input.clone()).await, DENIED, "without a grant");
    let (grant, _) = granted(&scene, &arn, json!(["Encrypt"]), json!({})).await;
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:*","Resource":"*"}}"#;
    let elsewhere =
        own("kms:Encrypt", "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000");
    for (policies, boundary, allowed) in [
        (vec![], None, false),
        (vec![right.as_str()], None, true),
        (vec![&own("kms:Decrypt", "*")], None, false),
        (vec![&elsewhere], None, false),
        (vec![all, deny], None, false),
        (vec![all], Some(own("kms:Decrypt", "*")), false),
        (vec![all], Some(right.clone()), true),
    ] {
        identities.grant(&id, &policies, boundary.as_deref());
        let answer = scene.call_as(&user, "Encrypt", input.clone()).await;
        assert_eq!(answer.status == 200, allowed, "{policies:?} {boundary:?}: {}", answer.text());
        assert!(allowed || answer.code().as_deref() == Some(DENIED));
    }
    assert_eq!(scene.refused_as(&stranger, "Encrypt", input.clone()).await, DENIED, "somebody else of it");
    let blob = scene.sealed(json!({})).await;
    let decrypt = json!({"KeyId": scene.arn(), "CiphertextBlob": blob});
    assert_eq!(scene.refused_as(&user, "Decrypt", decrypt).await, DENIED, "what was not granted");
    scene.done("RevokeGrant", json!({"KeyId": scene.key, "GrantId": grant})).await;
    assert_eq!(scene.refused_as(&user, "Encrypt", input).await, DENIED, "after it");
}

#[tokio::test]
async fn a_grant_for_one_session_of_a_role_with_a_path_is_for_no_other() {
    let scene = Scene::new().await;
    let identities = scene.world.identities();
    let home = scene.world.scope().account.clone();
    let role = identities.role_of(&home, "team/worker", &[], None);
    let session = scene.world.session(&role, 3600, None).await;
    let named = session.caller.as_ref().unwrap().arn_text();
    assert_eq!(named, format!("arn:aws:sts::{}:assumed-role/worker/session", crate::HOME));
    for wrong in [
        format!("arn:aws:sts::{}:assumed-role/team/worker/session", crate::HOME),
        format!("arn:aws:sts::{}:assumed-role/WORKER/session", crate::HOME),
        format!("arn:aws:sts::{}:assumed-role/worker", crate::HOME),
        format!("arn:aws:sts::{}:assumed-role/worker/session", scene.world.other_account()),
    ] {
        let input = json!({"KeyId": scene.key, "GranteePrincipal": wrong, "Operations": ["Encrypt"]});
        assert_eq!(scene.refused("CreateGrant", input).await, "InvalidArnException", "{wrong}");
    }
    let (id, _) = granted(&scene, &named, json!(["Encrypt"]), json!({})).await;
    scene.done_as(&session, "Encrypt", encrypt(&scene, json!({}))).await;
    let listed = scene.done("ListGrants", json!({"KeyId": scene.key, "GrantId": id})).await;
    assert_eq!(listed["Grants"][0]["GranteePrincipal"], named);
    identities.delete(&role.unique_id);
    let again = identities.role_of(&home, "team/worker", &[], None);
    let again = scene.world.session(&again, 3600, None).await;
    assert_eq!(scene.refused_as(&again, "Encrypt", encrypt(&scene, json!({}))).await, DENIED);
}

#[tokio::test]
async fn named_grants_are_made_once_and_all_are_listed_once() {
    let scene = Scene::new().await;
    let (role, _) = scene.role("worker").await;
    let named = json!({"Name": "mine", "RetiringPrincipal": role.arn.as_str()});
    let (first, _) = granted(&scene, role.arn.as_str(), json!(["Encrypt", "Decrypt"]), named.clone()).await;
    let (again, _) = granted(&scene, role.arn.as_str(), json!(["Decrypt", "Encrypt"]), named.clone()).await;
    assert_eq!(first, again);
    let (other, _) = granted(&scene, role.arn.as_str(), json!(["Decrypt"]), named.clone()).await;
    assert_ne!(first, other);
    // Of two of one name each is found again.
    for (operations, id) in [(json!(["Encrypt", "Decrypt"]), &first), (json!(["Decrypt"]), &other)] {
        let (again, _) = granted(&scene, role.arn.as_str(), operations, named.clone()).await;
        assert_eq!(&again, id);
    }
    granted(&scene, role.arn.as_str(), json!(["Decrypt"]), json!({})).await;
    let (mut marker, mut seen) = (Value::Null, Vec::new());
    loop {
        let mut input = json!({"KeyId": scene.key, "Limit": 1});
        if !marker.is_null() {
            input["Marker"] = marker;
        }
        let page = scene.done("ListGrants", input).await;
        seen.extend(page["Grants"].as_array().unwrap().iter().map(|grant| grant["GrantId"].to_string()));
        if page["Truncated"] == false {
            break;
        }
        marker = page["NextMarker"].clone();
    }
    assert_eq!(seen.len(), 3);
    let retirable = scene.done("ListRetirableGrants", json!({"RetiringPrincipal": role.arn.as_str()})).await;
    assert_eq!(retirable["Grants"].as_array().unwrap().len(), 2);
    for input in [
        json!({"KeyId": scene.key, "GranteePrincipal": "arn:aws:iam::123456789012:role/nobody", "Operations": ["Encrypt"]}),
        json!({"KeyId": scene.key, "GranteePrincipal": "lambda.amazonaws.com", "Operations": ["Encrypt"]}),
        json!({"KeyId": scene.key, "GranteePrincipal": "arn:aws:s3:::bucket", "Operations": ["Encrypt"]}),
    ] {
        assert_eq!(scene.refused("CreateGrant", input.clone()).await, "InvalidArnException", "{input}");
    }
    for input in [
        json!({"KeyId": scene.key, "GranteePrincipal": role.arn.as_str(), "Operations": ["Sign"]}),
        json!({"KeyId": scene.key, "GranteePrincipal": role.arn.as_str(), "Operations": []}),
        json!({"KeyId": scene.key, "GranteeServicePrincipal": "s3.amazonaws.com", "Operations": ["Encrypt"]}),
    ] {
        assert_eq!(scene.refused("CreateGrant", input.clone()).await, "ValidationException", "{input}");
    }
}

#[tokio::test]
async fn policies_decide_which_grants_may_be_made() {
    let scene = Scene::new().await;
    let (role, _) = scene.role("worker").await;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{{
            "ForAllValues:StringEquals":{{"kms:GrantOperations":["Encrypt","Decrypt"]}},
            "StringEquals":{{"kms:GranteePrincipal":"{}","kms:GrantConstraintType":"EncryptionContextEquals","kms:EncryptionContext:team":"a"}},
            "Bool":{{"kms:GrantIsForAWSResource":"false"}}}}}}}}"#,
        role.arn
    );
    let maker = scene.world.identities().user("maker", &[&policy]);
    let make = |grantee: &str, operations: Value, constraints: Value| json!({"KeyId": scene.key, "GranteePrincipal": grantee, "Operations": operations, "Constraints": constraints});
    let right = json!({"EncryptionContextEquals": {"team": "a"}});
    scene.done_as(&maker, "CreateGrant", make(role.arn.as_str(), json!(["Encrypt"]), right.clone())).await;
    let root = format!("arn:aws:iam::{}:root", crate::HOME);
    for input in [
        make(&root, json!(["Encrypt"]), right.clone()),
        make(role.arn.as_str(), json!(["Encrypt", "CreateGrant"]), right),
        make(role.arn.as_str(), json!(["Encrypt"]), json!({"EncryptionContextSubset": {"team": "a"}})),
        make(role.arn.as_str(), json!(["Encrypt"]), json!({"EncryptionContextEquals": {"team": "b"}})),
        make(role.arn.as_str(), json!(["Encrypt"]), json!({})),
    ] {
        assert_eq!(scene.refused_as(&maker, "CreateGrant", input.clone()).await, DENIED, "{input}");
    }
}
