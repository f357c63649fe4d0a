//! `GetFederationToken`: at most what the user may who vouches, and of that what session policies allow.

use casemate_schema::Document;
use casemate_testkit::Credentials;

use crate::scene::{ALLOW_ALL, Scene, credentials, input, refusal};

async fn federated(scene: &Scene, who: &Credentials, policy: Option<&str>) -> Credentials {
    let mut members = vec![("Name", "bob"), ("DurationSeconds", "900")];
    members.extend(policy.map(|policy| ("Policy", policy)));
    credentials(&scene.sts(who, "GetFederationToken", &members).await)
}

#[tokio::test]
async fn a_federated_user_has_its_own_name() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let answer = scene.sts(&ann, "GetFederationToken", &[("Name", "bob"), ("DurationSeconds", "900")]).await;
    assert_eq!(answer.element("FederatedUserId").unwrap(), "123456789012:bob");
    assert_eq!(answer.element("Arn").unwrap(), "arn:aws:sts::123456789012:federated-user/bob");
    let bob = credentials(&answer);
    let me = scene.whoami(&bob).await;
    assert_eq!(me.element("Arn").unwrap(), "arn:aws:sts::123456789012:federated-user/bob");
    assert_eq!(me.element("UserId").unwrap(), "123456789012:bob");
    scene.world.clock.advance_seconds(900);
    assert_eq!(scene.whoami(&bob).await.code().unwrap(), "ExpiredToken");
}

#[tokio::test]
async fn it_takes_a_right_to_vouch_and_another_for_tags() {
    let scene = Scene::new().await;
    let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"arn:aws:sts::123456789012:federated-user/bob"}}"#;
    let ann = scene.user("ann", Some(only)).await;
    let bare = scene.user("bare", None).await;
    federated(&scene, &ann, None).await;
    let other = refusal(&scene.sts(&ann, "GetFederationToken", &[("Name", "eve")]).await);
    assert!(
        other.contains("sts:GetFederationToken on resource: arn:aws:sts::123456789012:federated-user/eve")
    );
    assert!(
        refusal(&scene.sts(&bare, "GetFederationToken", &[("Name", "bob")]).await)
            .starts_with("AccessDenied: ")
    );
    let mut tagged = input(&[("Name", "bob")]);
    tagged.push("Tags", Document::List(vec![input(&[("Key", "team"), ("Value", "blue")])]));
    let refused = refusal(&scene.world.call(&ann, "sts", "GetFederationToken", tagged).await);
    assert!(refused.contains("sts:TagSession"), "{refused}");
}

#[tokio::test]
async fn it_calls_neither_iam_nor_further_tokens_whatever_it_is_allowed() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let bob = federated(&scene, &ann, Some(ALLOW_ALL)).await;
    let refused = scene.refused(&bob, "ListUsers", &[]).await;
    assert_eq!(refused, "InvalidClientTokenId: The security token included in the request is invalid");
    scene.role("r", r#"{"AWS":"123456789012"}"#, None).await;
    let refused = refusal(&scene.assume(&bob, "r", Document::empty()).await);
    assert_eq!(refused, "AccessDenied: Cannot call AssumeRole with session credentials");
}
