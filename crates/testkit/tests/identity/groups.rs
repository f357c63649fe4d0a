//! Groups: who is in them, what they hold, and that it binds their members from the next request on.

use casemate_schema::Document;

use crate::scene::{ALLOW_ALL, Scene, input};

const DENY_LIST: &str = r#"{"Version":"2012-10-17","Statement":{"Sid":"No","Effect":"Deny","Action":"iam:ListUsers","Resource":"*"}}"#;

async fn member(scene: &Scene, operation: &str, group: &str, user: &str) {
    scene.iam(&scene.root, operation, &[("GroupName", group), ("UserName", user)]).await;
}

async fn put(scene: &Scene, group: &str, name: &str, policy: &str) {
    let members = [("GroupName", group), ("PolicyName", name), ("PolicyDocument", policy)];
    scene.iam(&scene.root, "PutGroupPolicy", &members).await;
}

#[tokio::test]
async fn what_a_group_grants_its_members_have_until_they_leave_it() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    put(&scene, "devs", "all", ALLOW_ALL).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 403);
    member(&scene, "AddUserToGroup", "Devs", "Ann").await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    member(&scene, "RemoveUserFromGroup", "devs", "ann").await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 403);

    member(&scene, "AddUserToGroup", "devs", "ann").await;
    let inline = [("GroupName", "devs"), ("PolicyName", "all")];
    scene.iam(&scene.root, "DeleteGroupPolicy", &inline).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 403);
    let attached = [("GroupName", "devs"), ("PolicyArn", "arn:aws:iam::aws:policy/IAMReadOnlyAccess")];
    scene.iam(&scene.root, "AttachGroupPolicy", &attached).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    scene.iam(&scene.root, "DetachGroupPolicy", &attached).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 403);
}

#[tokio::test]
async fn a_deny_of_a_group_beats_the_users_own_allow_and_the_record_names_the_groups_policy() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs"), ("Path", "/team/")]).await;
    put(&scene, "devs", "no-lists", DENY_LIST).await;
    member(&scene, "AddUserToGroup", "devs", "ann").await;
    assert!(
        scene.refused(&ann, "ListUsers", &[]).await.contains("explicit deny in an identity-based policy")
    );
    let record = format!("{:?}", scene.world.last_record());
    assert!(record.contains("group/devs/no-lists"), "{record}");
}

#[tokio::test]
async fn a_groups_grant_stays_within_the_members_boundary() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    put(&scene, "devs", "all", ALLOW_ALL).await;
    member(&scene, "AddUserToGroup", "devs", "ann").await;
    let boundary = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";
    let set = [("UserName", "ann"), ("PermissionsBoundary", boundary)];
    scene.iam(&scene.root, "PutUserPermissionsBoundary", &set).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    assert!(
        scene
            .refused(&ann, "CreateUser", &[("UserName", "bob")])
            .await
            .contains("no permissions boundary allows")
    );
}

#[tokio::test]
async fn renamed_users_and_groups_stay_together() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    put(&scene, "devs", "all", ALLOW_ALL).await;
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    scene.iam(&scene.root, "AttachGroupPolicy", &[("GroupName", "devs"), ("PolicyArn", admin)]).await;
    member(&scene, "AddUserToGroup", "devs", "ann").await;
    let moved = [("GroupName", "devs"), ("NewGroupName", "builders"), ("NewPath", "/x/")];
    scene.iam(&scene.root, "UpdateGroup", &moved).await;
    scene.iam(&scene.root, "UpdateUser", &[("UserName", "ann"), ("NewUserName", "anna")]).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    let groups = scene.iam(&scene.root, "ListGroupsForUser", &[("UserName", "anna")]).await;
    assert!(groups.text().contains("arn:aws:iam::123456789012:group/x/builders"), "{}", groups.text());
    let users = scene.iam(&scene.root, "GetGroup", &[("GroupName", "builders")]).await;
    assert_eq!(users.element("UserName").unwrap(), "anna");
    let uses = scene.iam(&scene.root, "ListEntitiesForPolicy", &[("PolicyArn", admin)]).await;
    assert_eq!(uses.element("GroupName").unwrap(), "builders");
    // The old names are free, and whoever takes them gets nothing with them.
    let other = scene.user("ann", None).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    assert_eq!(scene.tried(&other, "ListUsers", &[]).await.status, 403);
    assert_eq!(
        scene
            .refused(&scene.root, "UpdateGroup", &[("GroupName", "devs"), ("NewGroupName", "Builders")])
            .await,
        "EntityAlreadyExists: Group with name Builders already exists."
    );
}

#[tokio::test]
async fn neither_users_in_groups_nor_groups_with_users_or_policies_can_be_deleted() {
    let scene = Scene::new().await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "ann")]).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    put(&scene, "devs", "all", ALLOW_ALL).await;
    member(&scene, "AddUserToGroup", "devs", "ann").await;
    let conflict = "DeleteConflict: Cannot delete entity, must remove users from group first.";
    assert_eq!(scene.refused(&scene.root, "DeleteUser", &[("UserName", "ann")]).await, conflict);
    assert_eq!(scene.refused(&scene.root, "DeleteGroup", &[("GroupName", "devs")]).await, conflict);
    member(&scene, "RemoveUserFromGroup", "devs", "ann").await;
    assert_eq!(
        scene.refused(&scene.root, "DeleteGroup", &[("GroupName", "devs")]).await,
        "DeleteConflict: Cannot delete entity, must delete policies first."
    );
    scene.iam(&scene.root, "DeleteGroupPolicy", &[("GroupName", "devs"), ("PolicyName", "all")]).await;
    scene.iam(&scene.root, "DeleteGroup", &[("GroupName", "devs")]).await;
    scene.iam(&scene.root, "DeleteUser", &[("UserName", "ann")]).await;
    assert_eq!(
        scene.refused(&scene.root, "GetGroup", &[("GroupName", "devs")]).await,
        "NoSuchEntity: The group with name devs cannot be found."
    );
}

