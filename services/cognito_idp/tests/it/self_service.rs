//! What signed-in users do to themselves.

use crate::scene::{PASSWORD, claims, j, ok, refused, scene, scene_with};

#[tokio::test]
async fn password_is_changed_by_who_knows_the_old_one() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let change = |previous: &str, proposed: &str| {
        scene.public(
            "ChangePassword",
            j!({ "AccessToken": tokens.access, "PreviousPassword": previous,
            "ProposedPassword": proposed }),
        )
    };
    let text = "Incorrect username or password.";
    refused(&change("Wrong-Horse-1!", "Another-Horse-1!").await, "NotAuthorizedException", text);
    let text = "Password did not conform with policy: Password not long enough";
    refused(&change(PASSWORD, "Ab1!").await, "InvalidPasswordException", text);
    ok(&change(PASSWORD, "Another-Horse-1!").await);
    ok(&scene.password("alice", "Another-Horse-1!").await);
    for _ in 0..2 {
        change("Another-Horse-1!", "Another-Horse-1!").await;
    }
    let text = "Attempt limit exceeded, please try after some time.";
    refused(&change("Another-Horse-1!", PASSWORD).await, "LimitExceededException", text);
}

#[tokio::test]
async fn new_address_counts_only_after_its_code() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    let update = |name: &str, value: &str| {
        scene.public(
            "UpdateUserAttributes",
            j!({ "AccessToken": tokens.access,
            "UserAttributes": [{ "Name": name, "Value": value }] }),
        )
    };
    let answer = ok(&update("email", "new@example.com").await);
    assert_eq!(answer["CodeDeliveryDetailsList"][0]["Destination"], "n***@e***");
    let code = scene.newest_code();
    assert_eq!(claims(&scene.sign_in("alice").await.id)["email_verified"], false);
    let verify = |code: &str| {
        scene.public(
            "VerifyUserAttribute",
            j!({ "AccessToken": tokens.access, "AttributeName": "email", "Code": code }),
        )
    };
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(verify(wrong).await.code().as_deref(), Some("CodeMismatchException"));
    ok(&verify(&code).await);
    assert_eq!(claims(&scene.sign_in("alice").await.id)["email_verified"], true);
    let text = "A client attempted to write unauthorized attribute";
    refused(&update("email_verified", "true").await, "NotAuthorizedException", text);
    let asked = scene
        .public_ok(
            "GetUserAttributeVerificationCode",
            j!({ "AccessToken": tokens.access, "AttributeName": "email" }),
        )
        .await;
    assert_eq!(asked["CodeDeliveryDetails"]["AttributeName"], "email");
    let other = scene
        .public(
            "GetUserAttributeVerificationCode",
            j!({ "AccessToken": tokens.access, "AttributeName": "name" }),
        )
        .await;
    assert_eq!(other.code().as_deref(), Some("InvalidParameterException"));
}

#[tokio::test]
async fn immutable_attributes_stay() {
    let scene = scene_with(
        j!({ "Schema": [{ "Name": "tenant", "AttributeDataType": "String", "Mutable": false }] }),
        j!({ "WriteAttributes": ["custom:tenant", "email"], "ReadAttributes": ["custom:tenant"] }),
    )
    .await;
    scene
        .public_ok(
            "SignUp",
            j!({ "ClientId": scene.client, "Username": "alice", "Password": PASSWORD,
            "UserAttributes": [{ "Name": "custom:tenant", "Value": "red" }] }),
        )
        .await;
    scene.ok("AdminConfirmSignUp", j!({ "UserPoolId": scene.pool, "Username": "alice" })).await;
    let tokens = scene.sign_in("alice").await;
    assert_eq!(claims(&tokens.id)["custom:tenant"], "red");
    let answer = scene
        .public(
            "UpdateUserAttributes",
            j!({ "AccessToken": tokens.access,
            "UserAttributes": [{ "Name": "custom:tenant", "Value": "blue" }] }),
        )
        .await;
    assert_eq!(answer.code().as_deref(), Some("InvalidParameterException"));
}

#[tokio::test]
async fn user_deletes_herself() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    scene.public_ok("DeleteUser", j!({ "AccessToken": tokens.access })).await;
    refused(&scene.password("alice", PASSWORD).await, "UserNotFoundException", "User does not exist.");
    let refresh = scene.refresh(&tokens.refresh.unwrap()).await;
    refused(&refresh, "NotAuthorizedException", "Invalid Refresh Token");
}

#[tokio::test]
async fn attributes_are_taken_back_by_who_may_write_them() {
    let scene = scene_with(
        j!({ "Schema": [{ "Name": "email", "Required": true, "AttributeDataType": "String", "Mutable": true }] }),
        j!({}),
    )
    .await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    scene
        .public_ok(
            "UpdateUserAttributes",
            j!({ "AccessToken": tokens.access,
            "UserAttributes": [{ "Name": "name", "Value": "Alice" }] }),
        )
        .await;
    let take = |name: &str| {
        scene.public(
            "DeleteUserAttributes",
            j!({ "AccessToken": tokens.access, "UserAttributeNames": [name] }),
        )
    };
    ok(&take("name").await);
    assert!(claims(&scene.sign_in("alice").await.id)["name"].is_null());
    let required = take("email").await;
    assert_eq!(required.code().as_deref(), Some("InvalidParameterException"));
    let text = "A client attempted to write unauthorized attribute";
    refused(&take("email_verified").await, "NotAuthorizedException", text);
    scene
        .ok(
            "AdminDeleteUserAttributes",
            j!({ "UserPoolId": scene.pool, "Username": "alice",
            "UserAttributeNames": ["email"] }),
        )
        .await;
    let left = claims(&scene.sign_in("alice").await.id);
    assert!(left["email"].is_null() && left["email_verified"].is_null(), "{left}");
}
