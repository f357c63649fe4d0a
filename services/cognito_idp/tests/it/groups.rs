//! Groups and what they put into tokens.

use crate::scene::{claims, doc, j, refused, scene};

#[tokio::test]
async fn groups_are_made_joined_seen_in_tokens_and_left() {
    let scene = scene().await;
    scene.user("alice").await;
    let role = "arn:aws:iam::123456789012:role/editor";
    for (name, precedence) in [("readers", 5), ("editors", 1)] {
        scene
            .ok("CreateGroup", j!({ "UserPoolId": scene.pool, "GroupName": name, "Precedence": precedence, "RoleArn": role }))
            .await;
        let member = j!({ "UserPoolId": scene.pool, "Username": "alice", "GroupName": name });
        scene.ok("AdminAddUserToGroup", member.clone()).await;
        scene.ok("AdminAddUserToGroup", member).await;
    }
    let tokens = scene.sign_in("alice").await;
    for token in [&tokens.id, &tokens.access] {
        assert_eq!(claims(token)["cognito:groups"], j!(["editors", "readers"]));
    }
    assert_eq!(claims(&tokens.id)["cognito:preferred_role"], role);
    assert_eq!(claims(&tokens.id)["cognito:roles"], j!([role]));
    let list =
        scene.ok("AdminListGroupsForUser", j!({ "UserPoolId": scene.pool, "Username": "alice" })).await;
    assert_eq!(list["Groups"].as_array().unwrap().len(), 2);
    let members =
        scene.ok("ListUsersInGroup", j!({ "UserPoolId": scene.pool, "GroupName": "editors" })).await;
    assert_eq!(members["Users"][0]["Username"], "alice");
    scene
        .ok(
            "AdminRemoveUserFromGroup",
            j!({ "UserPoolId": scene.pool, "Username": "alice", "GroupName": "editors" }),
        )
        .await;
    scene.ok("DeleteGroup", j!({ "UserPoolId": scene.pool, "GroupName": "readers" })).await;
    assert!(claims(&scene.sign_in("alice").await.id)["cognito:groups"].is_null());
}

#[tokio::test]
async fn a_groups_role_needs_the_right_to_pass_it() {
    let scene = scene().await;
    let allow = |actions: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":{actions},"Resource":"*"}}}}"#
        )
    };
    let identities = scene.world.identities();
    let without = identities.user("without", &[&allow(r#""cognito-idp:*""#)]);
    let with = identities.user("with", &[&allow(r#"["cognito-idp:*","iam:PassRole"]"#)]);
    let role = "arn:aws:iam::123456789012:role/editor";
    let input = j!({ "UserPoolId": scene.pool, "GroupName": "g", "RoleArn": role });
    for operation in ["CreateGroup", "UpdateGroup"] {
        let answer = scene.world.call(&without, "cognito-idp", operation, doc(&input)).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
        assert!(answer.message().contains("iam:PassRole"), "{}", answer.message());
        assert_eq!(scene.world.call(&with, "cognito-idp", operation, doc(&input)).await.status, 200);
    }
}

#[tokio::test]
async fn groups_are_described_changed_listed_and_refused_twice() {
    let scene = scene().await;
    let id = j!({ "UserPoolId": scene.pool, "GroupName": "g" });
    scene.ok("CreateGroup", id.clone()).await;
    let text = "A group with the name already exists.";
    refused(&scene.call("CreateGroup", id.clone()).await, "GroupExistsException", text);
    scene.ok("UpdateGroup", j!({ "UserPoolId": scene.pool, "GroupName": "g", "Description": "d" })).await;
    assert_eq!(scene.ok("GetGroup", id.clone()).await["Group"]["Description"], "d");
    assert_eq!(scene.ok("ListGroups", j!({ "UserPoolId": scene.pool })).await["Groups"][0]["GroupName"], "g");
    scene.ok("DeleteGroup", id.clone()).await;
    refused(&scene.call("GetGroup", id).await, "ResourceNotFoundException", "Group not found.");
    let join = scene
        .call("AdminAddUserToGroup", j!({ "UserPoolId": scene.pool, "Username": "x", "GroupName": "g" }))
        .await;
    refused(&join, "UserNotFoundException", "User does not exist.");
}

#[tokio::test]
async fn a_group_made_again_has_no_old_members() {
    let scene = scene().await;
    scene.user("alice").await;
    let id = j!({ "UserPoolId": scene.pool, "GroupName": "g" });
    scene.ok("CreateGroup", id.clone()).await;
    scene
        .ok("AdminAddUserToGroup", j!({ "UserPoolId": scene.pool, "Username": "alice", "GroupName": "g" }))
        .await;
    scene.ok("DeleteGroup", id.clone()).await;
    scene.ok("CreateGroup", id).await;
    assert!(claims(&scene.sign_in("alice").await.id)["cognito:groups"].is_null());
}
