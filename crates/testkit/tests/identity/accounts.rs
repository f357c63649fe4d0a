//! What an account has besides identities: its alias, password policy and passwords, summaries and reports.

use base64::{Engine, engine::general_purpose::STANDARD};
use casemate_schema::Document;

use crate::{
    mfa::{device, enabled},
    scene::{ALLOW_ALL, Scene, input},
};

const PROFILE: [(&str, &str); 2] = [("UserName", "ann"), ("Password", "Correct-Horse-1")];

async fn change(scene: &Scene, who: &casemate_testkit::Credentials, old: &str, new: &str) -> String {
    let answer = scene.tried(who, "ChangePassword", &[("OldPassword", old), ("NewPassword", new)]).await;
    if answer.status == 200 { "changed".to_owned() } else { crate::scene::refusal(&answer) }
}

async fn policy(scene: &Scene, members: &[(&str, i64)]) {
    let mut asked = input(&[]);
    for (name, value) in members {
        asked.push(name, Document::Integer(*value));
    }
    let answer = scene.world.call(&scene.root, "iam", "UpdateAccountPasswordPolicy", asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_password_is_changed_only_by_who_knows_it_and_may() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let none = "NoSuchEntity: Login Profile for User ann cannot be found.";
    assert_eq!(change(&scene, &ann, "a", "b").await, none);
    let endless = "Endless-Horse-1".repeat(9);
    let too_long = [("UserName", "ann"), ("Password", endless.as_str())];
    let refused = scene.tried(&scene.root, "CreateLoginProfile", &too_long).await;
    assert_eq!(refused.code().as_deref(), Some("ValidationError"));
    assert!(!refused.text().contains("Horse"), "{}", refused.text());
    let made = scene.iam(&scene.root, "CreateLoginProfile", &PROFILE).await;
    assert!(!made.text().contains("Horse"));
    assert_eq!(
        scene.refused(&scene.root, "CreateLoginProfile", &PROFILE).await,
        "EntityAlreadyExists: Login Profile for user ann already exists."
    );
    assert_eq!(
        change(&scene, &ann, "Wrong-Horse-1", "Other-Horse-2").await,
        "AccessDenied: The old password was incorrect."
    );
    let violation = "PasswordPolicyViolation: Password does not conform to the account password policy.";
    assert_eq!(change(&scene, &ann, "Correct-Horse-1", "short").await, violation);
    assert_eq!(change(&scene, &ann, "Correct-Horse-1", "Other-Horse-2").await, "changed");
    // The old one is worth nothing any more.
    assert!(change(&scene, &ann, "Correct-Horse-1", "Third-Horse-3").await.starts_with("AccessDenied"));
    assert!(change(&scene, &scene.root, "a", "b").await.starts_with("InvalidUserType"));
    let bob = scene.user("bob", None).await;
    assert!(change(&scene, &bob, "a", "b").await.contains("not authorized to perform: iam:ChangePassword"));
}

#[tokio::test]
async fn the_accounts_policy_holds_for_new_passwords_and_remembers_old_ones() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    assert_eq!(
        scene.refused(&scene.root, "GetAccountPasswordPolicy", &[]).await,
        "NoSuchEntity: The Password Policy with domain name 123456789012 cannot be found."
    );
    policy(&scene, &[("MinimumPasswordLength", 14), ("PasswordReusePrevention", 2), ("MaxPasswordAge", 90)])
        .await;
    let shown = scene.iam(&scene.root, "GetAccountPasswordPolicy", &[]).await;
    assert_eq!(shown.element("ExpirePasswords").unwrap(), "true");
    assert_eq!(shown.element("RequireSymbols").unwrap(), "false");
    scene.iam(&scene.root, "CreateLoginProfile", &PROFILE).await;
    let violation = "PasswordPolicyViolation";
    assert!(change(&scene, &ann, "Correct-Horse-1", "Thirteen-char").await.starts_with(violation));
    assert!(change(&scene, &ann, "Correct-Horse-1", "Correct-Horse-1").await.starts_with(violation));
    assert_eq!(change(&scene, &ann, "Correct-Horse-1", "Correct-Horse-2").await, "changed");
    assert!(change(&scene, &ann, "Correct-Horse-2", "Correct-Horse-1").await.starts_with(violation));
    assert_eq!(change(&scene, &ann, "Correct-Horse-2", "Correct-Horse-3").await, "changed");
    assert_eq!(change(&scene, &ann, "Correct-Horse-3", "Correct-Horse-1").await, "changed");
    scene.iam(&scene.root, "DeleteAccountPasswordPolicy", &[]).await;
    assert!(scene.refused(&scene.root, "DeleteAccountPasswordPolicy", &[]).await.starts_with("NoSuchEntity"));
}

#[tokio::test]
async fn a_namesake_inherits_no_password_and_a_user_with_one_is_not_deleted() {
    let scene = Scene::new().await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "ann")]).await;
    scene.iam(&scene.root, "CreateLoginProfile", &PROFILE).await;
    assert_eq!(
        scene.refused(&scene.root, "DeleteUser", &[("UserName", "ann")]).await,
        "DeleteConflict: Cannot delete entity, must delete login profile first."
    );
    scene.iam(&scene.root, "UpdateUser", &[("UserName", "ann"), ("NewUserName", "anna")]).await;
    let kept = scene.iam(&scene.root, "GetLoginProfile", &[("UserName", "anna")]).await;
    assert_eq!(kept.element("UserName").unwrap(), "anna");
    scene.iam(&scene.root, "CreateUser", &[("UserName", "ann")]).await;
    assert!(
        scene
            .refused(&scene.root, "GetLoginProfile", &[("UserName", "ann")])
            .await
            .starts_with("NoSuchEntity")
    );
    let update = [("UserName", "anna"), ("Password", "Another-Horse-2")];
    scene.iam(&scene.root, "UpdateLoginProfile", &update).await;
    scene.iam(&scene.root, "DeleteLoginProfile", &[("UserName", "anna")]).await;
    scene.iam(&scene.root, "DeleteUser", &[("UserName", "anna")]).await;
}

