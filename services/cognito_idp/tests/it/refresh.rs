//! Refresh tokens.

use crate::scene::{Scene, Tokens, claims, j, ok, refused, scene, scene_with};

async fn exchange(scene: &Scene, token: &str) -> casemate_testkit::Response {
    scene.public("GetTokensFromRefreshToken", j!({ "ClientId": scene.client, "RefreshToken": token })).await
}

#[tokio::test]
async fn refreshed_tokens_keep_the_time_of_sign_in_and_bring_no_new_refresh_token() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    scene.world.clock.advance_seconds(7200);
    let refresh = tokens.refresh.unwrap();
    for answer in [scene.refresh(&refresh).await, exchange(&scene, &refresh).await] {
        let fresh = Tokens::of(&ok(&answer));
        assert!(fresh.refresh.is_none());
        assert_eq!(claims(&fresh.id)["auth_time"], claims(&tokens.id)["auth_time"]);
        assert_eq!(claims(&fresh.id)["origin_jti"], claims(&tokens.id)["origin_jti"]);
        ok(&scene.public("GetUser", j!({ "AccessToken": fresh.access })).await);
    }
}

#[tokio::test]
async fn foreign_made_up_and_expired_refresh_tokens_are_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let refresh = tokens.refresh.unwrap();
    let (other, _) = scene.new_client(j!({})).await;
    let answer = scene
        .public(
            "InitiateAuth",
            j!({ "ClientId": other, "AuthFlow": "REFRESH_TOKEN_AUTH",
            "AuthParameters": { "REFRESH_TOKEN": refresh } }),
        )
        .await;
    refused(&answer, "NotAuthorizedException", "Invalid Refresh Token");
    for token in ["made-up", tokens.access.as_str()] {
        refused(&scene.refresh(token).await, "NotAuthorizedException", "Invalid Refresh Token");
    }
    scene.world.clock.advance_seconds(30 * 86_400);
    refused(&scene.refresh(&refresh).await, "NotAuthorizedException", "Refresh Token has expired");
}

#[tokio::test]
async fn rotation_replaces_the_token_after_its_grace() {
    let settings = j!({ "RefreshTokenRotation": { "Feature": "ENABLED", "RetryGracePeriodSeconds": 10 } });
    let scene = scene_with(j!({}), settings).await;
    scene.user("alice").await;
    let first = scene.sign_in("alice").await.refresh.unwrap();
    assert_eq!(scene.refresh(&first).await.code().as_deref(), Some("InvalidParameterException"));
    let second = Tokens::of(&ok(&exchange(&scene, &first).await)).refresh.unwrap();
    assert_ne!(first, second);
    scene.world.clock.advance_seconds(9);
    ok(&exchange(&scene, &first).await);
    scene.world.clock.advance_seconds(1);
    let reused = exchange(&scene, &first).await;
    assert_eq!(reused.code().as_deref(), Some("RefreshTokenReuseException"));
    ok(&exchange(&scene, &second).await);
}

#[tokio::test]
async fn confidential_client_shows_its_hash_or_secret_after_the_token() {
    let scene = scene_with(j!({}), j!({ "GenerateSecret": true })).await;
    scene.user("alice").await;
    let secret = casemate_names::Secret::new(scene.secret.clone().unwrap());
    let hash = casemate_cognito_idp::secret_hash::compute(&secret, "alice", &scene.client);
    let signed_in = scene
        .public_ok("InitiateAuth", j!({ "ClientId": scene.client, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": "alice", "PASSWORD": crate::scene::PASSWORD, "SECRET_HASH": hash } }))
        .await;
    let refresh = Tokens::of(&signed_in).refresh.unwrap();
    refused(&scene.refresh("made-up").await, "NotAuthorizedException", "Invalid Refresh Token");
    let text = format!("Client {} is configured with secret but SECRET_HASH was not received", scene.client);
    refused(&scene.refresh(&refresh).await, "NotAuthorizedException", &text);
    refused(&exchange(&scene, &refresh).await, "NotAuthorizedException", "Invalid client secret.");
    let answer = scene
        .public(
            "GetTokensFromRefreshToken",
            j!({ "ClientId": scene.client, "RefreshToken": refresh,
            "ClientSecret": scene.secret }),
        )
        .await;
    Tokens::of(&ok(&answer));
    let answer = scene
        .public(
            "InitiateAuth",
            j!({ "ClientId": scene.client, "AuthFlow": "REFRESH_TOKEN_AUTH",
            "AuthParameters": { "REFRESH_TOKEN": refresh, "SECRET_HASH": hash } }),
        )
        .await;
    Tokens::of(&ok(&answer));
}
