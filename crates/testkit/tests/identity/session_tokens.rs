//! `GetSessionToken`: credentials that act as their user, and where they do not.

use crate::{
    mfa::enabled,
    scene::{ALLOW_ALL, Scene, credentials, refusal, user_arn},
};

const UNKNOWN: &str = "InvalidClientTokenId: The security token included in the request is invalid";

#[tokio::test]
async fn a_session_acts_as_its_user_until_it_ends() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let answer = scene.sts(&ann, "GetSessionToken", &[("DurationSeconds", "900")]).await;
    let session = credentials(&answer);
    let me = scene.whoami(&session).await;
    assert_eq!(me.element("Arn").unwrap(), user_arn("ann"));
    assert_eq!(me.element("UserId"), scene.whoami(&ann).await.element("UserId"));
    assert_eq!(answer.element("Expiration").unwrap(), "2026-11-24T00:15:00Z");
    let mut bare = session.clone();
    bare.session_token = None;
    assert_eq!(scene.whoami(&bare).await.status, 403);
    scene.world.clock.advance_seconds(900);
    assert_eq!(scene.whoami(&session).await.code().unwrap(), "ExpiredToken");
}

#[tokio::test]
async fn without_mfa_it_may_not_call_iam_and_with_it_its_users_rights_decide() {
    let scene = Scene::new().await;
    let present = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"600"}}}}"#;
    let ann = scene.user("ann", Some(present)).await;
    let phone = enabled(&scene, "ann", "phone").await;
    let plain = credentials(&scene.sts(&ann, "GetSessionToken", &[]).await);
    assert_eq!(scene.refused(&plain, "ListUsers", &[]).await, UNKNOWN);
    assert!(
        scene.refused(&ann, "ListUsers", &[]).await.starts_with("AccessDenied: "),
        "long-term keys prove nothing"
    );

    scene.world.clock.advance_seconds(60);
    let code = phone.code(scene.world.now());
    let proof = [("SerialNumber", phone.serial.as_str()), ("TokenCode", code.as_str())];
    // Who may not call it at all uses up nobody's code: it is good afterwards.
    assert_eq!(scene.sts(&plain, "GetSessionToken", &proof).await.status, 403);
    let proven = credentials(&scene.sts(&ann, "GetSessionToken", &proof).await);
    assert_eq!(scene.tried(&proven, "ListUsers", &[]).await.status, 200);
    assert!(scene.refused(&proven, "ListRoles", &[]).await.starts_with("AccessDenied: "));
    scene.world.clock.advance_seconds(600);
    assert!(
        scene.refused(&proven, "ListUsers", &[]).await.starts_with("AccessDenied: "),
        "the proof grows old"
    );
}

#[tokio::test]
async fn it_makes_no_further_tokens() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let session = credentials(&scene.sts(&ann, "GetSessionToken", &[]).await);
    for (operation, members) in [
        ("GetSessionToken", vec![]),
        ("GetFederationToken", vec![("Name", "fed")]),
        ("GetAccessKeyInfo", vec![("AccessKeyId", ann.access_key_id.as_str())]),
    ] {
        let refused = refusal(&scene.sts(&session, operation, &members).await);
        assert_eq!(refused, format!("AccessDenied: Cannot call {operation} with session credentials"));
    }
    scene.role("r", r#"{"AWS":"123456789012"}"#, Some(ALLOW_ALL)).await;
    let role = credentials(&scene.assume(&session, "r", casemate_schema::Document::empty()).await);
    for (operation, members) in [("GetSessionToken", vec![]), ("GetFederationToken", vec![("Name", "fed")])] {
        let refused = refusal(&scene.sts(&role, operation, &members).await);
        assert_eq!(refused, format!("AccessDenied: Cannot call {operation} with session credentials"));
    }
}

