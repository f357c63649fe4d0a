//! Users, keys and the administrator.

use casemate_schema::Document;

use crate::scene::{ALLOW_ALL, Scene, user_arn};

#[tokio::test]
async fn the_administrators_key_is_made_once_and_works() {
    let scene = Scene::new().await;
    assert!(casemate_iam::ensure_administrator(&scene.env).await.unwrap().is_none());
    let me = scene.whoami(&scene.root).await;
    assert_eq!(me.element("Arn").unwrap(), "arn:aws:iam::123456789012:root");
    assert_eq!(me.element("UserId").unwrap(), "123456789012");
    assert_eq!(me.element("Account").unwrap(), "123456789012");
}

#[tokio::test]
async fn a_user_without_policies_may_nothing_but_ask_who_it_is() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    assert_eq!(scene.whoami(&ann).await.element("Arn").unwrap(), user_arn("ann"));
    assert_eq!(
        scene.refused(&ann, "ListUsers", &[]).await,
        "AccessDenied: User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:ListUsers on resource: \
         arn:aws:iam::123456789012:user/ because no identity-based policy allows the iam:ListUsers action"
    );
    assert!(scene.refused(&ann, "GetUser", &[]).await.starts_with("AccessDenied:"));
    let anonymous = scene.world.call_unsigned("sts", "GetCallerIdentity", Document::empty()).await;
    assert_eq!(anonymous.status, 403);
}

#[tokio::test]
async fn get_caller_identity_is_allowed_even_under_an_explicit_deny() {
    let scene = Scene::new().await;
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    let ann = scene.user("ann", Some(deny)).await;
    assert_eq!(scene.whoami(&ann).await.status, 200);
}

#[tokio::test]
async fn policies_take_effect_on_the_next_request_both_ways() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 403);
    scene.put_user_policy("ann", "p", ALLOW_ALL).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    scene.iam(&scene.root, "DeleteUserPolicy", &[("UserName", "ann"), ("PolicyName", "p")]).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 403);

    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    scene.iam(&scene.root, "AttachUserPolicy", &[("UserName", "ann"), ("PolicyArn", admin)]).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    scene.iam(&scene.root, "DetachUserPolicy", &[("UserName", "ann"), ("PolicyArn", admin)]).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 403);
}

#[tokio::test]
async fn inactive_and_deleted_keys_are_refused_at_once() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    assert_eq!(scene.whoami(&ann).await.status, 200);
    let key = ann.access_key_id.as_str();
    let set = |status| [("UserName", "ann"), ("AccessKeyId", key), ("Status", status)];
    scene.iam(&scene.root, "UpdateAccessKey", &set("Inactive")).await;
    assert_eq!(scene.whoami(&ann).await.code().unwrap(), "InvalidClientTokenId");
    scene.iam(&scene.root, "UpdateAccessKey", &set("Active")).await;
    assert_eq!(scene.whoami(&ann).await.status, 200);
    scene.iam(&scene.root, "DeleteAccessKey", &[("UserName", "ann"), ("AccessKeyId", key)]).await;
    assert_eq!(scene.whoami(&ann).await.code().unwrap(), "InvalidClientTokenId");
}

#[tokio::test]
async fn keys_of_another_user_cannot_be_changed_through_ones_own_name() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let bob = scene.user("bob", None).await;
    let key = bob.access_key_id.as_str();
    let text = format!("NoSuchEntity: The Access Key with id {key} cannot be found.");
    assert_eq!(scene.refused(&ann, "DeleteAccessKey", &[("AccessKeyId", key)]).await, text);
    assert_eq!(
        scene
            .refused(
                &ann,
                "UpdateAccessKey",
                &[("UserName", "ann"), ("AccessKeyId", key), ("Status", "Inactive")]
            )
            .await,
        text
    );
    assert_eq!(scene.whoami(&bob).await.status, 200);
}

#[tokio::test]
async fn a_right_on_ones_own_user_does_not_reach_others() {
    let scene = Scene::new().await;
    let own = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*AccessKey*","Resource":"arn:aws:iam::*:user/${aws:username}"}}"#;
    let ann = scene.user("ann", Some(own)).await;
    scene.user("bob", None).await;
    let made = scene.iam(&ann, "CreateAccessKey", &[]).await;
    assert_eq!(made.element("UserName").unwrap(), "ann");
    assert!(
        scene.refused(&ann, "CreateAccessKey", &[("UserName", "bob")]).await.starts_with("AccessDenied:")
    );
    assert!(
        scene.refused(&ann, "CreateAccessKey", &[("UserName", "nobody")]).await.starts_with("AccessDenied:")
    );
}

