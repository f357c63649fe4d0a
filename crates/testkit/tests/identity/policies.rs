//! Managed policies, versions, boundaries and tags.

use crate::scene::{ALLOW_ALL, Scene};

const READ_USERS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}}"#;
const ARN: &str = "arn:aws:iam::123456789012:policy/p";

#[tokio::test]
async fn the_default_version_is_the_one_in_force() {
    let scene = Scene::new().await;
    let root = &scene.root;
    let ann = scene.user("ann", None).await;
    let made = scene.iam(root, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", READ_USERS)]).await;
    assert_eq!(made.element("Arn").unwrap(), ARN);
    assert!(made.element("PolicyId").unwrap().starts_with("ANPA"));
    scene.iam(root, "AttachUserPolicy", &[("UserName", "ann"), ("PolicyArn", ARN)]).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    assert_eq!(scene.tried(&ann, "ListRoles", &[]).await.status, 403);

    let version =
        scene.iam(root, "CreatePolicyVersion", &[("PolicyArn", ARN), ("PolicyDocument", ALLOW_ALL)]).await;
    assert_eq!(version.element("VersionId").unwrap(), "v2");
    assert_eq!(scene.tried(&ann, "ListRoles", &[]).await.status, 403, "not the default yet");
    scene.iam(root, "SetDefaultPolicyVersion", &[("PolicyArn", ARN), ("VersionId", "v2")]).await;
    assert_eq!(scene.tried(&ann, "ListRoles", &[]).await.status, 200);
    scene.iam(root, "SetDefaultPolicyVersion", &[("PolicyArn", ARN), ("VersionId", "v1")]).await;
    assert_eq!(scene.tried(&ann, "ListRoles", &[]).await.status, 403);
}

#[tokio::test]
async fn version_numbers_are_not_used_twice_and_end_at_five() {
    let scene = Scene::new().await;
    let root = &scene.root;
    scene.iam(root, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", READ_USERS)]).await;
    let add = [("PolicyArn", ARN), ("PolicyDocument", READ_USERS)];
    for _ in 0..4 {
        scene.iam(root, "CreatePolicyVersion", &add).await;
    }
    assert_eq!(
        scene.refused(root, "CreatePolicyVersion", &add).await,
        "LimitExceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an \
         existing version."
    );
    scene.iam(root, "DeletePolicyVersion", &[("PolicyArn", ARN), ("VersionId", "v5")]).await;
    assert_eq!(scene.iam(root, "CreatePolicyVersion", &add).await.element("VersionId").unwrap(), "v6");
    assert_eq!(
        scene.refused(root, "DeletePolicyVersion", &[("PolicyArn", ARN), ("VersionId", "v1")]).await,
        "DeleteConflict: Cannot delete the default version of a policy."
    );
    assert!(
        scene
            .refused(root, "DeletePolicyVersion", &[("PolicyArn", ARN), ("VersionId", "v5")])
            .await
            .starts_with("NoSuchEntity: Policy arn:aws:iam::123456789012:policy/p version v5 does not exist")
    );
    assert!(
        scene
            .refused(root, "DeletePolicy", &[("PolicyArn", ARN)])
            .await
            .starts_with("DeleteConflict: This policy has more")
    );
}

#[tokio::test]
async fn a_policy_in_use_cannot_be_deleted() {
    let scene = Scene::new().await;
    let root = &scene.root;
    scene.user("ann", None).await;
    scene.iam(root, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", READ_USERS)]).await;
    let conflict = "DeleteConflict: Cannot delete a policy attached to entities.";

    scene.iam(root, "AttachUserPolicy", &[("UserName", "ann"), ("PolicyArn", ARN)]).await;
    assert_eq!(scene.refused(root, "DeletePolicy", &[("PolicyArn", ARN)]).await, conflict);
    assert_eq!(
        scene.iam(root, "GetPolicy", &[("PolicyArn", ARN)]).await.element("AttachmentCount").unwrap(),
        "1"
    );
    let used = scene.iam(root, "ListEntitiesForPolicy", &[("PolicyArn", ARN)]).await;
    assert_eq!(used.element("UserName").unwrap(), "ann");
    scene.iam(root, "UpdateUser", &[("UserName", "ann"), ("NewUserName", "anna")]).await;
    let used = scene.iam(root, "ListEntitiesForPolicy", &[("PolicyArn", ARN)]).await;
    assert_eq!(used.element("UserName").unwrap(), "anna");
    scene.iam(root, "DetachUserPolicy", &[("UserName", "anna"), ("PolicyArn", ARN)]).await;

    scene
        .iam(root, "PutUserPermissionsBoundary", &[("UserName", "anna"), ("PermissionsBoundary", ARN)])
        .await;
    assert_eq!(scene.refused(root, "DeletePolicy", &[("PolicyArn", ARN)]).await, conflict);
    scene.iam(root, "DeleteUserPermissionsBoundary", &[("UserName", "anna")]).await;
    scene.iam(root, "DeletePolicy", &[("PolicyArn", ARN)]).await;
    assert_eq!(
        scene.refused(root, "GetPolicy", &[("PolicyArn", ARN)]).await,
        format!("NoSuchEntity: Policy {ARN} was not found.")
    );
}

#[tokio::test]
async fn a_boundary_limits_what_policies_grant() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    scene.iam(&scene.root, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", READ_USERS)]).await;
    scene
        .iam(&scene.root, "PutUserPermissionsBoundary", &[("UserName", "ann"), ("PermissionsBoundary", ARN)])
        .await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    assert!(
        scene
            .refused(&ann, "ListRoles", &[])
            .await
            .ends_with("because no permissions boundary allows the iam:ListRoles action")
    );
    // She cannot take it off herself either.
    assert_eq!(scene.tried(&ann, "DeleteUserPermissionsBoundary", &[("UserName", "ann")]).await.status, 403);
}

#[tokio::test]
async fn delegated_administrators_can_be_held_to_a_boundary() {
    let scene = Scene::new().await;
    scene.iam(&scene.root, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", READ_USERS)]).await;
    let delegate = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:CreateUser","iam:PutUserPolicy"],"Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::123456789012:policy/p"}}}}"#;
    let ann = scene.user("ann", Some(delegate)).await;
    assert_eq!(scene.tried(&ann, "CreateUser", &[("UserName", "free")]).await.status, 403);
    scene.iam(&ann, "CreateUser", &[("UserName", "bound"), ("PermissionsBoundary", ARN)]).await;
    let put = |user| [("UserName", user), ("PolicyName", "x"), ("PolicyDocument", ALLOW_ALL)];
    scene.iam(&ann, "PutUserPolicy", &put("bound")).await;
    assert_eq!(scene.tried(&ann, "PutUserPolicy", &put("ann")).await.status, 403, "herself has no boundary");
}

#[tokio::test]
async fn aws_managed_policies_can_be_attached_and_not_changed() {
    let scene = Scene::new().await;
    let root = &scene.root;
    let arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    scene.role("worker", r#"{"Service":"lambda.amazonaws.com"}"#, None).await;
    scene.iam(root, "AttachRolePolicy", &[("RoleName", "worker"), ("PolicyArn", arn)]).await;
    let listed = scene.iam(root, "ListAttachedRolePolicies", &[("RoleName", "worker")]).await;
    assert_eq!(listed.element("PolicyName").unwrap(), "AWSLambdaBasicExecutionRole");
    let shown = scene.iam(root, "GetPolicyVersion", &[("PolicyArn", arn), ("VersionId", "v1")]).await;
    assert!(shown.element("Document").unwrap().contains("logs%3APutLogEvents"));
    for (operation, members) in [
        ("DeletePolicy", vec![("PolicyArn", arn)]),
        ("CreatePolicyVersion", vec![("PolicyArn", arn), ("PolicyDocument", ALLOW_ALL)]),
        ("DeletePolicyVersion", vec![("PolicyArn", arn), ("VersionId", "v1")]),
    ] {
        assert!(scene.refused(root, operation, &members).await.starts_with("AccessDenied:"), "{operation}");
    }
    let unknown = "arn:aws:iam::aws:policy/NoSuchPolicy";
    assert_eq!(
        scene.refused(root, "AttachRolePolicy", &[("RoleName", "worker"), ("PolicyArn", unknown)]).await,
        format!("NoSuchEntity: Policy {unknown} does not exist or is not attachable.")
    );
}

#[tokio::test]
async fn the_policy_arn_condition_limits_what_may_be_attached() {
    let scene = Scene::new().await;
    let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/IAMReadOnlyAccess"}}}}"#;
    let ann = scene.user("ann", Some(only)).await;
    let attach = |arn| [("UserName", "ann"), ("PolicyArn", arn)];
    scene.iam(&ann, "AttachUserPolicy", &attach("arn:aws:iam::aws:policy/IAMReadOnlyAccess")).await;
    assert_eq!(
        scene
            .tried(&ann, "AttachUserPolicy", &attach("arn:aws:iam::aws:policy/AdministratorAccess"))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn tags_of_the_caller_and_of_the_resource_are_condition_keys() {
    let scene = Scene::new().await;
    let root = &scene.root;
    let same_team = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}}}"#;
    let ann = scene.user("ann", Some(same_team)).await;
    scene.user("bob", None).await;
    let get = [("UserName", "bob")];
    assert_eq!(scene.tried(&ann, "GetUser", &get).await.status, 403, "no tags at all");
    for (user, team) in [("ann", "red"), ("bob", "blue")] {
        tag(&scene, user, team).await;
    }
    assert_eq!(scene.tried(&ann, "GetUser", &get).await.status, 403, "another team");
    tag(&scene, "bob", "red").await;
    let shown = scene.iam(&ann, "GetUser", &get).await;
    assert_eq!(shown.element("Value").unwrap(), "red");
    let mut untag = crate::scene::input(&[("UserName", "bob")]);
    untag.push("TagKeys", casemate_schema::Document::List(vec!["Team".into()]));
    assert_eq!(scene.world.call(root, "iam", "UntagUser", untag).await.status, 200);
    assert_eq!(scene.tried(&ann, "GetUser", &get).await.status, 403, "the tag is gone");
}

async fn tag(scene: &Scene, user: &str, team: &str) {
    let mut asked = crate::scene::input(&[("UserName", user)]);
    let tag = crate::scene::input(&[("Key", "team"), ("Value", team)]);
    asked.push("Tags", casemate_schema::Document::List(vec![tag]));
    let answer = scene.world.call(&scene.root, "iam", "TagUser", asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
