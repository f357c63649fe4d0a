//! Access reports over the wire: what was tried, by whom, and who may know.

use casemate_schema::Document;
use casemate_testkit::Response;

use crate::scene::{Scene, credentials, input, user_arn};

async fn job(scene: &Scene, arn: &str, granularity: &str) -> String {
    let members = [("Arn", arn), ("Granularity", granularity)];
    let made = scene.iam(&scene.root, "GenerateServiceLastAccessedDetails", &members).await;
    made.element("JobId").unwrap()
}

async fn details(scene: &Scene, job: &str) -> Response {
    scene.iam(&scene.root, "GetServiceLastAccessedDetails", &[("JobId", job)]).await
}

const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ListUsers","dynamodb:*"],"Resource":"*"}]}"#;

#[tokio::test]
async fn attempts_are_reported_by_service_by_action_and_by_entity() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW)).await;
    let before = details(&scene, &job(&scene, &user_arn("ann"), "SERVICE_LEVEL").await).await.text();
    assert!(before.contains("<ServiceNamespace>dynamodb</ServiceNamespace>"), "{before}");
    assert!(!before.contains("<LastAuthenticated>") && !before.contains("lambda"), "{before}");

    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    // Refused attempts count, too.
    assert_eq!(scene.tried(&ann, "ListRoles", &[]).await.status, 403);
    let job_id = job(&scene, &user_arn("ann"), "ACTION_LEVEL").await;
    let after = details(&scene, &job_id).await.text();
    for shown in [
        "<JobStatus>COMPLETED</JobStatus>",
        "<ActionName>ListUsers</ActionName>",
        "<ActionName>ListRoles</ActionName>",
    ] {
        assert!(after.contains(shown), "{after}");
    }
    assert_eq!(after.matches("<LastAuthenticated>").count(), 1, "only iam was used: {after}");
    assert!(
        after.contains(
            "<LastAuthenticatedEntity>arn:aws:iam::123456789012:user/ann</LastAuthenticatedEntity>"
        )
    );

    let members = [("JobId", job_id.as_str()), ("ServiceNamespace", "iam")];
    let entities = scene.iam(&scene.root, "GetServiceLastAccessedDetailsWithEntities", &members).await.text();
    assert!(entities.contains("<Name>ann</Name>") && entities.contains("<LastAuthenticated>"), "{entities}");
    assert_eq!(
        job(&scene, &user_arn("ann"), "ACTION_LEVEL").await,
        job_id,
        "within four hours it is the same job"
    );
    scene.world.clock.advance_seconds(4 * 3600);
    assert_ne!(job(&scene, &user_arn("ann"), "ACTION_LEVEL").await, job_id);
    let gone = scene.tried(&scene.root, "GetServiceLastAccessedDetails", &[("JobId", &job_id)]).await;
    assert_eq!(gone.code().as_deref(), Some("NoSuchEntity"));
}

#[tokio::test]
async fn a_group_and_a_policy_are_reported_by_their_users_and_a_user_made_again_starts_anew() {
    let scene = Scene::new().await;
    let made =
        scene.iam(&scene.root, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", ALLOW)]).await;
    let policy = made.element("Arn").unwrap();
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    scene.iam(&scene.root, "AttachGroupPolicy", &[("GroupName", "devs"), ("PolicyArn", &policy)]).await;
    let ann = scene.user("ann", None).await;
    scene.iam(&scene.root, "AddUserToGroup", &[("GroupName", "devs"), ("UserName", "ann")]).await;
    assert_eq!(scene.tried(&ann, "ListUsers", &[]).await.status, 200);
    for arn in ["arn:aws:iam::123456789012:group/devs", &policy] {
        let shown = details(&scene, &job(&scene, arn, "SERVICE_LEVEL").await).await.text();
        assert_eq!(shown.matches("<LastAuthenticated>").count(), 1, "{arn}: {shown}");
    }
    scene.iam(&scene.root, "RemoveUserFromGroup", &[("GroupName", "devs"), ("UserName", "ann")]).await;
    scene
        .iam(&scene.root, "DeleteAccessKey", &[("UserName", "ann"), ("AccessKeyId", &ann.access_key_id)])
        .await;
    scene.iam(&scene.root, "DeleteUser", &[("UserName", "ann")]).await;
    scene.user("ann", Some(ALLOW)).await;
    let anew = details(&scene, &job(&scene, &user_arn("ann"), "SERVICE_LEVEL").await).await.text();
    assert!(!anew.contains("<LastAuthenticated>"), "{anew}");
}

#[tokio::test]
async fn a_report_takes_rights_and_names_what_exists() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW)).await;
    let arn = user_arn("ann");
    let refused = scene.tried(&ann, "GenerateServiceLastAccessedDetails", &[("Arn", &arn)]).await;
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"));
    let job_id = job(&scene, &arn, "SERVICE_LEVEL").await;
    for operation in ["GetServiceLastAccessedDetails", "GetServiceLastAccessedDetailsWithEntities"] {
        let members = [("JobId", job_id.as_str()), ("ServiceNamespace", "iam")];
        let members = if operation.ends_with("Entities") { &members[..] } else { &members[..1] };
        let refused = scene.world.call(&ann, "iam", operation, input(members)).await;
        assert_eq!(refused.code().as_deref(), Some("AccessDenied"), "{operation}");
    }
    for nobody in [user_arn("bob"), "arn:aws:iam::123456789012:policy/nothing".to_owned()] {
        let missing =
            scene.tried(&scene.root, "GenerateServiceLastAccessedDetails", &[("Arn", &nobody)]).await;
        assert_eq!(missing.code().as_deref(), Some("NoSuchEntity"), "{nobody}");
    }
}

#[tokio::test]
async fn when_a_role_was_last_used_is_shown_and_a_role_made_again_was_never() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", None).await;
    let role = || scene.role("r", r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, None);
    role().await;
    let named = [("RoleName", "r")];
    let shown = || scene.iam(&scene.root, "GetRole", &named);
    let of_all = || async {
        scene.iam(&scene.root, "GetAccountAuthorizationDetails", &[]).await.element("LastUsedDate")
    };
    let session = credentials(&scene.assume(&ann, "r", Document::empty()).await);
    assert!(shown().await.element("LastUsedDate").is_none(), "to be assumed is not to be used");
    assert_eq!(of_all().await, None);

    scene.world.clock.advance_seconds(60);
    // A refused attempt is a use, too.
    assert_eq!(scene.tried(&session, "ListUsers", &[]).await.status, 403);
    scene.world.clock.advance_seconds(60);
    let used = shown().await;
    assert_eq!(used.element("LastUsedDate").as_deref(), Some("2026-11-24T00:01:00Z"), "{}", used.text());
    assert_eq!(used.element("Region").as_deref(), Some("us-east-1"));
    assert_eq!(of_all().await.as_deref(), Some("2026-11-24T00:01:00Z"));
    assert_eq!(scene.tried(&session, "ListRoles", &[]).await.status, 403);
    assert_eq!(shown().await.element("LastUsedDate").as_deref(), Some("2026-11-24T00:02:00Z"));
    let listed = scene.iam(&scene.root, "ListRoles", &[]).await;
    assert!(listed.element("LastUsedDate").is_none(), "AWS leaves it out of lists");

    scene.iam(&scene.root, "DeleteRole", &named).await;
    role().await;
    assert!(shown().await.element("LastUsedDate").is_none());
    assert_eq!(of_all().await, None);
    let refused = scene.tried(&ann, "GetRole", &named).await;
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"), "who may not ask learns nothing of it");
}
