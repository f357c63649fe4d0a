//! Pools and clients.

use casemate_testkit::Request;
use http::Method;
use serde_json::Value;

use crate::scene::{j, ok, refused, scene, scene_with, world};

#[tokio::test]
async fn pool_is_described_as_it_was_made_and_update_resets_what_it_does_not_name() {
    let scene = scene_with(
        j!({ "Policies": { "PasswordPolicy": { "MinimumLength": 10, "RequireNumbers": true } },
             "Schema": [{ "Name": "plan", "AttributeDataType": "String", "Mutable": true }],
             "EmailVerificationSubject": "Hello", "UserPoolTags": { "team": "red" } }),
        j!({}),
    )
    .await;
    let describe = || scene.ok("DescribeUserPool", j!({ "UserPoolId": scene.pool }));
    let pool = describe().await["UserPool"].clone();
    assert_eq!(pool["Policies"]["PasswordPolicy"]["MinimumLength"], 10);
    assert_eq!(pool["Policies"]["PasswordPolicy"]["RequireSymbols"], false);
    assert_eq!(pool["EmailVerificationSubject"], "Hello");
    assert_eq!(pool["MfaConfiguration"], "OFF");
    assert_eq!(pool["Arn"], format!("arn:aws:cognito-idp:us-east-1:123456789012:userpool/{}", scene.pool));
    let custom = |pool: &Value| {
        pool["SchemaAttributes"].as_array().unwrap().iter().any(|a| a["Name"] == "custom:plan")
    };
    assert!(custom(&pool));
    scene.ok("UpdateUserPool", j!({ "UserPoolId": scene.pool, "DeletionProtection": "ACTIVE" })).await;
    let pool = describe().await["UserPool"].clone();
    assert_eq!(pool["Policies"]["PasswordPolicy"]["MinimumLength"], 8);
    assert_eq!((pool["EmailVerificationSubject"].is_null(), custom(&pool)), (true, true));
    assert_eq!(pool["UserPoolTags"]["team"], "red");
    let refusal = scene.call("DeleteUserPool", j!({ "UserPoolId": scene.pool })).await;
    assert_eq!(refusal.code().as_deref(), Some("InvalidParameterException"));
    scene.ok("UpdateUserPool", j!({ "UserPoolId": scene.pool, "DeletionProtection": "INACTIVE" })).await;
    scene.ok("DeleteUserPool", j!({ "UserPoolId": scene.pool })).await;
    let gone = scene.call("DescribeUserPool", j!({ "UserPoolId": scene.pool })).await;
    refused(&gone, "ResourceNotFoundException", &format!("User pool {} does not exist.", scene.pool));
}

#[tokio::test]
async fn deleted_pool_takes_its_users_clients_and_tokens_along() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    scene.ok("DeleteUserPool", j!({ "UserPoolId": scene.pool })).await;
    let text = "Could not verify signature for Access Token";
    refused(
        &scene.public("GetUser", j!({ "AccessToken": tokens.access })).await,
        "NotAuthorizedException",
        text,
    );
    let text = format!("User pool client {} does not exist.", scene.client);
    refused(&scene.password("alice", "x").await, "ResourceNotFoundException", &text);
}

#[tokio::test]
async fn triggers_mfa_and_other_settings_that_are_not_here_are_refused_by_name() {
    let scene = scene().await;
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    for (settings, name) in [
        (j!({ "LambdaConfig": { "PreSignUp": arn } }), "LambdaConfig"),
        (j!({ "MfaConfiguration": "ON" }), "MfaConfiguration"),
        (j!({ "UserPoolAddOns": { "AdvancedSecurityMode": "ENFORCED" } }), "AdvancedSecurityMode"),
        (j!({ "DeviceConfiguration": { "ChallengeRequiredOnNewDevice": true } }), "DeviceConfiguration"),
        (j!({ "Policies": { "PasswordPolicy": { "PasswordHistorySize": 3 } } }), "PasswordHistorySize"),
    ] {
        let mut update = settings.clone();
        update["UserPoolId"] = scene.pool.as_str().into();
        let mut create = settings;
        create["PoolName"] = "p".into();
        for refusal in
            [scene.call("CreateUserPool", create).await, scene.call("UpdateUserPool", update).await]
        {
            assert_eq!(refusal.code().as_deref(), Some("InvalidParameterException"));
            assert!(refusal.message().contains(name), "{}", refusal.message());
        }
    }
    let config = scene.ok("GetUserPoolMfaConfig", j!({ "UserPoolId": scene.pool })).await;
    assert_eq!(config["MfaConfiguration"], "OFF");
}

