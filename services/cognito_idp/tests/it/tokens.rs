//! What tokens say, and which are refused.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::scene::{Scene, Tokens, claims, j, ok, refused, scene, scene_with};

async fn get_user(scene: &Scene, token: &str) -> casemate_testkit::Response {
    scene.public("GetUser", j!({ "AccessToken": token })).await
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn tokens_carry_the_documented_claims() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let (id, access) = (claims(&tokens.id), claims(&tokens.access));
    let now = scene.now().seconds();
    for token in [&id, &access] {
        assert_eq!(token["iss"], format!("http://localhost:4566/{}", scene.pool));
        assert_eq!((token["iat"].as_i64(), token["auth_time"].as_i64()), (Some(now), Some(now)));
        assert_eq!(token["exp"].as_i64(), Some(now + 3600));
        assert_eq!(token["sub"], id["sub"]);
        assert_eq!(token["origin_jti"], id["origin_jti"]);
        assert_eq!(token["event_id"], id["event_id"]);
    }
    assert_eq!((id["token_use"].as_str(), id["aud"].as_str()), (Some("id"), Some(scene.client.as_str())));
    assert_eq!((id["cognito:username"].as_str(), &id["email_verified"]), (Some("alice"), &Value::Bool(true)));
    assert_eq!(access["token_use"], "access");
    assert_eq!(access["client_id"], scene.client);
    assert_eq!(access["scope"], "aws.cognito.signin.user.admin");
    assert_eq!(access["username"], "alice");
    assert!(access["email"].is_null() && access["aud"].is_null());
    assert_ne!(access["jti"], id["jti"]);
    let user = ok(&get_user(&scene, &tokens.access).await);
    assert_eq!(user["Username"], "alice");
}

#[tokio::test]
async fn aws_shaped_issuer_is_given_on_demand() {
    let scene = scene_with(j!({ "IssuerConfiguration": { "Type": "ORIGINAL" } }), j!({})).await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let issuer = format!("https://cognito-idp.us-east-1.amazonaws.com/{}", scene.pool);
    assert_eq!(claims(&tokens.id)["iss"], issuer);
    ok(&get_user(&scene, &tokens.access).await);
}

#[tokio::test]
async fn id_tokens_and_texts_that_are_no_access_token_are_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    for token in [tokens.id.as_str(), "a.b.c", "abc", "..."] {
        refused(&get_user(&scene, token).await, "NotAuthorizedException", "Invalid Access Token");
    }
}

#[tokio::test]
async fn tampered_unsigned_and_otherwise_signed_tokens_are_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let parts: Vec<&str> = tokens.access.split('.').collect();
    let mut changed = claims(&tokens.access);
    changed["username"] = "mallory".into();
    let id_parts: Vec<&str> = tokens.id.split('.').collect();
    let mut as_access = claims(&tokens.id);
    as_access["token_use"] = "access".into();
    for token in [
        format!("{}.{}.{}", parts[0], part(&changed), parts[2]),
        format!("{}.{}.", part(&j!({ "alg": "none" })), parts[1]),
        format!("{}.{}.{}", part(&j!({ "alg": "HS256", "kid": "x" })), parts[1], parts[2]),
        format!("{}.{}.{}", part(&j!({ "alg": "RS256", "kid": "x" })), parts[1], parts[2]),
        format!("{}.{}.{}", id_parts[0], parts[1], parts[2]),
        format!("{}.{}.{}", id_parts[0], part(&as_access), id_parts[2]),
    ] {
        let text = "Could not verify signature for Access Token";
        refused(&get_user(&scene, &token).await, "NotAuthorizedException", text);
    }
}

#[tokio::test]
async fn token_of_a_pool_elsewhere_is_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let mut foreign = claims(&tokens.access);
    foreign["iss"] = format!("https://evil.example/{}", scene.pool).into();
    let parts: Vec<&str> = tokens.access.split('.').collect();
    let token = format!("{}.{}.{}", parts[0], part(&foreign), parts[2]);
    let text = "Could not verify signature for Access Token";
    refused(&get_user(&scene, &token).await, "NotAuthorizedException", text);
}

#[tokio::test]
async fn expired_tokens_are_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    scene.world.clock.advance_seconds(3600);
    refused(&get_user(&scene, &tokens.access).await, "NotAuthorizedException", "Access Token has expired");
}

