//! Who may assume a role.

use casemate_schema::Document;

use crate::scene::{ALLOW_ALL, Scene, credentials, input, refusal, role_arn, trust};

const MAY_ASSUME: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}"#;

#[tokio::test]
async fn naming_the_user_suffices_and_naming_the_account_delegates() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let bob = scene.user("bob", Some(MAY_ASSUME)).await;
    scene.role("named", r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, None).await;
    scene.role("delegated", r#"{"AWS":"123456789012"}"#, None).await;
    scene.role("other", r#"{"Service":"lambda.amazonaws.com"}"#, None).await;
    assert_eq!(scene.assume(&ann, "named", Document::empty()).await.status, 200);
    assert_eq!(scene.assume(&bob, "named", Document::empty()).await.status, 403);
    assert_eq!(scene.assume(&bob, "delegated", Document::empty()).await.status, 200);
    assert_eq!(scene.assume(&ann, "delegated", Document::empty()).await.status, 403);
    let refused = refusal(&scene.assume(&bob, "other", Document::empty()).await);
    assert!(refused.ends_with("because no role trust policy allows the sts:AssumeRole action"), "{refused}");
    let missing = refusal(&scene.assume(&bob, "missing", Document::empty()).await);
    assert!(missing.starts_with("AccessDenied:"), "{missing}");
}

#[tokio::test]
async fn the_external_id_must_be_the_agreed_one() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let document = trust(
        r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#,
        r#","Condition":{"StringEquals":{"sts:ExternalId":"agreed"}}"#,
    );
    scene.role("r", r#"{"Service":"x.amazonaws.com"}"#, None).await;
    scene
        .iam(&scene.root, "UpdateAssumeRolePolicy", &[("RoleName", "r"), ("PolicyDocument", &document)])
        .await;
    assert_eq!(scene.assume(&ann, "r", Document::empty()).await.status, 403, "missing");
    assert_eq!(scene.assume(&ann, "r", input(&[("ExternalId", "other")])).await.status, 403, "wrong");
    assert_eq!(scene.assume(&ann, "r", input(&[("ExternalId", "agreed")])).await.status, 200);
}

#[tokio::test]
async fn a_recreated_user_does_not_inherit_the_trust_in_its_namesake() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, None).await;
    let id = scene.iam(&scene.root, "GetUser", &[("UserName", "ann")]).await.element("UserId").unwrap();
    assert_eq!(scene.assume(&ann, "r", Document::empty()).await.status, 200);
    let key = ann.access_key_id.as_str();
    scene.iam(&scene.root, "DeleteAccessKey", &[("UserName", "ann"), ("AccessKeyId", key)]).await;
    scene.iam(&scene.root, "DeleteUser", &[("UserName", "ann")]).await;
    let again = scene.user("ann", None).await;
    assert_eq!(scene.assume(&again, "r", Document::empty()).await.status, 403);
    // The trust policy now shows the id of the user that is gone.
    let shown = scene.iam(&scene.root, "GetRole", &[("RoleName", "r")]).await;
    assert!(shown.element("AssumeRolePolicyDocument").unwrap().contains(&id));
    // Writing the same text again means the new user.
    let document = trust(r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, "");
    scene
        .iam(&scene.root, "UpdateAssumeRolePolicy", &[("RoleName", "r"), ("PolicyDocument", &document)])
        .await;
    assert_eq!(scene.assume(&again, "r", Document::empty()).await.status, 200);
}

#[tokio::test]
async fn a_recreated_role_does_not_inherit_the_trust_in_its_namesake() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("first", r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, None).await;
    scene.role("by-role", r#"{"AWS":"arn:aws:iam::123456789012:role/first"}"#, None).await;
    scene.role("by-session", r#"{"AWS":"arn:aws:sts::123456789012:assumed-role/first/session"}"#, None).await;
    let session = credentials(&scene.assume(&ann, "first", Document::empty()).await);
    assert_eq!(scene.assume(&session, "by-role", Document::empty()).await.status, 200);
    assert_eq!(scene.assume(&session, "by-session", Document::empty()).await.status, 200);

    scene.iam(&scene.root, "DeleteRole", &[("RoleName", "first")]).await;
    assert_eq!(
        scene.assume(&session, "by-role", Document::empty()).await.status,
        403,
        "its sessions end with it"
    );
    scene.role("first", r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, None).await;
    let again = credentials(&scene.assume(&ann, "first", Document::empty()).await);
    assert_eq!(scene.assume(&session, "by-role", Document::empty()).await.status, 403, "still ended");
    assert_eq!(scene.assume(&again, "by-role", Document::empty()).await.status, 403);
    assert_eq!(scene.assume(&again, "by-session", Document::empty()).await.status, 403);
}

#[tokio::test]
async fn a_role_does_not_trust_itself_and_root_cannot_assume() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    scene.role("r", r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, Some(ALLOW_ALL)).await;
    let session = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    assert_eq!(scene.assume(&session, "r", Document::empty()).await.status, 403);
    scene.role("open", r#"{"AWS":"123456789012"}"#, None).await;
    assert_eq!(
        refusal(&scene.assume(&scene.root, "open", Document::empty()).await),
        "AccessDenied: Roles may not be assumed by root accounts."
    );
}

#[tokio::test]
async fn trust_in_someone_who_does_not_exist_is_refused_when_written() {
    let scene = Scene::new().await;
    for arn in [
        "arn:aws:iam::123456789012:user/ghost",
        "arn:aws:iam::123456789012:role/ghost",
        "arn:aws:sts::123456789012:assumed-role/ghost/s",
        "arn:aws:iam::999999999999:user/ghost",
    ] {
        let document = trust(&format!(r#"{{"AWS":"{arn}"}}"#), "");
        assert_eq!(
            scene
                .refused(
                    &scene.root,
                    "CreateRole",
                    &[("RoleName", "r"), ("AssumeRolePolicyDocument", &document)]
                )
                .await,
            format!("MalformedPolicyDocument: Invalid principal in policy: \"AWS\":\"{arn}\"")
        );
    }
    assert!(scene.refused(&scene.root, "GetRole", &[("RoleName", "r")]).await.starts_with("NoSuchEntity:"));
}

#[tokio::test]
async fn changing_a_path_or_case_of_the_arn_finds_no_role() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(MAY_ASSUME)).await;
    scene.role("r", r#"{"AWS":"123456789012"}"#, None).await;
    for arn in [role_arn("x/r"), role_arn("R"), "arn:aws:iam::999999999999:role/r".to_owned()] {
        let asked = input(&[("RoleArn", &arn), ("RoleSessionName", "session")]);
        assert_eq!(scene.world.call(&ann, "sts", "AssumeRole", asked).await.status, 403, "{arn}");
    }
    let garbled = input(&[("RoleArn", "arn:aws:iam::123456789012:user/ann"), ("RoleSessionName", "session")]);
    let answer = refusal(&scene.world.call(&ann, "sts", "AssumeRole", garbled).await);
    assert_eq!(answer, "ValidationError: arn:aws:iam::123456789012:user/ann is invalid");
}
