//! Forgotten and reset passwords.

use crate::scene::{PASSWORD, Scene, j, ok, refused, scene, scene_with};

const NEW: &str = "Another-Horse-1!";

async fn forgot(scene: &Scene, name: &str) -> casemate_testkit::Response {
    scene.public("ForgotPassword", j!({ "ClientId": scene.client, "Username": name })).await
}

async fn confirm(scene: &Scene, name: &str, code: &str, password: &str) -> casemate_testkit::Response {
    scene
        .public(
            "ConfirmForgotPassword",
            j!({ "ClientId": scene.client, "Username": name, "ConfirmationCode": code,
            "Password": password }),
        )
        .await
}

#[tokio::test]
async fn code_gives_a_new_password_once() {
    let scene = scene().await;
    scene.user("alice").await;
    let answer = ok(&forgot(&scene, "alice").await);
    assert_eq!(answer["CodeDeliveryDetails"]["Destination"], "a***@e***");
    let code = scene.newest_code();
    let weak = confirm(&scene, "alice", &code, "weak-weak").await;
    assert_eq!(weak.code().as_deref(), Some("InvalidPasswordException"));
    ok(&confirm(&scene, "alice", &code, NEW).await);
    assert_eq!(scene.password("alice", PASSWORD).await.code().as_deref(), Some("NotAuthorizedException"));
    ok(&scene.password("alice", NEW).await);
    let again = confirm(&scene, "alice", &code, PASSWORD).await;
    assert_eq!(again.code().as_deref(), Some("ExpiredCodeException"));
}

#[tokio::test]
async fn wrong_expired_and_foreign_codes_are_refused() {
    let scene = scene().await;
    scene.user("alice").await;
    scene.user("bob").await;
    ok(&forgot(&scene, "alice").await);
    let code = scene.newest_code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(confirm(&scene, "alice", wrong, NEW).await.code().as_deref(), Some("CodeMismatchException"));
    assert_eq!(confirm(&scene, "bob", &code, NEW).await.code().as_deref(), Some("ExpiredCodeException"));
    scene.world.clock.advance_seconds(3600);
    assert_eq!(confirm(&scene, "alice", &code, NEW).await.code().as_deref(), Some("ExpiredCodeException"));
}

#[tokio::test]
async fn requests_and_answers_share_one_hourly_limit() {
    let scene = scene().await;
    scene.user("alice").await;
    for _ in 0..5 {
        ok(&forgot(&scene, "alice").await);
        confirm(&scene, "alice", "x", NEW).await;
    }
    let text = "Attempt limit exceeded, please try after some time.";
    refused(&forgot(&scene, "alice").await, "LimitExceededException", text);
    let code = scene.newest_code();
    refused(&confirm(&scene, "alice", &code, NEW).await, "LimitExceededException", text);
}

#[tokio::test]
async fn unknown_disabled_and_unverified_users_look_like_others_where_existence_is_hidden() {
    let scene = scene_with(
        j!({ "AutoVerifiedAttributes": ["email"] }),
        j!({ "PreventUserExistenceErrors": "ENABLED" }),
    )
    .await;
    for name in ["real", "disabled", "unverified"] {
        scene.user(name).await;
    }
    scene.ok("AdminDisableUser", j!({ "UserPoolId": scene.pool, "Username": "disabled" })).await;
    scene
        .ok(
            "AdminUpdateUserAttributes",
            j!({ "UserPoolId": scene.pool, "Username": "unverified",
            "UserAttributes": [{ "Name": "email_verified", "Value": "false" }] }),
        )
        .await;
    for name in ["real", "disabled", "unverified", "nobody"] {
        let none = confirm(&scene, name, "1", NEW).await;
        assert_eq!(none.code().as_deref(), Some("ExpiredCodeException"), "{name}");
        let answer = ok(&forgot(&scene, name).await);
        assert_eq!(answer["CodeDeliveryDetails"]["DeliveryMedium"], "EMAIL", "{name}");
        let wrong = confirm(&scene, name, "1", NEW).await;
        assert_eq!(wrong.code().as_deref(), Some("CodeMismatchException"), "{name}");
    }
    assert_eq!(scene.messages(), 1, "only the real user is written to");
    for _ in 0..7 {
        ok(&forgot(&scene, "nobody").await);
    }
    assert_eq!(forgot(&scene, "nobody").await.code().as_deref(), Some("LimitExceededException"));
}

#[tokio::test]
async fn unknown_and_unreachable_users_are_named_where_existence_is_shown() {
    let scene = scene().await;
    let text = "Username/client id combination not found.";
    refused(&forgot(&scene, "nobody").await, "UserNotFoundException", text);
    scene.user("alice").await;
    scene
        .ok(
            "AdminUpdateUserAttributes",
            j!({ "UserPoolId": scene.pool, "Username": "alice",
            "UserAttributes": [{ "Name": "email_verified", "Value": "false" }] }),
        )
        .await;
    let text = "Cannot reset password for the user as there is no registered/verified email or phone_number";
    refused(&forgot(&scene, "alice").await, "InvalidParameterException", text);
}

#[tokio::test]
async fn administrators_reset_stops_the_password_until_the_code_is_used() {
    let scene = scene().await;
    scene.user("alice").await;
    scene.ok("AdminResetUserPassword", j!({ "UserPoolId": scene.pool, "Username": "alice" })).await;
    let text = "Password reset required for the user";
    refused(&scene.password("alice", PASSWORD).await, "PasswordResetRequiredException", text);
    ok(&confirm(&scene, "alice", &scene.newest_code(), NEW).await);
    ok(&scene.password("alice", NEW).await);
}

#[tokio::test]
async fn pool_that_recovers_by_administrators_sends_no_code() {
    let scene = scene_with(
        j!({ "AccountRecoverySetting": { "RecoveryMechanisms": [{ "Priority": 1, "Name": "admin_only" }] } }),
        j!({}),
    )
    .await;
    scene.user("alice").await;
    let text = "Contact administrator to reset password.";
    refused(&forgot(&scene, "alice").await, "NotAuthorizedException", text);
}

#[tokio::test]
async fn a_code_sent_to_an_old_address_is_worthless_once_the_address_changed() {
    let scene = scene().await;
    scene.user("alice").await;
    ok(&forgot(&scene, "alice").await);
    let code = scene.newest_code();
    scene
        .ok("AdminUpdateUserAttributes", j!({ "UserPoolId": scene.pool, "Username": "alice", "UserAttributes": [
            { "Name": "email", "Value": "new@example.com" }, { "Name": "email_verified", "Value": "true" }] }))
        .await;
    assert_eq!(confirm(&scene, "alice", &code, NEW).await.code().as_deref(), Some("ExpiredCodeException"));
}