#[tokio::test]
async fn tokens_of_deleted_recreated_and_disabled_users_are_refused() {
    let scene = scene().await;
    for name in ["alice", "bob"] {
        scene.user(name).await;
    }
    let (alice, bob) = (scene.sign_in("alice").await, scene.sign_in("bob").await);
    scene.ok("AdminDeleteUser", j!({ "UserPoolId": scene.pool, "Username": "alice" })).await;
    refused(&get_user(&scene, &alice.access).await, "UserNotFoundException", "User does not exist.");
    scene.user("alice").await;
    refused(&get_user(&scene, &alice.access).await, "UserNotFoundException", "User does not exist.");
    scene.ok("AdminDisableUser", j!({ "UserPoolId": scene.pool, "Username": "bob" })).await;
    refused(&get_user(&scene, &bob.access).await, "NotAuthorizedException", "User is disabled.");
    refused(
        &scene.password("bob", crate::scene::PASSWORD).await,
        "NotAuthorizedException",
        "User is disabled.",
    );
    refused(
        &scene.password("bob", "Wrong-Horse-1!").await,
        "NotAuthorizedException",
        "Incorrect username or password.",
    );
    scene.ok("AdminEnableUser", j!({ "UserPoolId": scene.pool, "Username": "bob" })).await;
    refused(&get_user(&scene, &bob.access).await, "NotAuthorizedException", "Access Token has been revoked");
    scene.sign_in("bob").await;
}

#[tokio::test]
async fn global_sign_out_ends_every_sign_in_and_revocation_only_one() {
    let scene = scene().await;
    scene.user("alice").await;
    let revoked = "Access Token has been revoked";
    let (first, second) = (scene.sign_in("alice").await, scene.sign_in("alice").await);
    scene
        .public_ok("RevokeToken", j!({ "ClientId": scene.client, "Token": first.refresh.clone().unwrap() }))
        .await;
    refused(&get_user(&scene, &first.access).await, "NotAuthorizedException", revoked);
    refused(
        &scene.refresh(&first.refresh.unwrap()).await,
        "NotAuthorizedException",
        "Refresh Token has been revoked",
    );
    ok(&get_user(&scene, &second.access).await);
    scene.public_ok("GlobalSignOut", j!({ "AccessToken": second.access })).await;
    refused(&get_user(&scene, &second.access).await, "NotAuthorizedException", revoked);
    refused(
        &scene.refresh(&second.refresh.unwrap()).await,
        "NotAuthorizedException",
        "Refresh Token has been revoked",
    );
    let third: Tokens = scene.sign_in("alice").await;
    ok(&get_user(&scene, &third.access).await);
    scene.ok("AdminUserGlobalSignOut", j!({ "UserPoolId": scene.pool, "Username": "alice" })).await;
    refused(&get_user(&scene, &third.access).await, "NotAuthorizedException", revoked);
}

#[tokio::test]
async fn only_refresh_tokens_of_a_willing_client_can_be_revoked() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let revoke =
        |client: &str, token: &str| scene.public("RevokeToken", j!({ "ClientId": client, "Token": token }));
    refused(
        &revoke(&scene.client, &tokens.access).await,
        "UnsupportedTokenTypeException",
        "Unsupported token type",
    );
    let linked = j!({ "ClientId": scene.client, "Token": "abc", "RevokeAssociatedSessions": "LINKED" });
    let linked = scene.public("RevokeToken", linked).await;
    assert_eq!(linked.code().as_deref(), Some("InvalidParameterException"));
    let (confidential, secret) = scene.new_client(j!({ "GenerateSecret": true })).await;
    assert!(secret.is_some());
    refused(&revoke(&confidential, "abc").await, "UnauthorizedException", "Invalid client secret.");
    let (unwilling, _) = scene.new_client(j!({ "EnableTokenRevocation": false })).await;
    assert_eq!(revoke(&unwilling, "abc").await.code().as_deref(), Some("UnsupportedOperationException"));
    let (other, _) = scene.new_client(j!({})).await;
    ok(&revoke(&other, &tokens.refresh.unwrap()).await);
    ok(&get_user(&scene, &tokens.access).await);
}

#[tokio::test]
async fn tokens_die_with_their_client() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    scene.ok("DeleteUserPoolClient", j!({ "UserPoolId": scene.pool, "ClientId": scene.client })).await;
    refused(&get_user(&scene, &tokens.access).await, "NotAuthorizedException", "Invalid Access Token");
}

#[tokio::test]
async fn neither_password_nor_token_reaches_the_audit_record() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let record = format!("{:?}", scene.world.last_record());
    assert!(!record.contains(crate::scene::PASSWORD) && !record.contains(&tokens.access));
    ok(&get_user(&scene, &tokens.access).await);
    let record = format!("{:?}", scene.world.last_record());
    assert!(!record.contains(&tokens.access));
    assert!(record.contains(claims(&tokens.access)["sub"].as_str().unwrap()), "it says who: {record}");
}
