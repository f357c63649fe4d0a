//! Signing up, confirming, and the codes between.

use serde_json::Value;

use crate::scene::{PASSWORD, Scene, j, refused, scene, scene_with};

async fn sign_up(scene: &Scene, name: &str) -> casemate_testkit::Response {
    scene
        .public(
            "SignUp",
            j!({ "ClientId": scene.client, "Username": name, "Password": PASSWORD,
            "UserAttributes": [{ "Name": "email", "Value": format!("{name}@example.com") }] }),
        )
        .await
}

async fn confirm(scene: &Scene, name: &str, code: &str) -> casemate_testkit::Response {
    scene
        .public("ConfirmSignUp", j!({ "ClientId": scene.client, "Username": name, "ConfirmationCode": code }))
        .await
}

async fn admin_get(scene: &Scene, name: &str) -> Value {
    scene.ok("AdminGetUser", j!({ "UserPoolId": scene.pool, "Username": name })).await
}

fn attribute(user: &Value, name: &str) -> Value {
    let list = user["UserAttributes"].as_array().unwrap();
    list.iter().find(|attribute| attribute["Name"] == name).map_or(Value::Null, |a| a["Value"].clone())
}

#[tokio::test]
async fn sign_up_confirm_and_sign_in() {
    let scene = scene().await;
    let made = crate::scene::ok(&sign_up(&scene, "fixture").await);
    assert_eq!(made["UserConfirmed"], false);
    assert_eq!(
        made["CodeDeliveryDetails"],
        j!({ "Destination": "f***@e***", "DeliveryMedium": "EMAIL", "AttributeName": "email" })
    );
    refused(
        &scene.password("fixture", PASSWORD).await,
        "UserNotConfirmedException",
        "User is not confirmed.",
    );
    let (text, to) = scene.newest_message();
    assert!(text.starts_with("Your confirmation code is ") && to == "fixture@example.com");
    let code = scene.newest_code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let text = "Invalid verification code provided, please try again.";
    refused(&confirm(&scene, "fixture", wrong).await, "CodeMismatchException", text);
    crate::scene::ok(&confirm(&scene, "fixture", &code).await);
    let user = admin_get(&scene, "fixture").await;
    assert_eq!(
        (user["UserStatus"].as_str(), attribute(&user, "email_verified").as_str()),
        (Some("CONFIRMED"), Some("true"))
    );
    scene.sign_in("fixture").await;
    let text = "User cannot be confirmed. Current status is CONFIRMED";
    refused(&confirm(&scene, "fixture", &code).await, "NotAuthorizedException", text);
}

#[tokio::test]
async fn codes_never_appear_in_the_answer_or_the_audit_record() {
    let scene = scene().await;
    let answer = sign_up(&scene, "alice").await;
    let code = scene.newest_code();
    let record = format!("{:?}", scene.world.last_record());
    assert!(!answer.text().contains(&code) && !record.contains(&code) && !record.contains(PASSWORD));
}

#[tokio::test]
async fn expired_code_and_an_earlier_one_are_refused() {
    let scene = scene().await;
    sign_up(&scene, "alice").await;
    let first = scene.newest_code();
    scene.public_ok("ResendConfirmationCode", j!({ "ClientId": scene.client, "Username": "alice" })).await;
    let second = scene.newest_code();
    assert_ne!(first, second);
    let text = "Invalid verification code provided, please try again.";
    refused(&confirm(&scene, "alice", &first).await, "CodeMismatchException", text);
    scene.world.clock.advance_seconds(24 * 3600);
    let text = "Invalid code provided, please request a code again.";
    refused(&confirm(&scene, "alice", &second).await, "ExpiredCodeException", text);
}

#[tokio::test]
async fn fifteen_guesses_an_hour_are_all_there_are() {
    let scene = scene().await;
    sign_up(&scene, "alice").await;
    let code = scene.newest_code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..15 {
        assert_eq!(confirm(&scene, "alice", wrong).await.code().as_deref(), Some("CodeMismatchException"));
    }
    let text = "Attempt limit exceeded, please try after some time.";
    refused(&confirm(&scene, "alice", &code).await, "LimitExceededException", text);
    scene.world.clock.advance_seconds(3600);
    let dead = confirm(&scene, "alice", &code).await;
    assert_eq!(dead.code().as_deref(), Some("ExpiredCodeException"), "the code died of wrong answers");
}

#[tokio::test]
async fn five_resends_an_hour_and_no_more() {
    let scene = scene().await;
    sign_up(&scene, "alice").await;
    let resend =
        || scene.public("ResendConfirmationCode", j!({ "ClientId": scene.client, "Username": "alice" }));
    for _ in 0..5 {
        crate::scene::ok(&resend().await);
    }
    let text = "Attempt limit exceeded, please try after some time.";
    refused(&resend().await, "LimitExceededException", text);
}