#[tokio::test]
async fn a_user_is_in_ten_groups_at_most() {
    let scene = Scene::new().await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "ann")]).await;
    for n in 0..=10 {
        scene.iam(&scene.root, "CreateGroup", &[("GroupName", &format!("g{n}"))]).await;
    }
    for n in 0..10 {
        member(&scene, "AddUserToGroup", &format!("g{n}"), "ann").await;
    }
    // Again is no error, even at the limit.
    member(&scene, "AddUserToGroup", "g3", "ann").await;
    assert_eq!(
        scene.refused(&scene.root, "AddUserToGroup", &[("GroupName", "g10"), ("UserName", "ann")]).await,
        "LimitExceeded: Cannot exceed quota for GroupsPerUser: 10"
    );
    // Pages of groups and users cover everything once.
    let mut seen = 0;
    let mut marker: Option<String> = None;
    loop {
        let mut asked = input(&[("UserName", "ann")]);
        asked.push("MaxItems", Document::Integer(3));
        if let Some(marker) = &marker {
            asked.push("Marker", marker.as_str().into());
        }
        let page = scene.world.call(&scene.root, "iam", "ListGroupsForUser", asked).await;
        seen += page.text().matches("<GroupId>").count();
        marker = page.element("Marker");
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, 10);
}

#[tokio::test]
async fn strangers_and_missing_groups_are_told_apart() {
    let scene = Scene::new().await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "ann")]).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    let pair = |group: &'static str, user: &'static str| [("GroupName", group), ("UserName", user)];
    assert_eq!(
        scene.refused(&scene.root, "AddUserToGroup", &pair("none", "ann")).await,
        "NoSuchEntity: The group with name none cannot be found."
    );
    assert_eq!(
        scene.refused(&scene.root, "AddUserToGroup", &pair("devs", "bob")).await,
        "NoSuchEntity: The user with name bob cannot be found."
    );
    assert_eq!(
        scene.refused(&scene.root, "CreateGroup", &[("GroupName", "DEVS")]).await,
        "EntityAlreadyExists: Group with name DEVS already exists."
    );
    let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:AddUserToGroup","Resource":"arn:aws:iam::123456789012:group/devs"}}"#;
    let adder = scene.user("adder", Some(only)).await;
    assert_eq!(scene.tried(&adder, "AddUserToGroup", &pair("devs", "ann")).await.status, 200);
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "admins")]).await;
    assert_eq!(scene.tried(&adder, "AddUserToGroup", &pair("admins", "adder")).await.status, 403);
}

#[tokio::test]
async fn a_groups_policies_are_shown_and_listed_by_the_page() {
    let scene = Scene::new().await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    for name in ["a", "b", "c"] {
        put(&scene, "devs", name, DENY_LIST).await;
    }
    let shown = scene.iam(&scene.root, "GetGroupPolicy", &[("GroupName", "devs"), ("PolicyName", "b")]).await;
    assert!(shown.element("PolicyDocument").unwrap().starts_with("%7B%22Version%22"), "{}", shown.text());
    assert_eq!(
        scene.refused(&scene.root, "GetGroupPolicy", &[("GroupName", "devs"), ("PolicyName", "x")]).await,
        "NoSuchEntity: The group policy with name x cannot be found."
    );
    let page = |marker: Option<String>| {
        let mut asked = input(&[("GroupName", "devs")]);
        asked.push("MaxItems", Document::Integer(2));
        if let Some(marker) = marker {
            asked.push("Marker", marker.as_str().into());
        }
        asked
    };
    let first = scene.world.call(&scene.root, "iam", "ListGroupPolicies", page(None)).await;
    assert!(first.text().contains("<member>a</member>") && !first.text().contains("<member>c</member>"));
    let last = scene.world.call(&scene.root, "iam", "ListGroupPolicies", page(first.element("Marker"))).await;
    assert!(
        last.text().contains("<member>c</member>") && last.element("Marker").is_none(),
        "{}",
        last.text()
    );
    for policy in ["service-role/AWSLambdaRole", "ReadOnlyAccess"] {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        scene.iam(&scene.root, "AttachGroupPolicy", &[("GroupName", "devs"), ("PolicyArn", &arn)]).await;
    }
    let below = [("GroupName", "devs"), ("PathPrefix", "/service-role/")];
    let attached = scene.iam(&scene.root, "ListAttachedGroupPolicies", &below).await;
    assert_eq!(attached.element("PolicyName").unwrap(), "AWSLambdaRole");
    assert!(!attached.text().contains("ReadOnlyAccess"));
}

#[tokio::test]
async fn moving_a_group_in_another_spelling_escapes_no_deny() {
    let scene = Scene::new().await;
    let kept_out = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"iam:UpdateGroup","Resource":"arn:aws:iam::*:group/prod/devs"}]}"#;
    let ann = scene.user("ann", Some(kept_out)).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    for name in ["devs", "DEVS"] {
        let moved = [("GroupName", name), ("NewPath", "/prod/")];
        assert_eq!(scene.tried(&ann, "UpdateGroup", &moved).await.status, 403, "{name}");
    }
    scene.iam(&ann, "UpdateGroup", &[("GroupName", "DEVS"), ("NewPath", "/test/")]).await;
}