/// What a session says of its user, in `aws:PrincipalArn` and `aws:username`, must not be what he was called before.
#[tokio::test]
async fn it_ends_when_its_user_is_called_otherwise_whoever_was_asked_about_before() {
    let scene = Scene::new().await;
    scene.role("r", r#"{"AWS":"123456789012"}"#, None).await;
    let nothing = casemate_schema::Document::empty;
    for (name, change) in [("ann", ("NewPath", "/contractors/")), ("ben", ("NewUserName", "benedict"))] {
        let user = scene.user(name, Some(ALLOW_ALL)).await;
        let session = credentials(&scene.sts(&user, "GetSessionToken", &[]).await);
        assert_eq!(scene.assume(&session, "r", nothing()).await.status, 200);
        scene.iam(&scene.root, "UpdateUser", &[("UserName", name), change]).await;
        if name == "ben" {
            // A namesake has none of it, and the old session is not his.
            scene.user("ben", Some(ALLOW_ALL)).await;
        }
        let cold = scene.assume(&session, "r", nothing()).await;
        // The directory has been asked about the user as he is called now.
        assert_eq!(scene.assume(&user, "r", nothing()).await.status, 200);
        let warm = scene.assume(&session, "r", nothing()).await;
        for refused in [cold, warm] {
            assert!(refusal(&refused).starts_with(UNKNOWN), "{name}: {}", refusal(&refused));
        }
    }
}

#[tokio::test]
async fn it_follows_its_user_at_once() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    scene.role("r", r#"{"AWS":"123456789012"}"#, None).await;
    let session = credentials(&scene.sts(&ann, "GetSessionToken", &[]).await);
    let assume = async || scene.assume(&session, "r", casemate_schema::Document::empty()).await;
    assert_eq!(assume().await.status, 200);
    let older = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-11-24T00:00:01Z"}}}}"#;
    scene.put_user_policy("ann", "revoke", older).await;
    assert!(refusal(&assume().await).contains("with an explicit deny"), "sessions made before then are out");
    let members = [("UserName", "ann"), ("PolicyName", "revoke")];
    scene.iam(&scene.root, "DeleteUserPolicy", &members).await;
    assert_eq!(assume().await.status, 200);
    for (operation, members) in [
        ("DeleteUserPolicy", vec![("UserName", "ann"), ("PolicyName", "inline")]),
        ("DeleteAccessKey", vec![("UserName", "ann"), ("AccessKeyId", ann.access_key_id.as_str())]),
        ("DeleteUser", vec![("UserName", "ann")]),
    ] {
        scene.iam(&scene.root, operation, &members).await;
    }
    assert_eq!(assume().await.code().unwrap(), "InvalidClientTokenId");
    scene.user("ann", Some(ALLOW_ALL)).await;
    assert_eq!(assume().await.code().unwrap(), "InvalidClientTokenId", "a namesake is somebody else");
}

#[tokio::test]
async fn the_roots_session_lasts_an_hour_and_assumes_no_role() {
    let scene = Scene::new().await;
    let answer = scene.sts(&scene.root, "GetSessionToken", &[("DurationSeconds", "40000")]).await;
    assert_eq!(answer.element("Expiration").unwrap(), "2026-11-24T01:00:00Z");
    let session = credentials(&answer);
    scene.role("r", r#"{"AWS":"123456789012"}"#, None).await;
    let refused = refusal(&scene.assume(&session, "r", casemate_schema::Document::empty()).await);
    assert_eq!(refused, "AccessDenied: Roles may not be assumed by root accounts.");
    assert_eq!(scene.refused(&session, "ListUsers", &[]).await, UNKNOWN);
}

#[tokio::test]
async fn an_access_key_tells_its_account_to_those_who_may_ask() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let bob = scene.user("bob", None).await;
    let asked = [("AccessKeyId", bob.access_key_id.as_str())];
    let answer = scene.sts(&ann, "GetAccessKeyInfo", &asked).await;
    assert_eq!(answer.element("Account").unwrap(), crate::scene::ACCOUNT);
    assert!(refusal(&scene.sts(&bob, "GetAccessKeyInfo", &asked).await).starts_with("AccessDenied: "));
    let missing = scene.sts(&ann, "GetAccessKeyInfo", &[("AccessKeyId", "AKIAMISSINGMISSING")]).await;
    assert!(refusal(&missing).starts_with("ValidationError: "));
}