#[tokio::test]
async fn a_path_is_part_of_the_arn_that_is_asked_for() {
    let scene = Scene::new().await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "carl"), ("Path", "/ops/")]).await;
    let only_ops = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/ops/*"}}"#;
    let ann = scene.user("ann", Some(only_ops)).await;
    let shown = scene.iam(&ann, "GetUser", &[("UserName", "carl")]).await;
    assert_eq!(shown.element("Arn").unwrap(), user_arn("ops/carl"));
    assert!(scene.refused(&ann, "GetUser", &[("UserName", "ann")]).await.starts_with("AccessDenied:"));
}

#[tokio::test]
async fn a_renamed_user_keeps_its_keys_policies_and_id() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let before = scene.iam(&ann, "GetUser", &[]).await;
    scene
        .iam(&scene.root, "UpdateUser", &[("UserName", "ann"), ("NewUserName", "anna"), ("NewPath", "/x/")])
        .await;
    let after = scene.iam(&ann, "GetUser", &[]).await;
    assert_eq!(after.element("UserId"), before.element("UserId"));
    assert_eq!(after.element("Arn").unwrap(), user_arn("x/anna"));
    assert_eq!(
        scene.refused(&scene.root, "GetUser", &[("UserName", "ann")]).await,
        "NoSuchEntity: The user with name ann cannot be found."
    );
}

#[tokio::test]
async fn a_recreated_user_inherits_nothing() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let id = scene.iam(&ann, "GetUser", &[]).await.element("UserId");
    let key = ann.access_key_id.clone();
    scene.iam(&scene.root, "DeleteAccessKey", &[("UserName", "ann"), ("AccessKeyId", &key)]).await;
    scene.iam(&scene.root, "DeleteUserPolicy", &[("UserName", "ann"), ("PolicyName", "inline")]).await;
    scene.iam(&scene.root, "DeleteUser", &[("UserName", "ann")]).await;
    let again = scene.user("ann", None).await;
    assert_ne!(scene.iam(&scene.root, "GetUser", &[("UserName", "ann")]).await.element("UserId"), id);
    assert_eq!(scene.tried(&again, "ListUsers", &[]).await.status, 403);
    assert_eq!(scene.whoami(&ann).await.status, 403);
}

#[tokio::test]
async fn the_last_use_of_a_key_is_shown() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let ask = [("AccessKeyId", ann.access_key_id.as_str())];
    let before = scene.iam(&scene.root, "GetAccessKeyLastUsed", &ask).await;
    assert_eq!(before.element("ServiceName").unwrap(), "N/A");
    scene.whoami(&ann).await;
    let after = scene.iam(&scene.root, "GetAccessKeyLastUsed", &ask).await;
    assert_eq!(
        (after.element("ServiceName").unwrap().as_str(), after.element("UserName").unwrap().as_str()),
        ("sts", "ann")
    );
}

#[tokio::test]
async fn the_directory_tells_who_an_arn_names_now() {
    let scene = Scene::new().await;
    scene.user("ann", None).await;
    let role = scene.role("r", r#"{"Service":"lambda.amazonaws.com"}"#, None).await;
    let sessions = scene.env.sessions().unwrap();
    let id = |arn: &str| sessions.unique_id(&casemate_names::Arn::parse(arn).unwrap()).unwrap();
    assert!(id(&user_arn("ann")).unwrap().starts_with("AIDA"));
    assert_eq!(id("arn:aws:iam::123456789012:role/r").unwrap(), role);
    for arn in [
        "arn:aws:iam::123456789012:user/bob",
        "arn:aws:iam::123456789012:role/x/r",
        "arn:aws:iam::999999999999:role/r",
        "arn:aws:sts::123456789012:assumed-role/r/s",
        "arn:aws:iam::123456789012:root",
    ] {
        assert_eq!(id(arn), None, "{arn}");
    }
}

#[tokio::test]
async fn moving_a_user_needs_the_right_on_both_ends() {
    let scene = Scene::new().await;
    let only_x = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:UpdateUser","Resource":"arn:aws:iam::*:user/x/*"}}"#;
    let ann = scene.user("ann", Some(only_x)).await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "bob"), ("Path", "/x/")]).await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "carl"), ("Path", "/admin/")]).await;
    for members in [
        vec![("UserName", "bob"), ("NewPath", "/admin/")],
        vec![("UserName", "carl"), ("NewPath", "/x/")],
        vec![("UserName", "carl"), ("NewUserName", "dora")],
    ] {
        assert_eq!(scene.tried(&ann, "UpdateUser", &members).await.status, 403, "{members:?}");
    }
    scene.iam(&ann, "UpdateUser", &[("UserName", "bob"), ("NewUserName", "bert")]).await;
    assert_eq!(
        scene.refused(&scene.root, "UpdateUser", &[("UserName", "bert"), ("NewUserName", "Carl")]).await,
        "EntityAlreadyExists: User with name Carl already exists."
    );
}

#[tokio::test]
async fn moving_a_user_in_another_spelling_escapes_no_deny() {
    let scene = Scene::new().await;
    let kept_out = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Deny","Action":"iam:UpdateUser","Resource":"arn:aws:iam::*:user/prod/bob"}]}"#;
    let ann = scene.user("ann", Some(kept_out)).await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "bob")]).await;
    for name in ["bob", "BOB"] {
        let moved = [("UserName", name), ("NewPath", "/prod/")];
        assert_eq!(scene.tried(&ann, "UpdateUser", &moved).await.status, 403, "{name}");
    }
    scene.iam(&ann, "UpdateUser", &[("UserName", "BOB"), ("NewPath", "/test/")]).await;
}
