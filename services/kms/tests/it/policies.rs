//! The key policy: the root of every right to a key.

use serde_json::{Value, json};

use crate::{HOME, Scene};

fn statement(effect: &str, principal: &str, action: &str, condition: &str) -> String {
    let condition = if condition.is_empty() { String::new() } else { format!(r#","Condition":{condition}"#) };
    format!(
        r#"{{"Effect":"{effect}","Principal":{{"AWS":"{principal}"}},"Action":"{action}","Resource":"*"{condition}}}"#
    )
}

fn document(statements: &[String]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

fn encrypt(scene: &Scene, context: Value) -> Value {
    json!({"KeyId": scene.key, "Plaintext": "YQ==", "EncryptionContext": context})
}

#[tokio::test]
async fn identity_policies_count_only_where_the_key_policy_says_so() {
    let scene = Scene::new().await;
    let (keeper, keeps) = scene.role_with("keeper", &[]).await;
    let input = encrypt(&scene, json!({}));
    scene.done("Encrypt", input.clone()).await;
    let alone = document(&[statement("Allow", keeper.arn.as_str(), "kms:*", "")]);
    let put = json!({"KeyId": scene.key, "Policy": alone, "BypassPolicyLockoutSafetyCheck": true});
    scene.done("PutKeyPolicy", put).await;
    for who in [&scene.admin, &scene.world.identities().root()] {
        for (operation, input) in [
            ("Encrypt", input.clone()),
            ("DescribeKey", json!({"KeyId": scene.key})),
            ("PutKeyPolicy", json!({"KeyId": scene.key, "Policy": alone})),
            ("ScheduleKeyDeletion", json!({"KeyId": scene.key})),
        ] {
            assert_eq!(scene.refused_as(who, operation, input).await, "AccessDeniedException", "{operation}");
        }
    }
    scene.done_as(&keeps, "Encrypt", input).await;
}

#[tokio::test]
async fn a_deny_in_the_key_policy_beats_everything() {
    let scene = Scene::new().await;
    let (role, session) = scene.role_with("worker", &[crate::ALLOW_ALL]).await;
    scene.done_as(&session, "Encrypt", encrypt(&scene, json!({}))).await;
    scene.put_policy(&statement("Deny", role.arn.as_str(), "kms:Encrypt", "")).await;
    assert_eq!(
        scene.refused_as(&session, "Encrypt", encrypt(&scene, json!({}))).await,
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn conditions_see_the_encryption_context() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    let condition = r#"{"StringEquals":{"kms:EncryptionContext:team":"a"},"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["team","stage"]}}"#;
    scene.put_policy(&statement("Allow", role.arn.as_str(), "kms:Encrypt", condition)).await;
    for (context, allowed) in [
        (json!({"team": "a"}), true),
        (json!({"team": "a", "stage": "x"}), true),
        (json!({"team": "b"}), false),
        (json!({}), false),
        (json!({"stage": "x"}), false),
        (json!({"team": "a", "other": "x"}), false),
        // Policies cannot tell these two names apart, so that neither is known.
        (json!({"team": "a", "Team": "b"}), false),
    ] {
        let answer = scene.call_as(&session, "Encrypt", encrypt(&scene, context.clone())).await;
        assert_eq!(answer.status == 200, allowed, "{context}");
    }
}

#[tokio::test]
async fn the_names_of_an_encryption_context_need_a_set_operator_also_if_there_is_one() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    for (operator, allowed) in [
        ("StringEquals", false),
        ("StringLike", false),
        ("StringNotEquals", false),
        ("ForAnyValue:StringEquals", true),
    ] {
        let condition = format!(r#"{{"{operator}":{{"kms:EncryptionContextKeys":"team"}}}}"#);
        scene.put_policy(&statement("Allow", role.arn.as_str(), "kms:Encrypt", &condition)).await;
        let answer = scene.call_as(&session, "Encrypt", encrypt(&scene, json!({"team": "a"}))).await;
        assert_eq!(answer.status == 200, allowed, "{operator}");
    }
}

#[tokio::test]
async fn conditions_see_what_is_asked_for_of_a_key() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    let who = role.arn.as_str();
    let other = scene.done("CreateKey", json!({})).await["KeyMetadata"]["KeyId"].clone();
    let blob = scene.done("Encrypt", encrypt(&scene, json!({}))).await["CiphertextBlob"].clone();
    let grant = |retiring: Option<&str>| json!({"KeyId": scene.key, "GranteePrincipal": who, "Operations": ["Decrypt"], "RetiringPrincipal": retiring});
    let re_encrypt = |to: &Value| json!({"CiphertextBlob": blob, "DestinationKeyId": to});
    let rotate = |days: i32| json!({"KeyId": scene.key, "RotationPeriodInDays": days});
    let key = json!(scene.key);
    let retiring = json!({"StringEquals": {"kms:RetiringPrincipal": who}});
    let same = json!({"Bool": {"kms:ReEncryptOnSameKey": "true"}});
    let differs = json!({"Bool": {"kms:ReEncryptOnSameKey": "false"}});
    let single = json!({"Bool": {"kms:MultiRegion": "false"}});
    let long = json!({"NumericLessThanEquals": {"kms:RotationPeriodInDays": "180"}});
    for (operation, action, condition, input, allowed) in [
        ("CreateGrant", "kms:CreateGrant", &retiring, grant(Some(who)), true),
        (
            "CreateGrant",
            "kms:CreateGrant",
            &retiring,
            grant(Some(&format!("arn:aws:iam::{HOME}:user/admin"))),
            false,
        ),
        ("CreateGrant", "kms:CreateGrant", &retiring, grant(None), false),
        ("ReEncrypt", "kms:ReEncrypt*", &same, re_encrypt(&key), true),
        ("ReEncrypt", "kms:ReEncrypt*", &differs, re_encrypt(&key), false),
        ("DescribeKey", "kms:DescribeKey", &single, json!({"KeyId": scene.key}), true),
        ("EnableKeyRotation", "kms:EnableKeyRotation", &long, rotate(90), true),
        ("EnableKeyRotation", "kms:EnableKeyRotation", &long, rotate(365), false),
    ] {
        scene.put_policy(&statement("Allow", who, action, &condition.to_string())).await;
        let answer = scene.call_as(&session, operation, input.clone()).await;
        assert_eq!(answer.status == 200, allowed, "{operation} {condition} {input}: {}", answer.text());
    }
    // The other way about: denied by the same.
    let (_, free) = scene.role_with("free", &[crate::ALLOW_ALL]).await;
    for (operation, action, condition, input, allowed) in [
        ("CreateGrant", "kms:CreateGrant", &retiring, grant(Some(who)), false),
        ("CreateGrant", "kms:CreateGrant", &retiring, grant(None), true),
        ("ReEncrypt", "kms:ReEncrypt*", &same, re_encrypt(&key), false),
        ("ReEncrypt", "kms:ReEncrypt*", &same, re_encrypt(&other), true),
        ("DescribeKey", "kms:DescribeKey", &single, json!({"KeyId": scene.key}), false),
        ("EnableKeyRotation", "kms:EnableKeyRotation", &long, rotate(90), false),
        ("EnableKeyRotation", "kms:EnableKeyRotation", &long, rotate(365), true),
    ] {
        scene.put_policy(&statement("Deny", "*", action, &condition.to_string())).await;
        let answer = scene.call_as(&free, operation, input.clone()).await;
        assert_eq!(answer.status == 200, allowed, "deny: {operation} {condition} {input}: {}", answer.text());
    }
}

#[tokio::test]
async fn how_long_a_key_was_not_used_is_unknown() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    let (_, free) = scene.role_with("free", &[crate::ALLOW_ALL]).await;
    let unused = r#"{"NumericGreaterThan":{"kms:TrailingDaysWithoutKeyUsage":"30"}}"#;
    let used = r#"{"NumericNotEquals":{"kms:TrailingDaysWithoutKeyUsage":"0"}}"#;
    for operation in ["DisableKey", "ScheduleKeyDeletion"] {
        let (action, input) = (format!("kms:{operation}"), json!({"KeyId": scene.key}));
        for condition in [unused, used] {
            scene.put_policy(&statement("Allow", role.arn.as_str(), &action, condition)).await;
            assert_eq!(
                scene.refused_as(&session, operation, input.clone()).await,
                "AccessDeniedException",
                "{operation} allowed by {condition}"
            );
            scene.put_policy(&statement("Deny", "*", &action, condition)).await;
            assert_eq!(
                scene.refused_as(&free, operation, input.clone()).await,
                "AccessDeniedException",
                "{operation} not denied by {condition}"
            );
        }
    }
}

#[tokio::test]
async fn conditions_see_the_constraint_of_a_grant_that_is_retired() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    let other = scene.role("other").await.0;
    let who = role.arn.as_str();
    for (condition, allowed) in [
        (
            r#"{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset","kms:EncryptionContext:team":"a"}}"#,
            true,
        ),
        (r#"{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}}"#, false),
        (r#"{"StringEquals":{"kms:EncryptionContext:team":"b"}}"#, false),
        (r#"{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"team"}}"#, true),
    ] {
        let made = scene
            .done(
                "CreateGrant",
                json!({"KeyId": scene.key, "GranteePrincipal": other.arn.as_str(),
                "Operations": ["Decrypt"], "Constraints": {"EncryptionContextSubset": {"team": "a"}}}),
            )
            .await;
        scene.put_policy(&statement("Allow", who, "kms:RetireGrant", condition)).await;
        for input in [
            json!({"KeyId": scene.arn(), "GrantId": made["GrantId"]}),
            json!({"GrantToken": made["GrantToken"]}),
        ] {
            let answer = scene.call_as(&session, "RetireGrant", input).await;
            // The first one ends it; by its token it is then not there any more.
            let denied = answer.text().contains("not authorized");
            assert_eq!(denied, !allowed, "{condition}: {}", answer.text());
            if allowed {
                break;
            }
        }
    }
}

#[tokio::test]
async fn conditions_see_what_a_key_is_and_who_calls() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    for (condition, allowed) in [
        (r#"{"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT","kms:KeyOrigin":"AWS_KMS"}}"#.to_owned(), true),
        (r#"{"StringEquals":{"kms:KeySpec":"RSA_2048"}}"#.to_owned(), false),
        (format!(r#"{{"StringEquals":{{"kms:CallerAccount":"{HOME}"}}}}"#), true),
        (r#"{"StringEquals":{"kms:CallerAccount":"999999999999"}}"#.to_owned(), false),
        (r#"{"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}}"#.to_owned(), true),
        // Nobody passes this request on.
        (r#"{"StringEquals":{"kms:ViaService":"lambda.us-east-1.amazonaws.com"}}"#.to_owned(), false),
        (r#"{"StringLike":{"kms:ViaService":"*"}}"#.to_owned(), false),
        (r#"{"Bool":{"aws:ViaAWSService":"true"}}"#.to_owned(), false),
    ] {
        scene.put_policy(&statement("Allow", role.arn.as_str(), "kms:Encrypt", &condition)).await;
        let answer = scene.call_as(&session, "Encrypt", encrypt(&scene, json!({}))).await;
        assert_eq!(answer.status == 200, allowed, "{condition}");
    }
}

#[tokio::test]
async fn a_client_cannot_say_that_a_service_passes_its_request_on() {
    let scene = Scene::new().await;
    let (role, session) = scene.role("worker").await;
    let condition = r#"{"StringEquals":{"kms:ViaService":"lambda.us-east-1.amazonaws.com"}}"#;
    scene.put_policy(&statement("Allow", role.arn.as_str(), "kms:Encrypt", condition)).await;
    let context = json!({"kms:ViaService": "lambda.us-east-1.amazonaws.com"});
    assert_eq!(
        scene.refused_as(&session, "Encrypt", encrypt(&scene, context)).await,
        "AccessDeniedException"
    );
    let plain = encrypt(&scene, json!({}));
    for header in ["kms-viaservice", "x-amz-via-service", "x-amz-source-service"] {
        let request = crate::request(&scene.world, &session, "Encrypt", &plain)
            .header(header, "lambda.us-east-1.amazonaws.com");
        let answer = scene.world.send(&request).await;
        assert_eq!(answer.status, 400, "{header}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_policy_that_locks_its_author_out_is_refused_unless_that_is_wanted() {
    let scene = Scene::new().await;
    let (role, session) = scene.role_with("author", &[crate::ALLOW_ALL]).await;
    let of = |statements: &[String]| json!({"KeyId": scene.key, "Policy": document(statements)});
    let root = format!("arn:aws:iam::{HOME}:root");
    let secure = r#"{"Bool":{"aws:SecureTransport":"false"}}"#;
    for (statements, allowed) in [
        (vec![statement("Allow", &root, "kms:Encrypt", "")], false),
        (vec![statement("Allow", role.arn.as_str(), "kms:Encrypt", "")], false),
        (vec![statement("Allow", "arn:aws:iam::999999999999:root", "kms:*", "")], false),
        (vec![statement("Allow", &root, "kms:*", ""), statement("Deny", "*", "kms:PutKeyPolicy", "")], false),
        (
            vec![statement("Allow", &root, "kms:*", r#"{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}"#)],
            false,
        ),
        (vec![statement("Allow", &root, "kms:*", r#"{"StringEquals":{"kms:ViaService":"x"}}"#)], false),
        (vec![statement("Allow", &root, "kms:*", "")], true),
        (vec![statement("Allow", &root, "kms:*", ""), statement("Deny", "*", "kms:Decrypt", secure)], true),
        (vec![statement("Allow", role.arn.as_str(), "kms:*", "")], true),
    ] {
        let answer = scene.call_as(&session, "PutKeyPolicy", of(&statements)).await;
        assert_eq!(answer.status == 200, allowed, "{statements:?}: {}", answer.text());
        if !allowed {
            assert_eq!(answer.code().as_deref(), Some("MalformedPolicyDocumentException"));
            let made = json!({"Policy": document(&statements)});
            assert_eq!(
                scene.refused_as(&session, "CreateKey", made).await,
                "MalformedPolicyDocumentException",
                "{statements:?}"
            );
        }
    }
    let mut wanted = of(&[statement("Allow", &root, "kms:Encrypt", "")]);
    wanted["BypassPolicyLockoutSafetyCheck"] = json!(true);
    scene.done_as(&session, "PutKeyPolicy", wanted.clone()).await;
    assert_eq!(scene.refused_as(&session, "PutKeyPolicy", wanted).await, "AccessDeniedException");
}

#[tokio::test]
async fn going_without_the_lockout_check_can_be_forbidden() {
    let scene = Scene::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*",
        "Condition":{"BoolIfExists":{"kms:BypassPolicyLockoutSafetyCheck":"false"}}}}"#;
    let careful = scene.world.identities().user("careful", &[policy]);
    let text = scene.done("GetKeyPolicy", json!({"KeyId": scene.key})).await["Policy"].clone();
    let put =
        |bypass: bool| json!({"KeyId": scene.key, "Policy": text, "BypassPolicyLockoutSafetyCheck": bypass});
    assert_eq!(scene.refused_as(&careful, "PutKeyPolicy", put(true)).await, "AccessDeniedException");
    let make = json!({"BypassPolicyLockoutSafetyCheck": true});
    assert_eq!(scene.refused_as(&careful, "CreateKey", make).await, "AccessDeniedException");
    scene.done_as(&careful, "PutKeyPolicy", put(false)).await;
}

#[tokio::test]
async fn a_role_made_again_under_its_name_inherits_nothing() {
    let scene = Scene::new().await;
    let (first, session) = scene.role("worker").await;
    let by_role = statement("Allow", first.arn.as_str(), "kms:Encrypt", "");
    let named = session.caller.clone().unwrap().arn_text();
    let by_session = statement("Allow", &named, "kms:DescribeKey", "");
    scene.put_policy(&format!("{by_role},{by_session}")).await;
    scene.done_as(&session, "Encrypt", encrypt(&scene, json!({}))).await;
    let describe = json!({"KeyId": scene.key});
    scene.done_as(&session, "DescribeKey", describe.clone()).await;
    scene.world.identities().delete(&first.unique_id);
    let (second, again) = scene.role("worker").await;
    assert_eq!(first.arn, second.arn);
    assert_eq!(
        scene.refused_as(&again, "Encrypt", encrypt(&scene, json!({}))).await,
        "AccessDeniedException"
    );
    let shown =
        scene.done("GetKeyPolicy", json!({"KeyId": scene.key})).await["Policy"].as_str().unwrap().to_owned();
    assert!(shown.contains(&first.unique_id) && !shown.contains(first.arn.as_str()), "{shown}");
}

#[tokio::test]
async fn across_accounts_the_key_policy_and_the_callers_own_must_both_allow() {
    let scene = Scene::new().await;
    let (other, identities) = (scene.world.other_account(), scene.world.identities());
    let user = identities.user_of(&other, "user", &[], None);
    let role = identities.role_of(&other, "team/worker", &[], None);
    let session = scene.world.session(&role, 3600, None).await;
    let root = format!("arn:aws:iam::{other}:root");
    let input = json!({"KeyId": scene.arn(), "Plaintext": "YQ=="});
    for (who, id, named) in [
        (&user, user.caller.as_ref().unwrap().user_id().unwrap(), user.caller.as_ref().unwrap().arn_text()),
        (&session, role.unique_id.clone(), role.arn.as_str().to_owned()),
        (&session, role.unique_id.clone(), session.caller.as_ref().unwrap().arn_text()),
        (&user, user.caller.as_ref().unwrap().user_id().unwrap(), root),
    ] {
        for (by_key, by_identity, allowed) in
            [(true, true, true), (true, false, false), (false, true, false), (false, false, false)]
        {
            let action = if by_key { "kms:Encrypt" } else { "kms:Decrypt" };
            scene.put_policy(&statement("Allow", &named, action, "")).await;
            let own = if by_identity { vec![crate::ALLOW_ALL] } else { vec![] };
            identities.grant(&id, &own, None);
            let answer = scene.call_as(who, "Encrypt", input.clone()).await;
            assert_eq!(answer.status == 200, allowed, "{named} {by_key} {by_identity}: {}", answer.text());
        }
        scene.put_policy(&statement("Deny", &named, "kms:Encrypt", "")).await;
        identities.grant(&id, &[crate::ALLOW_ALL], None);
        assert_eq!(scene.refused_as(who, "Encrypt", input.clone()).await, "AccessDeniedException", "{named}");
    }
}

#[tokio::test]
async fn malformed_policies_and_unknown_principals_are_refused() {
    let scene = Scene::new().await;
    for text in [
        "{}".to_owned(),
        "not json".to_owned(),
        document(&[statement("Allow", &format!("arn:aws:iam::{HOME}:role/nobody"), "kms:*", "")]),
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#
            .to_owned(),
    ] {
        let put = json!({"KeyId": scene.key, "Policy": text});
        assert_eq!(scene.refused("PutKeyPolicy", put).await, "MalformedPolicyDocumentException", "{text}");
        let make = json!({"Policy": text});
        assert_eq!(scene.refused("CreateKey", make).await, "MalformedPolicyDocumentException", "{text}");
    }
    let long = format!("{}{}", document(&[statement("Allow", "*", "kms:*", "")]), " ".repeat(32_768));
    assert_eq!(
        scene.refused("PutKeyPolicy", json!({"KeyId": scene.key, "Policy": long})).await,
        "LimitExceededException"
    );
    let named = json!({"KeyId": scene.key, "PolicyName": "other"});
    assert_eq!(scene.refused("GetKeyPolicy", named).await, "NotFoundException");
    assert_eq!(
        scene.done("ListKeyPolicies", json!({"KeyId": scene.key})).await["PolicyNames"],
        json!(["default"])
    );
}

#[tokio::test]
async fn nobody_uses_a_key_unsigned_whatever_its_policy_says() {
    let scene = Scene::new().await;
    scene.put_policy(&statement("Allow", "*", "kms:*", "")).await;
    let request = casemate_testkit::Request::new(http::Method::POST, "/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "TrentService.Encrypt")
        .body(encrypt(&scene, json!({})).to_string());
    let answer = scene.world.send(&request).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(!answer.text().contains("CiphertextBlob"), "{}", answer.text());
    let (_, session) = scene.role("anybody").await;
    scene.done_as(&session, "Encrypt", encrypt(&scene, json!({}))).await;
}