#[tokio::test]
async fn pools_are_listed_page_by_page() {
    let scene = scene().await;
    for name in ["b", "c", "d"] {
        scene.ok("CreateUserPool", j!({ "PoolName": name })).await;
    }
    let (mut seen, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut input = j!({ "MaxResults": 3 });
        if !token.is_null() {
            input["NextToken"] = token;
        }
        let page = scene.ok("ListUserPools", input).await;
        seen.extend(page["UserPools"].as_array().unwrap().iter().map(|pool| pool["Id"].clone()));
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn client_is_made_described_changed_listed_and_deleted() {
    let scene = scene_with(j!({}), j!({ "GenerateSecret": true })).await;
    let id = j!({ "UserPoolId": scene.pool, "ClientId": scene.client });
    let client = scene.ok("DescribeUserPoolClient", id.clone()).await["UserPoolClient"].clone();
    assert_eq!(client["ClientSecret"], scene.secret.clone().unwrap());
    assert_eq!(
        (client["RefreshTokenValidity"].as_i64(), client["AuthSessionValidity"].as_i64()),
        (Some(30), Some(3))
    );
    let mut update = id.clone();
    update["CallbackURLs"] = j!(["https://example.com/"]);
    update["AccessTokenValidity"] = 2.into();
    let changed = scene.ok("UpdateUserPoolClient", update).await["UserPoolClient"].clone();
    assert_eq!(changed["AccessTokenValidity"], 2);
    assert_eq!(changed["CallbackURLs"], j!(["https://example.com/"]));
    assert!(changed["ExplicitAuthFlows"].is_null(), "what is not named is reset");
    assert_eq!(changed["ClientSecret"], client["ClientSecret"]);
    let list = scene.ok("ListUserPoolClients", j!({ "UserPoolId": scene.pool })).await;
    assert_eq!(list["UserPoolClients"][0]["ClientId"], scene.client);
    assert!(list["UserPoolClients"][0]["ClientSecret"].is_null());
    scene.ok("DeleteUserPoolClient", id.clone()).await;
    let text = format!("User pool client {} does not exist.", scene.client);
    refused(&scene.call("DescribeUserPoolClient", id).await, "ResourceNotFoundException", &text);
}

#[tokio::test]
async fn flows_of_two_ages_and_impossible_validities_are_refused() {
    let scene = scene().await;
    for settings in [
        j!({ "ExplicitAuthFlows": ["ADMIN_NO_SRP_AUTH", "ALLOW_USER_SRP_AUTH"] }),
        j!({ "AccessTokenValidity": 25 }),
        j!({ "ReadAttributes": ["custom:unknown"] }),
        j!({ "RefreshTokenRotation": { "Feature": "ENABLED", "RetryGracePeriodSeconds": 61 } }),
    ] {
        let mut input = j!({ "UserPoolId": scene.pool, "ClientName": "c" });
        crate::scene::merge(&mut input, &settings);
        let refusal = scene.call("CreateUserPoolClient", input).await;
        assert_eq!(refusal.code().as_deref(), Some("InvalidParameterException"));
    }
}

#[tokio::test]
async fn keys_and_configuration_are_public_at_the_issuer() {
    let scene = scene().await;
    let fetch = |path: String| {
        let request = Request::new(Method::GET, &path);
        let world = &scene.world;
        async move { world.send(&request).await }
    };
    let answer = fetch(format!("/{}/.well-known/jwks.json", scene.pool)).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let keys = ok(&answer)["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 2);
    assert!(keys[0]["kid"] != keys[1]["kid"] && keys[0]["d"].is_null());
    let configuration = ok(&fetch(format!("/{}/.well-known/openid-configuration", scene.pool)).await);
    assert_eq!(configuration["issuer"], format!("http://localhost:4566/{}", scene.pool));
    assert_eq!(fetch("/us-east-1_nobody/.well-known/jwks.json".to_owned()).await.status, 404);
    let post = Request::new(Method::POST, &format!("/{}/.well-known/jwks.json", scene.pool));
    assert_eq!(scene.world.send(&post).await.status, 405);
}

#[tokio::test]
async fn tags_of_a_pool_are_seen_by_policies() {
    let world = world();
    let policy = |team: &str| {
        j!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "cognito-idp:CreateUserPool", "Resource": "*" },
            { "Effect": "Allow", "Action": "cognito-idp:*", "Resource": "*",
              "Condition": { "StringEquals": { "aws:ResourceTag/team": team } } }] })
        .to_string()
    };
    let (red, blue) = (policy("red"), policy("blue"));
    let (red, blue) = (world.identities().user("red", &[&red]), world.identities().user("blue", &[&blue]));
    let input = j!({ "PoolName": "p", "UserPoolTags": { "team": "red" } });
    let made = ok(&world.call(&red, "cognito-idp", "CreateUserPool", crate::scene::doc(&input)).await);
    let id = crate::scene::doc(&j!({ "UserPoolId": made["UserPool"]["Id"] }));
    assert_eq!(world.call(&red, "cognito-idp", "DescribeUserPool", id.clone()).await.status, 200);
    let denied = world.call(&blue, "cognito-idp", "DescribeUserPool", id).await;
    assert_eq!(denied.code().as_deref(), Some("AccessDeniedException"));
}

