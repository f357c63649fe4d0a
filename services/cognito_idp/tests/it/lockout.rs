//! The ladder, through every flow that proves a password.

use crate::scene::{PASSWORD, Scene, j, ok, refused, scene, scene_with};

const WRONG: &str = "Incorrect username or password.";
const LOCKED: &str = "Password attempts exceeded";

async fn fail(scene: &Scene, times: usize) {
    for _ in 0..times {
        refused(&scene.password("alice", "Wrong-Horse-1!").await, "NotAuthorizedException", WRONG);
    }
}

#[tokio::test]
async fn the_fifth_failure_locks_for_a_second_the_sixth_for_two_and_success_resets() {
    let scene = scene().await;
    scene.user("alice").await;
    fail(&scene, 5).await;
    refused(&scene.password("alice", PASSWORD).await, "NotAuthorizedException", LOCKED);
    scene.world.clock.advance_seconds(1);
    fail(&scene, 1).await;
    scene.world.clock.advance_seconds(1);
    refused(&scene.password("alice", PASSWORD).await, "NotAuthorizedException", LOCKED);
    scene.world.clock.advance_seconds(1);
    ok(&scene.password("alice", PASSWORD).await);
    fail(&scene, 4).await;
    ok(&scene.password("alice", PASSWORD).await);
}

#[tokio::test]
async fn all_flows_climb_the_same_ladder() {
    let scene = scene().await;
    scene.user("alice").await;
    let tokens = scene.sign_in("alice").await;
    fail(&scene, 3).await;
    let admin = |password: &str| {
        scene.call("AdminInitiateAuth", j!({ "UserPoolId": scene.pool, "ClientId": scene.client,
            "AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "AuthParameters": { "USERNAME": "alice", "PASSWORD": password } }))
    };
    refused(&admin("Wrong-Horse-1!").await, "NotAuthorizedException", WRONG);
    let change = |previous: &str| {
        scene.public(
            "ChangePassword",
            j!({ "AccessToken": tokens.access, "PreviousPassword": previous,
            "ProposedPassword": "Another-Horse-1!" }),
        )
    };
    refused(&change("Wrong-Horse-1!").await, "NotAuthorizedException", WRONG);
    refused(&change(PASSWORD).await, "NotAuthorizedException", LOCKED);
    refused(&admin(PASSWORD).await, "NotAuthorizedException", LOCKED);
    refused(&scene.password("alice", PASSWORD).await, "NotAuthorizedException", LOCKED);
    let srp = scene
        .public(
            "InitiateAuth",
            j!({ "ClientId": scene.client, "AuthFlow": "USER_SRP_AUTH",
            "AuthParameters": { "USERNAME": "alice", "SRP_A": "abc" } }),
        )
        .await;
    refused(&srp, "NotAuthorizedException", LOCKED);
}

#[tokio::test]
async fn a_name_nobody_has_is_locked_like_any_other() {
    let scene = scene_with(j!({}), j!({ "PreventUserExistenceErrors": "ENABLED" })).await;
    for _ in 0..5 {
        refused(&scene.password("nobody", PASSWORD).await, "NotAuthorizedException", WRONG);
    }
    refused(&scene.password("nobody", PASSWORD).await, "NotAuthorizedException", LOCKED);
}

#[tokio::test]
async fn of_many_guesses_in_flight_five_are_judged() {
    let scene = scene().await;
    scene.user("alice").await;
    let wrong = || scene.password("alice", "Wrong-Horse-1!");
    let answers: [_; 8] =
        tokio::join!(wrong(), wrong(), wrong(), wrong(), wrong(), wrong(), wrong(), wrong()).into();
    let judged = answers.iter().filter(|answer| answer.message() == WRONG).count();
    let locked = answers.iter().filter(|answer| answer.message() == LOCKED).count();
    assert_eq!((judged, locked), (5, 3));
}

#[tokio::test]
async fn unknown_user_in_a_showing_client_is_named_only_after_the_same_work() {
    let scene = scene().await;
    refused(&scene.password("nobody", PASSWORD).await, "UserNotFoundException", "User does not exist.");
}
