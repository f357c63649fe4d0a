//! What a role holds: inline and attached policies, boundary, tags; and the lists that are always empty.

use casemate_schema::Document;

use crate::scene::{ALLOW_ALL, Scene, credentials, input, role_arn};

const ANN: &str = r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#;
const LIST_USERS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}}"#;
const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/bound";

#[tokio::test]
async fn a_role_is_shown_as_it_was_made() {
    let scene = Scene::new().await;
    let document = r#"{ "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"} }"#;
    let mut asked = input(&[
        ("RoleName", "worker"),
        ("Path", "/service/"),
        ("Description", "works"),
        ("AssumeRolePolicyDocument", document),
    ]);
    asked.push("MaxSessionDuration", Document::Integer(7200));
    let made = scene.world.call(&scene.root, "iam", "CreateRole", asked).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let shown = scene.iam(&scene.root, "GetRole", &[("RoleName", "worker")]).await;
    assert_eq!(shown.element("Arn").unwrap(), role_arn("service/worker"));
    assert_eq!(shown.element("MaxSessionDuration").unwrap(), "7200");
    assert_eq!(shown.element("Description").unwrap(), "works");
    assert!(shown.element("RoleId").unwrap().starts_with("AROA"));
    // Byte by byte, percent-encoded.
    let encoded = shown.element("AssumeRolePolicyDocument").unwrap();
    assert!(encoded.starts_with("%7B%20%22Version%22%3A%20%222012-10-17%22%2C%0A%20"), "{encoded}");
    let listed = scene.iam(&scene.root, "ListRoles", &[("PathPrefix", "/service/")]).await;
    assert_eq!(listed.element("RoleName").unwrap(), "worker");
    assert!(
        scene.iam(&scene.root, "ListRoles", &[("PathPrefix", "/other/")]).await.element("RoleName").is_none()
    );
}

#[tokio::test]
async fn inline_policies_are_put_shown_listed_and_deleted() {
    let scene = Scene::new().await;
    let root = &scene.root;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, Some(LIST_USERS)).await;
    let session = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 200);
    for (noun, operations) in [
        ("RoleName", ["GetRolePolicy", "ListRolePolicies", "DeleteRolePolicy"]),
        ("UserName", ["GetUserPolicy", "ListUserPolicies", "DeleteUserPolicy"]),
    ] {
        let name = if noun == "RoleName" { "r" } else { "ann" };
        if noun == "UserName" {
            scene.put_user_policy("ann", "inline", LIST_USERS).await;
        }
        let [get, list, delete] = operations;
        let shown = scene.iam(root, get, &[(noun, name), ("PolicyName", "inline")]).await;
        assert!(shown.element("PolicyDocument").unwrap().contains("iam%3AListUsers"));
        assert_eq!(scene.iam(root, list, &[(noun, name)]).await.element("member").unwrap(), "inline");
        scene.iam(root, delete, &[(noun, name), ("PolicyName", "inline")]).await;
        assert!(scene.iam(root, list, &[(noun, name)]).await.element("member").is_none());
    }
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 403, "gone with the next request");
}

#[tokio::test]
async fn a_roles_boundary_limits_its_sessions_until_it_is_removed() {
    let scene = Scene::new().await;
    let root = &scene.root;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, Some(ALLOW_ALL)).await;
    scene.iam(root, "CreatePolicy", &[("PolicyName", "bound"), ("PolicyDocument", LIST_USERS)]).await;
    let session = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    assert_eq!(scene.tried(&session, "ListRoles", &[]).await.status, 200);
    let put = [("RoleName", "r"), ("PermissionsBoundary", BOUNDARY)];
    scene.iam(root, "PutRolePermissionsBoundary", &put).await;
    assert_eq!(scene.tried(&session, "ListRoles", &[]).await.status, 403);
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 200);
    let shown = scene.iam(root, "GetRole", &[("RoleName", "r")]).await;
    assert_eq!(shown.element("PermissionsBoundaryArn").unwrap(), BOUNDARY);
    assert_eq!(shown.element("PermissionsBoundaryType").unwrap(), "PermissionsBoundaryPolicy");
    scene.iam(root, "DeleteRolePermissionsBoundary", &[("RoleName", "r")]).await;
    assert_eq!(scene.tried(&session, "ListRoles", &[]).await.status, 200);
    assert!(
        scene
            .refused(root, "DeleteRolePermissionsBoundary", &[("RoleName", "r")])
            .await
            .starts_with("NoSuchEntity:")
    );
    let missing = [("RoleName", "r"), ("PermissionsBoundary", "arn:aws:iam::123456789012:policy/missing")];
    assert!(scene.refused(root, "PutRolePermissionsBoundary", &missing).await.starts_with("NoSuchEntity:"));
}

