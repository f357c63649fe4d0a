//! Answers byte for byte: what SDKs parse.

use casemate_schema::Document;
use casemate_testkit::golden;

use crate::scene::{ALLOW_ALL, Scene, input, role_arn};

const ANN: &str = r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#;

#[tokio::test]
async fn a_user_with_tags_and_boundary() {
    let scene = Scene::new().await;
    let mut asked = input(&[
        ("UserName", "ann"),
        ("Path", "/x/"),
        ("PermissionsBoundary", "arn:aws:iam::aws:policy/PowerUserAccess"),
    ]);
    asked.push("Tags", Document::List(vec![input(&[("Key", "team"), ("Value", "red + blue")])]));
    golden!(
        "iam/create-user.http",
        scene.world.transcript(&scene.world.request(&scene.root, "iam", "CreateUser", &asked)).await
    );
}

#[tokio::test]
async fn a_role_with_its_trust_policy() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    scene.role("r", ANN, None).await;
    let request = scene.world.request(&scene.root, "iam", "GetRole", &input(&[("RoleName", "r")]));
    golden!("iam/get-role.http", scene.world.transcript(&request).await);
}

#[tokio::test]
async fn a_page_of_roles() {
    let scene = Scene::new().await;
    for name in ["a", "b"] {
        scene.role(name, r#"{"Service":"lambda.amazonaws.com"}"#, None).await;
    }
    let mut asked = Document::empty();
    asked.push("MaxItems", Document::Integer(1));
    let request = scene.world.request(&scene.root, "iam", "ListRoles", &asked);
    golden!("iam/list-roles.http", scene.world.transcript(&request).await);
}

#[tokio::test]
async fn refusals_of_each_kind() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    for (file, who, operation, members) in [
        ("denied", &ann, "CreateUser", vec![("UserName", "x")]),
        ("no-such-entity", &scene.root, "GetUser", vec![("UserName", "x")]),
        ("already-exists", &scene.root, "CreateUser", vec![("UserName", "ann")]),
        ("validation", &scene.root, "GetUser", vec![("UserName", "a b")]),
        (
            "malformed-policy",
            &scene.root,
            "PutUserPolicy",
            vec![("UserName", "ann"), ("PolicyName", "p"), ("PolicyDocument", "{}")],
        ),
    ] {
        let request = scene.world.request(who, "iam", operation, &input(&members));
        golden!(format!("iam/{file}.http"), scene.world.transcript(&request).await);
    }
}

#[tokio::test]
async fn an_assumed_role() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", ANN, None).await;
    let asked = input(&[("RoleArn", &role_arn("r")), ("RoleSessionName", "session"), ("Policy", ALLOW_ALL)]);
    let request = scene.world.request(&ann, "sts", "AssumeRole", &asked);
    golden!("sts/assume-role.http", scene.world.transcript(&request).await);
}