#[tokio::test]
async fn taken_names_weak_passwords_and_missing_attributes_are_refused() {
    let scene = scene_with(
        j!({ "Schema": [{ "Name": "email", "Required": true, "AttributeDataType": "String", "Mutable": true }] }),
        j!({}),
    )
    .await;
    crate::scene::ok(&sign_up(&scene, "alice").await);
    refused(&sign_up(&scene, "alice").await, "UsernameExistsException", "User already exists");
    let weak = scene
        .public("SignUp", j!({ "ClientId": scene.client, "Username": "bob", "Password": "short" }))
        .await;
    let text = "Password did not conform with policy: Password not long enough";
    refused(&weak, "InvalidPasswordException", text);
    let bare = scene
        .public("SignUp", j!({ "ClientId": scene.client, "Username": "bob", "Password": PASSWORD }))
        .await;
    assert_eq!(bare.code().as_deref(), Some("InvalidParameterException"));
    assert!(bare.message().contains("email"));
    let forged = scene
        .public(
            "SignUp",
            j!({ "ClientId": scene.client, "Username": "bob", "Password": PASSWORD, "UserAttributes": [
            { "Name": "email", "Value": "b@example.com" }, { "Name": "email_verified", "Value": "true" }] }),
        )
        .await;
    refused(&forged, "NotAuthorizedException", "A client attempted to write unauthorized attribute");
}

#[tokio::test]
async fn closed_pool_lets_nobody_sign_up() {
    let scene =
        scene_with(j!({ "AdminCreateUserConfig": { "AllowAdminCreateUserOnly": true } }), j!({})).await;
    let text = "SignUp is not permitted for this user pool";
    refused(&sign_up(&scene, "alice").await, "NotAuthorizedException", text);
}

#[tokio::test]
async fn case_insensitive_pool_knows_one_alice() {
    let scene = scene_with(
        j!({ "UsernameConfiguration": { "CaseSensitive": false }, "AutoVerifiedAttributes": ["email"] }),
        j!({}),
    )
    .await;
    crate::scene::ok(&sign_up(&scene, "Alice").await);
    refused(&sign_up(&scene, "aLICE").await, "UsernameExistsException", "User already exists");
    assert_eq!(admin_get(&scene, "ALICE").await["Username"], "Alice");
}

#[tokio::test]
async fn email_pool_takes_only_addresses_and_each_once() {
    let scene =
        scene_with(j!({ "UsernameAttributes": ["email"], "AutoVerifiedAttributes": ["email"] }), j!({}))
            .await;
    let join = |name: &str| {
        scene.public("SignUp", j!({ "ClientId": scene.client, "Username": name, "Password": PASSWORD }))
    };
    refused(&join("alice").await, "InvalidParameterException", "Username should be an email.");
    let made = crate::scene::ok(&join("a@b.co").await);
    let text = "An account with the given email already exists.";
    refused(&join("a@b.co").await, "UsernameExistsException", text);
    let user = admin_get(&scene, "a@b.co").await;
    assert_eq!(user["Username"], made["UserSub"]);
    assert_eq!(attribute(&user, "email"), "a@b.co");
    crate::scene::ok(&confirm(&scene, "a@b.co", &scene.newest_code()).await);
    scene.sign_in("a@b.co").await;
}

#[tokio::test]
async fn verified_address_of_another_is_found_out_at_confirmation() {
    let scene =
        scene_with(j!({ "AliasAttributes": ["email"], "AutoVerifiedAttributes": ["email"] }), j!({})).await;
    let join = |name: &str| {
        scene.public(
            "SignUp",
            j!({ "ClientId": scene.client, "Username": name, "Password": PASSWORD,
            "UserAttributes": [{ "Name": "email", "Value": "shared@b.co" }] }),
        )
    };
    crate::scene::ok(&join("alice").await);
    crate::scene::ok(&confirm(&scene, "alice", &scene.newest_code()).await);
    crate::scene::ok(&join("mallory").await);
    let code = scene.newest_code();
    let answer = confirm(&scene, "mallory", &code).await;
    assert_eq!(answer.code().as_deref(), Some("AliasExistsException"));
    scene.sign_in("shared@b.co").await;
    let named = scene
        .public("SignUp", j!({ "ClientId": scene.client, "Username": "x@b.co", "Password": PASSWORD }))
        .await;
    let text = "Username cannot be of email format, since user pool is configured for email alias.";
    refused(&named, "InvalidParameterException", text);
}