#[tokio::test]
async fn attached_policies_of_a_role_come_and_go() {
    let scene = Scene::new().await;
    let root = &scene.root;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, None).await;
    let session = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    let arn = "arn:aws:iam::aws:policy/IAMReadOnlyAccess";
    scene.iam(root, "AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", arn)]).await;
    scene.iam(root, "AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", arn)]).await;
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 200);
    let used =
        scene.iam(root, "ListEntitiesForPolicy", &[("PolicyArn", arn), ("EntityFilter", "Role")]).await;
    assert_eq!(used.element("RoleName").unwrap(), "r");
    let users =
        scene.iam(root, "ListEntitiesForPolicy", &[("PolicyArn", arn), ("EntityFilter", "User")]).await;
    assert!(users.element("RoleName").is_none());
    scene.iam(root, "DetachRolePolicy", &[("RoleName", "r"), ("PolicyArn", arn)]).await;
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 403);
    scene.iam(root, "DeleteRole", &[("RoleName", "r")]).await;
}

#[tokio::test]
async fn roles_users_and_policies_are_tagged_and_untagged() {
    let scene = Scene::new().await;
    let root = &scene.root;
    scene.user("ann", None).await;
    scene.role("r", ANN, None).await;
    scene.iam(root, "CreatePolicy", &[("PolicyName", "bound"), ("PolicyDocument", LIST_USERS)]).await;
    for (member, name, tag, untag, list) in [
        ("RoleName", "r", "TagRole", "UntagRole", "ListRoleTags"),
        ("UserName", "ann", "TagUser", "UntagUser", "ListUserTags"),
        ("PolicyArn", BOUNDARY, "TagPolicy", "UntagPolicy", "ListPolicyTags"),
    ] {
        let mut tagging = input(&[(member, name)]);
        let pair = |key: &str| input(&[("Key", key), ("Value", "v")]);
        tagging.push("Tags", Document::List(vec![pair("a"), pair("b")]));
        assert_eq!(scene.world.call(root, "iam", tag, tagging).await.status, 200, "{tag}");
        let mut untagging = input(&[(member, name)]);
        untagging.push("TagKeys", Document::List(vec!["A".into(), "absent".into()]));
        assert_eq!(scene.world.call(root, "iam", untag, untagging).await.status, 200, "{untag}");
        let listed = scene.iam(root, list, &[(member, name)]).await;
        assert_eq!(listed.element("Key").unwrap(), "b", "{list}");
        let mut reserved = input(&[(member, name)]);
        reserved.push("Tags", Document::List(vec![pair("aws:x")]));
        let refused = scene.world.call(root, "iam", tag, reserved).await;
        assert_eq!(refused.code().unwrap(), "InvalidInput", "{tag}");
    }
}

#[tokio::test]
async fn conditions_on_request_tags_are_heeded() {
    let scene = Scene::new().await;
    let only_cost = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:TagRole","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]},"StringEquals":{"aws:RequestTag/cost":"red"}}}}"#;
    let ann = scene.user("ann", Some(only_cost)).await;
    scene.role("r", ANN, None).await;
    let tagging = |pairs: &[(&str, &str)]| {
        let mut asked = input(&[("RoleName", "r")]);
        let tags = pairs.iter().map(|(key, value)| input(&[("Key", key), ("Value", value)])).collect();
        asked.push("Tags", Document::List(tags));
        asked
    };
    for (pairs, status) in [
        (&[("cost", "red")][..], 200),
        (&[("cost", "blue")][..], 403),
        (&[("cost", "red"), ("admin", "yes")][..], 403),
    ] {
        assert_eq!(
            scene.world.call(&ann, "iam", "TagRole", tagging(pairs)).await.status,
            status,
            "{pairs:?}"
        );
    }
}

#[tokio::test]
async fn groups_and_instance_profiles_are_empty_but_only_for_who_exists() {
    let scene = Scene::new().await;
    let root = &scene.root;
    scene.user("ann", None).await;
    scene.role("r", ANN, None).await;
    scene.iam(root, "ListGroupsForUser", &[("UserName", "ann")]).await;
    scene.iam(root, "ListInstanceProfilesForRole", &[("RoleName", "r")]).await;
    assert!(
        scene.refused(root, "ListGroupsForUser", &[("UserName", "x")]).await.starts_with("NoSuchEntity:")
    );
    assert!(
        scene
            .refused(root, "ListInstanceProfilesForRole", &[("RoleName", "x")])
            .await
            .starts_with("NoSuchEntity:")
    );
}

#[tokio::test]
async fn versions_are_listed_newest_first_without_documents() {
    let scene = Scene::new().await;
    let root = &scene.root;
    scene.iam(root, "CreatePolicy", &[("PolicyName", "bound"), ("PolicyDocument", LIST_USERS)]).await;
    let mut second = input(&[("PolicyArn", BOUNDARY), ("PolicyDocument", ALLOW_ALL)]);
    second.push("SetAsDefault", Document::Bool(true));
    assert_eq!(scene.world.call(root, "iam", "CreatePolicyVersion", second).await.status, 200);
    let listed = scene.iam(root, "ListPolicyVersions", &[("PolicyArn", BOUNDARY)]).await;
    assert_eq!(listed.element("VersionId").unwrap(), "v2");
    assert_eq!(listed.element("IsDefaultVersion").unwrap(), "true");
    assert!(listed.element("Document").is_none());
    let listed = scene.iam(root, "ListPolicies", &[("Scope", "AWS"), ("OnlyAttached", "true")]).await;
    assert!(listed.element("Arn").is_none());
}