#[tokio::test]
async fn tags_are_set_listed_and_taken_off() {
    let scene = scene_with(j!({ "UserPoolTags": { "team": "red" } }), j!({})).await;
    let pool = scene.ok("DescribeUserPool", j!({ "UserPoolId": scene.pool })).await["UserPool"].clone();
    let arn = pool["Arn"].clone();
    scene.ok("TagResource", j!({ "ResourceArn": arn, "Tags": { "stage": "test" } })).await;
    let list = || scene.ok("ListTagsForResource", j!({ "ResourceArn": arn }));
    assert_eq!(list().await["Tags"], j!({ "team": "red", "stage": "test" }));
    scene.ok("UntagResource", j!({ "ResourceArn": arn, "TagKeys": ["team"] })).await;
    assert_eq!(list().await["Tags"], j!({ "stage": "test" }));
    let other =
        scene.call("ListTagsForResource", j!({ "ResourceArn": "arn:aws:s3:::a-bucket-somewhere" })).await;
    assert_eq!(other.code().as_deref(), Some("InvalidParameterException"));
}

#[tokio::test]
async fn mfa_can_be_set_to_off_only() {
    let scene = scene().await;
    let set = |further: Value| {
        let mut input = j!({ "UserPoolId": scene.pool });
        crate::scene::merge(&mut input, &further);
        scene.call("SetUserPoolMfaConfig", input)
    };
    assert_eq!(ok(&set(j!({ "MfaConfiguration": "OFF" })).await)["MfaConfiguration"], "OFF");
    for further in
        [j!({ "MfaConfiguration": "ON" }), j!({ "SoftwareTokenMfaConfiguration": { "Enabled": true } })]
    {
        assert_eq!(set(further).await.code().as_deref(), Some("InvalidParameterException"));
    }
}

#[tokio::test]
async fn custom_attributes_are_added_once() {
    let scene = scene().await;
    let add = || {
        scene.call(
            "AddCustomAttributes",
            j!({ "UserPoolId": scene.pool,
            "CustomAttributes": [{ "Name": "plan", "AttributeDataType": "String", "Mutable": true }] }),
        )
    };
    ok(&add().await);
    assert_eq!(add().await.code().as_deref(), Some("InvalidParameterException"));
    scene.user("alice").await;
    scene
        .ok(
            "AdminUpdateUserAttributes",
            j!({ "UserPoolId": scene.pool, "Username": "alice",
            "UserAttributes": [{ "Name": "custom:plan", "Value": "gold" }] }),
        )
        .await;
}