#[tokio::test]
async fn secret_hash_is_demanded_and_judged() {
    let scene = scene_with(j!({}), j!({ "GenerateSecret": true })).await;
    let join = |hash: Option<String>| {
        let mut input = j!({ "ClientId": scene.client, "Username": "alice", "Password": PASSWORD });
        if let Some(hash) = hash {
            input["SecretHash"] = hash.into();
        }
        scene.public("SignUp", input)
    };
    let text = format!("Client {} is configured with secret but SECRET_HASH was not received", scene.client);
    refused(&join(None).await, "NotAuthorizedException", &text);
    let text = format!("Unable to verify secret hash for client {}", scene.client);
    refused(&join(Some("AAAA".into())).await, "NotAuthorizedException", &text);
    let secret = casemate_names::Secret::new(scene.secret.clone().unwrap());
    let hash = casemate_cognito_idp::secret_hash::compute(&secret, "alice", &scene.client);
    crate::scene::ok(&join(Some(hash.clone())).await);
    let (public, _) = scene.new_client(j!({})).await;
    let extra = scene
        .public(
            "SignUp",
            j!({ "ClientId": public, "Username": "bob", "Password": PASSWORD, "SecretHash": hash }),
        )
        .await;
    assert_eq!(extra.code().as_deref(), Some("InvalidParameterException"));
}

#[tokio::test]
async fn hidden_existence_answers_unknown_users_like_known_ones() {
    let scene = scene_with(
        j!({ "AutoVerifiedAttributes": ["email"] }),
        j!({ "PreventUserExistenceErrors": "ENABLED" }),
    )
    .await;
    let resend = |name: &str| {
        scene.public("ResendConfirmationCode", j!({ "ClientId": scene.client, "Username": name }))
    };
    let answer = crate::scene::ok(&resend("nobody").await);
    assert_eq!(answer["CodeDeliveryDetails"]["DeliveryMedium"], "EMAIL");
    assert_eq!(scene.messages(), 0);
    assert_eq!(confirm(&scene, "nobody", "123456").await.code().as_deref(), Some("CodeMismatchException"));
    let shown = crate::scene::scene().await;
    let answer =
        shown.public("ResendConfirmationCode", j!({ "ClientId": shown.client, "Username": "nobody" })).await;
    refused(&answer, "UserNotFoundException", "Username/client id combination not found.");
}

#[tokio::test]
async fn no_name_leads_to_two_users() {
    let scene = scene_with(j!({ "AliasAttributes": ["preferred_username"] }), j!({})).await;
    scene.user("alice").await;
    let alice = admin_get(&scene, "alice").await;
    let sub = attribute(&alice, "sub");
    let join = |name: &str, preferred: &str| {
        scene.public(
            "SignUp",
            j!({ "ClientId": scene.client, "Username": name, "Password": PASSWORD,
            "UserAttributes": [{ "Name": "preferred_username", "Value": preferred }] }),
        )
    };
    let as_sub = join(sub.as_str().unwrap(), "x").await;
    assert_eq!(
        as_sub.code().as_deref(),
        Some("UsernameExistsException"),
        "a username that is somebody's sub"
    );
    let as_name = join("mallory", "alice").await;
    assert_eq!(
        as_name.code().as_deref(),
        Some("AliasExistsException"),
        "an alias that is somebody's username"
    );
    crate::scene::ok(&join("bob", "bobby").await);
    assert_eq!(join("mallory", "bobby").await.code().as_deref(), Some("AliasExistsException"));
    assert_eq!(join("bobby", "y").await.code().as_deref(), Some("UsernameExistsException"));
    assert_eq!(admin_get(&scene, "bobby").await["Username"], "bob");
}

#[tokio::test]
async fn forced_alias_is_taken_over_and_unproved_for_its_former_owner() {
    let scene =
        scene_with(j!({ "AliasAttributes": ["email"], "AutoVerifiedAttributes": ["email"] }), j!({})).await;
    for name in ["old", "new"] {
        scene
            .public_ok(
                "SignUp",
                j!({ "ClientId": scene.client, "Username": name, "Password": PASSWORD,
                "UserAttributes": [{ "Name": "email", "Value": "shared@b.co" }] }),
            )
            .await;
        scene
            .public_ok(
                "ConfirmSignUp",
                j!({ "ClientId": scene.client, "Username": name,
                "ConfirmationCode": scene.newest_code(), "ForceAliasCreation": true }),
            )
            .await;
    }
    assert_eq!(admin_get(&scene, "shared@b.co").await["Username"], "new");
    assert_eq!(attribute(&admin_get(&scene, "old").await, "email_verified"), "false");
}
