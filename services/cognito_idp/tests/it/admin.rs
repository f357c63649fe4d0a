//! What administrators do to users, and the first sign-in with a temporary password.

use serde_json::Value;

use crate::scene::{PASSWORD, Scene, Tokens, claims, j, merge, ok, refused, scene, scene_with};

const TEMPORARY: &str = "Temporary-1!";

async fn invite(scene: &Scene, name: &str, further: Value) -> casemate_testkit::Response {
    let mut input = j!({ "UserPoolId": scene.pool, "Username": name, "TemporaryPassword": TEMPORARY });
    merge(&mut input, &further);
    scene.call("AdminCreateUser", input).await
}

async fn first_sign_in(scene: &Scene, name: &str) -> String {
    let asked = ok(&scene.password(name, TEMPORARY).await);
    assert_eq!(asked["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    asked["Session"].as_str().unwrap().to_owned()
}

async fn choose(scene: &Scene, client: &str, session: &str, further: Value) -> casemate_testkit::Response {
    let mut given = j!({ "USERNAME": "alice", "NEW_PASSWORD": PASSWORD });
    merge(&mut given, &further);
    scene
        .public(
            "RespondToAuthChallenge",
            j!({ "ClientId": client, "ChallengeName": "NEW_PASSWORD_REQUIRED",
            "Session": session, "ChallengeResponses": given }),
        )
        .await
}

#[tokio::test]
async fn invited_user_chooses_a_password_at_her_first_sign_in() {
    let scene = scene().await;
    let email = j!({ "UserAttributes": [{ "Name": "email", "Value": "a@b.co" }] });
    let made = ok(&invite(&scene, "alice", email).await);
    assert_eq!(made["User"]["UserStatus"], "FORCE_CHANGE_PASSWORD");
    let (text, to) = scene.newest_message();
    assert_eq!(
        (text.as_str(), to.as_str()),
        ("Your username is alice and temporary password is Temporary-1!.", "a@b.co")
    );
    let session = first_sign_in(&scene, "alice").await;
    let tokens = Tokens::of(&ok(&choose(&scene, &scene.client, &session, j!({})).await));
    assert_eq!(claims(&tokens.id)["email"], "a@b.co");
    let again = choose(&scene, &scene.client, &session, j!({})).await;
    refused(&again, "NotAuthorizedException", "Invalid session for the user.");
    scene.sign_in("alice").await;
}

#[tokio::test]
async fn sessions_made_up_of_another_client_or_user_or_too_old_are_refused() {
    let scene = scene().await;
    ok(&invite(&scene, "alice", j!({})).await);
    ok(&invite(&scene, "bob", j!({})).await);
    let session = first_sign_in(&scene, "alice").await;
    let (other, _) = scene.new_client(j!({})).await;
    let invalid = "Invalid session for the user.";
    let made_up = "x".repeat(64);
    refused(&choose(&scene, &scene.client, &made_up, j!({})).await, "NotAuthorizedException", invalid);
    refused(&choose(&scene, &other, &session, j!({})).await, "NotAuthorizedException", invalid);
    let bobs = choose(&scene, &scene.client, &session, j!({ "USERNAME": "bob" })).await;
    refused(&bobs, "NotAuthorizedException", invalid);
    let absent = scene
        .public(
            "RespondToAuthChallenge",
            j!({ "ClientId": scene.client, "ChallengeName": "NEW_PASSWORD_REQUIRED",
            "ChallengeResponses": { "USERNAME": "alice", "NEW_PASSWORD": PASSWORD } }),
        )
        .await;
    refused(&absent, "InvalidParameterException", "Missing required parameter Session");
    for name in [
        "SMS_MFA",
        "SOFTWARE_TOKEN_MFA",
        "MFA_SETUP",
        "SELECT_MFA_TYPE",
        "CUSTOM_CHALLENGE",
        "DEVICE_SRP_AUTH",
    ] {
        let answer = scene
            .public(
                "RespondToAuthChallenge",
                j!({ "ClientId": scene.client, "ChallengeName": name, "Session": session,
                "ChallengeResponses": { "USERNAME": "alice" } }),
            )
            .await;
        refused(&answer, "NotAuthorizedException", invalid);
    }
    scene.world.clock.advance_seconds(180);
    refused(&choose(&scene, &scene.client, &session, j!({})).await, "NotAuthorizedException", invalid);
}

#[tokio::test]
async fn refused_answers_use_a_session_up() {
    let scene = scene().await;
    ok(&invite(&scene, "alice", j!({})).await);
    let session = first_sign_in(&scene, "alice").await;
    for _ in 0..5 {
        let weak = choose(&scene, &scene.client, &session, j!({ "NEW_PASSWORD": "weak" })).await;
        assert_eq!(weak.code().as_deref(), Some("InvalidPasswordException"));
    }
    let answer = choose(&scene, &scene.client, &session, j!({})).await;
    refused(&answer, "NotAuthorizedException", "Invalid session for the user.");
}

#[tokio::test]
async fn required_attributes_are_asked_for_and_known_ones_cannot_be_overwritten() {
    let scene = scene_with(
        j!({ "Schema": [
            { "Name": "email", "Required": true, "AttributeDataType": "String", "Mutable": true },
            { "Name": "name", "Required": true, "AttributeDataType": "String", "Mutable": true }] }),
        j!({}),
    )
    .await;
    let email = j!({ "UserAttributes": [{ "Name": "email", "Value": "a@b.co" }] });
    ok(&invite(&scene, "alice", email).await);
    let asked = ok(&scene.password("alice", TEMPORARY).await);
    assert_eq!(asked["ChallengeParameters"]["requiredAttributes"], r#"["userAttributes.name"]"#);
    let session = asked["Session"].as_str().unwrap();
    let missing = choose(&scene, &scene.client, session, j!({})).await;
    assert_eq!(missing.code().as_deref(), Some("InvalidParameterException"));
    let stolen = j!({ "userAttributes.name": "Alice", "userAttributes.email": "evil@b.co" });
    let stolen = choose(&scene, &scene.client, session, stolen).await;
    refused(&stolen, "NotAuthorizedException", "Cannot modify an already provided email");
    let verified = j!({ "userAttributes.name": "Alice", "userAttributes.email_verified": "true" });
    let verified = choose(&scene, &scene.client, session, verified).await;
    refused(&verified, "NotAuthorizedException", "A client attempted to write unauthorized attribute");
    ok(&choose(&scene, &scene.client, session, j!({ "userAttributes.name": "Alice" })).await);
}

#[tokio::test]
async fn temporary_password_ends_after_its_days_and_is_renewed_by_resending() {
    let scene = scene().await;
    let email = j!({ "UserAttributes": [{ "Name": "email", "Value": "a@b.co" }] });
    ok(&invite(&scene, "alice", email).await);
    scene.world.clock.advance_seconds(7 * 86_400);
    let text = "Temporary password has expired and must be reset by an administrator.";
    refused(&scene.password("alice", TEMPORARY).await, "NotAuthorizedException", text);
    ok(&invite(&scene, "alice", j!({ "MessageAction": "RESEND" })).await);
    let session = first_sign_in(&scene, "alice").await;
    ok(&choose(&scene, &scene.client, &session, j!({})).await);
    let again = invite(&scene, "alice", j!({ "MessageAction": "RESEND" })).await;
    let text = "Resend not possible. alice status is not FORCE_CHANGE_PASSWORD";
    refused(&again, "UnsupportedUserStateException", text);
    refused(&invite(&scene, "alice", j!({})).await, "UsernameExistsException", "User account already exists");
}

#[tokio::test]
async fn generated_passwords_are_only_in_the_message() {
    let scene = scene().await;
    let input = j!({ "UserPoolId": scene.pool, "Username": "alice", "UserAttributes": [{ "Name": "email", "Value": "a@b.co" }] });
    let answer = scene.call("AdminCreateUser", input).await;
    let (text, _) = scene.newest_message();
    let password = text.rsplit_once(' ').unwrap().1.trim_end_matches('.').to_owned();
    assert!(!answer.text().contains(&password));
    let asked = ok(&scene.password("alice", &password).await);
    assert_eq!(asked["ChallengeName"], "NEW_PASSWORD_REQUIRED");
}

#[tokio::test]
async fn administrators_sign_in_and_answer_for_their_server() {
    let scene = scene().await;
    ok(&invite(&scene, "alice", j!({})).await);
    let asked = scene
        .ok(
            "AdminInitiateAuth",
            j!({ "UserPoolId": scene.pool, "ClientId": scene.client, "AuthFlow": "ADMIN_NO_SRP_AUTH",
            "AuthParameters": { "USERNAME": "alice", "PASSWORD": TEMPORARY } }),
        )
        .await;
    let answer = scene
        .ok(
            "AdminRespondToAuthChallenge",
            j!({ "UserPoolId": scene.pool, "ClientId": scene.client,
            "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": asked["Session"],
            "ChallengeResponses": { "USERNAME": "alice", "NEW_PASSWORD": PASSWORD } }),
        )
        .await;
    Tokens::of(&answer);
    let public = scene
        .public(
            "InitiateAuth",
            j!({ "ClientId": scene.client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": "alice", "PASSWORD": PASSWORD } }),
        )
        .await;
    refused(&public, "InvalidParameterException", "Initiate Auth method not supported.");
}

#[tokio::test]
async fn unknown_flows_and_flows_the_client_lacks_are_refused() {
    let scene = scene_with(j!({}), j!({ "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"] })).await;
    scene.user("alice").await;
    let text = "USER_PASSWORD_AUTH flow not enabled for this client";
    refused(&scene.password("alice", PASSWORD).await, "InvalidParameterException", text);
    refused(&scene.refresh("x").await, "InvalidParameterException", "Auth flow not enabled for this client");
    let exchange = scene
        .public("GetTokensFromRefreshToken", j!({ "ClientId": scene.client, "RefreshToken": "x" }))
        .await;
    refused(&exchange, "InvalidParameterException", "Auth flow not enabled for this client");
    for (flow, text) in [
        ("CUSTOM_AUTH", "Custom auth lambda trigger is not configured for the user pool."),
        ("USER_AUTH", "Initiate Auth method not supported."),
    ] {
        let answer = scene
            .public(
                "InitiateAuth",
                j!({ "ClientId": scene.client, "AuthFlow": flow, "AuthParameters": { "USERNAME": "alice" } }),
            )
            .await;
        refused(&answer, "InvalidParameterException", text);
    }
    let unknown =
        scene.public("InitiateAuth", j!({ "ClientId": scene.client, "AuthFlow": "SUPER_AUTH" })).await;
    assert_eq!(unknown.code().as_deref(), Some("InvalidParameterException"));
}

#[tokio::test]
async fn confirming_for_somebody_works_once() {
    let scene = scene().await;
    scene
        .public_ok("SignUp", j!({ "ClientId": scene.client, "Username": "alice", "Password": PASSWORD }))
        .await;
    let confirm = || scene.call("AdminConfirmSignUp", j!({ "UserPoolId": scene.pool, "Username": "alice" }));
    ok(&confirm().await);
    scene.sign_in("alice").await;
    let text = "User cannot be confirmed. Current status is CONFIRMED";
    refused(&confirm().await, "NotAuthorizedException", text);
}

#[tokio::test]
async fn users_are_listed_filtered_and_paged() {
    let scene = scene().await;
    for name in ["ann", "anton", "bert", "carl"] {
        scene.user(name).await;
    }
    let list = |further: Value| {
        let mut input = j!({ "UserPoolId": scene.pool });
        merge(&mut input, &further);
        scene.ok("ListUsers", input)
    };
    let names = |answer: &Value| -> Vec<String> {
        answer["Users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|u| u["Username"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = list(j!({ "Limit": 3 })).await;
    assert_eq!(names(&page), ["ann", "anton", "bert"]);
    let rest = list(j!({ "Limit": 3, "PaginationToken": page["PaginationToken"] })).await;
    assert_eq!((names(&rest), rest["PaginationToken"].is_null()), (vec!["carl".to_owned()], true));
    assert_eq!(names(&list(j!({ "Filter": "username ^= \"an\"" })).await), ["ann", "anton"]);
    assert_eq!(names(&list(j!({ "Filter": "email = \"bert@example.com\"" })).await), ["bert"]);
    assert_eq!(names(&list(j!({ "Filter": "status = \"Disabled\"" })).await), Vec::<String>::new());
    let bad = scene.call("ListUsers", j!({ "UserPoolId": scene.pool, "Filter": "custom:x = \"y\"" })).await;
    refused(&bad, "InvalidParameterException", "Invalid search attribute: custom:x");
    let only = list(j!({ "AttributesToGet": ["email"], "Limit": 1 })).await;
    assert_eq!(only["Users"][0]["Attributes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pool_of_another_account_is_not_there() {
    let scene = scene().await;
    let unknown =
        scene.call("AdminGetUser", j!({ "UserPoolId": "us-east-1_Unknown", "Username": "alice" })).await;
    refused(&unknown, "ResourceNotFoundException", "User pool us-east-1_Unknown does not exist.");
    let nobody = scene.call("AdminGetUser", j!({ "UserPoolId": scene.pool, "Username": "nobody" })).await;
    refused(&nobody, "UserNotFoundException", "User does not exist.");
}
