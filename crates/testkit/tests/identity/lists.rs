//! Lists come in pages that cover everything once.

use casemate_schema::Document;

use crate::scene::{ALLOW_ALL, Scene, input};

/// Every page of a list: the texts of `element` on each.
async fn pages(scene: &Scene, operation: &str, members: &[(&str, &str)], element: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let mut asked = input(members);
        asked.push("MaxItems", Document::Integer(2));
        asked.push("Marker", marker.clone().into());
        let answer = scene.world.call(&scene.root, "iam", operation, asked).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let tag = format!("<{element}>");
        let found = text.split(&tag).skip(1);
        pages.push(found.filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect());
        marker = answer.element("Marker");
        assert_eq!(answer.element("IsTruncated").unwrap(), marker.is_some().to_string());
        if marker.is_none() {
            return pages;
        }
        assert!(pages.len() < 20, "the list does not end");
    }
}

#[tokio::test]
async fn users_roles_policies_and_keys_are_paged() {
    let scene = Scene::new().await;
    let root = &scene.root;
    for name in ["a", "b", "c", "d", "e"] {
        let path = if name < "d" { "/x/" } else { "/y/" };
        scene.iam(root, "CreateUser", &[("UserName", name), ("Path", path)]).await;
        scene.role(name, r#"{"Service":"lambda.amazonaws.com"}"#, None).await;
        scene.iam(root, "CreatePolicy", &[("PolicyName", name), ("PolicyDocument", ALLOW_ALL)]).await;
        scene.put_user_policy("a", name, ALLOW_ALL_SHORT).await;
        let arn = format!("arn:aws:iam::123456789012:policy/{name}");
        scene.iam(root, "AttachUserPolicy", &[("UserName", "a"), ("PolicyArn", &arn)]).await;
    }
    let expected = [vec!["a", "b"], vec!["c", "d"], vec!["e"]];
    assert_eq!(pages(&scene, "ListUsers", &[], "UserName").await, expected);
    assert_eq!(pages(&scene, "ListRoles", &[], "RoleName").await, expected);
    assert_eq!(pages(&scene, "ListPolicies", &[("Scope", "Local")], "PolicyName").await, expected);
    assert_eq!(pages(&scene, "ListAttachedUserPolicies", &[("UserName", "a")], "PolicyName").await, expected);
    assert_eq!(pages(&scene, "ListUserPolicies", &[("UserName", "a")], "member").await, expected);
    assert_eq!(pages(&scene, "ListUsers", &[("PathPrefix", "/y/")], "UserName").await, [vec!["d", "e"]]);
    assert_eq!(
        pages(&scene, "ListUsers", &[("PathPrefix", "/x/")], "UserName").await,
        [vec!["a", "b"], vec!["c"]]
    );
}

const ALLOW_ALL_SHORT: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

#[tokio::test]
async fn forged_markers_are_refused() {
    let scene = Scene::new().await;
    for marker in ["zz", "not hexadecimal", "ff"] {
        let refused = scene.refused(&scene.root, "ListUsers", &[("Marker", marker)]).await;
        assert!(refused.starts_with("ValidationError:"), "{refused}");
    }
}

#[tokio::test]
async fn secrets_are_never_listed() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let listed = scene.iam(&scene.root, "ListAccessKeys", &[("UserName", "ann")]).await;
    assert_eq!(listed.element("AccessKeyId").unwrap(), ann.access_key_id);
    assert!(!listed.text().contains(ann.secret.expose()));
    let own = scene.iam(&scene.root, "ListAccessKeys", &[]).await;
    assert_eq!(own.element("AccessKeyId").unwrap(), scene.root.access_key_id);
}