#[tokio::test]
async fn an_account_has_one_alias() {
    let scene = Scene::new().await;
    let alias = |text: &'static str| [("AccountAlias", text)];
    scene.iam(&scene.root, "CreateAccountAlias", &alias("first")).await;
    scene.iam(&scene.root, "CreateAccountAlias", &alias("second")).await;
    let listed = scene.iam(&scene.root, "ListAccountAliases", &[]).await;
    assert!(listed.text().contains("<member>second</member>") && !listed.text().contains("first"));
    assert!(
        scene.refused(&scene.root, "DeleteAccountAlias", &alias("first")).await.starts_with("NoSuchEntity")
    );
    assert!(
        scene.refused(&scene.root, "CreateAccountAlias", &alias("a--b")).await.starts_with("ValidationError")
    );
    scene.iam(&scene.root, "DeleteAccountAlias", &alias("second")).await;
    assert!(!scene.iam(&scene.root, "ListAccountAliases", &[]).await.text().contains("second"));
}

#[tokio::test]
async fn the_summary_counts_and_the_details_show_everything_once() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    scene.iam(&scene.root, "CreateGroup", &[("GroupName", "devs")]).await;
    scene.iam(&scene.root, "AddUserToGroup", &[("GroupName", "devs"), ("UserName", "ann")]).await;
    scene.role("worker", r#"{"Service":"lambda.amazonaws.com"}"#, Some(ALLOW_ALL)).await;
    let basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    scene.iam(&scene.root, "AttachRolePolicy", &[("RoleName", "worker"), ("PolicyArn", basic)]).await;
    let own = [("PolicyName", "own"), ("PolicyDocument", ALLOW_ALL)];
    scene.iam(&scene.root, "CreatePolicy", &own).await;
    enabled(&scene, "ann", "phone").await;
    device(&scene, "spare").await;
    let summary = scene.iam(&ann, "GetAccountSummary", &[]).await.text();
    for (key, value) in [
        ("Users", 1),
        ("Groups", 1),
        ("Roles", 1),
        ("Policies", 1),
        ("GroupsPerUserQuota", 10),
        ("MFADevices", 2),
        ("MFADevicesInUse", 1),
        ("Providers", 0),
    ] {
        let entry = format!("<key>{key}</key><value>{value}</value>");
        assert!(summary.replace(['\n', ' '], "").contains(&entry), "{entry} in {summary}");
    }
    let (mut seen, mut marker) = (String::new(), None::<String>);
    loop {
        let mut asked = input(&[]);
        asked.push("MaxItems", Document::Integer(2));
        if let Some(marker) = &marker {
            asked.push("Marker", marker.as_str().into());
        }
        let page = scene.world.call(&ann, "iam", "GetAccountAuthorizationDetails", asked).await;
        assert_eq!(page.status, 200, "{}", page.text());
        seen.push_str(&page.text());
        marker = page.element("Marker");
        if marker.is_none() {
            break;
        }
    }
    for (tag, count) in [("UserId", 1), ("GroupId", 1), ("RoleId", 1), ("PolicyId", 2)] {
        assert_eq!(seen.matches(&format!("<{tag}>")).count(), count, "{tag}");
    }
    let mut only = input(&[]);
    only.push("Filter", Document::List(vec!["Group".into()]));
    let groups = scene.world.call(&ann, "iam", "GetAccountAuthorizationDetails", only).await.text();
    assert!(groups.contains("<GroupId>") && !groups.contains("<UserId>") && !groups.contains("<PolicyId>"));
}

#[tokio::test]
async fn the_credential_report_tells_keys_and_passwords_of_everybody() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    scene.iam(&scene.root, "CreateLoginProfile", &PROFILE).await;
    scene.iam(&scene.root, "CreateUser", &[("UserName", "bob")]).await;
    enabled(&scene, "bob", "phone").await;
    assert!(scene.refused(&ann, "GetCredentialReport", &[]).await.starts_with("ReportNotPresent"));
    let started = scene.iam(&ann, "GenerateCredentialReport", &[]).await;
    assert_eq!(started.element("State").unwrap(), "STARTED");
    let complete = scene.iam(&ann, "GenerateCredentialReport", &[]).await;
    assert_eq!(complete.element("State").unwrap(), "COMPLETE");
    let report = scene.iam(&ann, "GetCredentialReport", &[]).await;
    let text = String::from_utf8(STANDARD.decode(report.element("Content").unwrap()).unwrap()).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines.iter().all(|line| line.len() == 22), "{text}");
    let cell = |user: &str, column: &str| {
        let at = lines[0].iter().position(|name| *name == column).unwrap();
        lines.iter().find(|line| line[0] == user).unwrap()[at].to_owned()
    };
    assert_eq!(cell("<root_account>", "access_key_1_active"), "true");
    assert_eq!(cell("ann", "password_enabled"), "true");
    assert_eq!(cell("ann", "access_key_1_last_used_service"), "iam");
    assert_eq!(cell("ann", "access_key_2_active"), "false");
    assert_eq!(
        (cell("ann", "mfa_active"), cell("bob", "mfa_active")),
        ("false".to_owned(), "true".to_owned())
    );
    assert_eq!(cell("bob", "password_enabled"), "false");
    assert_eq!(cell("bob", "arn"), "arn:aws:iam::123456789012:user/bob");
    assert!(!text.contains("Horse"));
}
