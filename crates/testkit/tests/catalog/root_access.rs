//! Central root access over the wire: who may become a member's root, for which task, and what the session is good for.

use casemate_kernel::{Peer, SessionRequest};
use casemate_names::{AccountId, Arn};
use casemate_schema::Document;
use casemate_testkit::{Credentials, Response};
use serde_json::json;

use crate::{
    api::{done, iam, input, new_user, policy, put_policy},
    organizations::{ROLE, Scene},
    worlds::with_own_identities,
};

const AUDIT: &str = "IAMAuditRootUserCredentials";
const CREATE: &str = "IAMCreateRootUserPassword";
const DELETE: &str = "IAMDeleteRootUserCredentials";
const S3: &str = "S3UnlockBucketPolicy";
const SQS: &str = "SQSUnlockQueuePolicy";
const TASKS: [&str; 5] = [AUDIT, CREATE, DELETE, S3, SQS];
const IAM: &str = "iam.amazonaws.com";

fn task(name: &str) -> String {
    format!("arn:aws:iam::aws:policy/root-task/{name}")
}

/// An organisation that has given this service access, and its only member.
async fn organization() -> (Scene, AccountId) {
    let scene = Scene::new().await;
    let account = scene.account("workload").await;
    scene.done("EnableAWSServiceAccess", json!({"ServicePrincipal": IAM})).await;
    (scene, account)
}

/// The same with both features on.
async fn central() -> (Scene, AccountId) {
    let (scene, account) = organization().await;
    for feature in ["RootCredentialsManagement", "RootSessions"] {
        switched(&scene, "Enable", feature).await;
    }
    (scene, account)
}

async fn switched(scene: &Scene, verb: &str, feature: &str) -> Response {
    done(&scene.world, &scene.boss, &format!("{verb}Organizations{feature}"), &[]).await
}

async fn asked(scene: &Scene, who: &Credentials, target: &str, arn: &str, more: Document) -> Response {
    let mut members = input(&[("TargetPrincipal", target)]);
    members.push("TaskPolicyArn", input(&[("arn", arn)]));
    for (name, value) in more.into_entries() {
        members.push(&name, value);
    }
    scene.world.call(who, "sts", "AssumeRoot", members).await
}

fn credentials(answer: &Response) -> Credentials {
    assert!(answer.status.is_success(), "{}", answer.text());
    let part = |name: &str| answer.element(name).unwrap();
    Credentials::new(part("AccessKeyId"), part("SecretAccessKey")).with_token(part("SessionToken"))
}

async fn assumed(scene: &Scene, account: &AccountId, name: &str) -> Credentials {
    credentials(&asked(scene, &scene.boss, account.as_str(), &task(name), Document::empty()).await)
}

/// Whom does the call get refused with what?
async fn refused(scene: &Scene, who: &Credentials, target: &str, name: &str) -> String {
    asked(scene, who, target, &task(name), Document::empty()).await.code().unwrap_or_default()
}

async fn who(scene: &Scene, session: &Credentials) -> Response {
    scene.world.call(session, "sts", "GetCallerIdentity", Document::empty()).await
}

async fn code(scene: &Scene, who: &Credentials, operation: &str, members: &[(&str, &str)]) -> String {
    iam(&scene.world, who, operation, members).await.code().unwrap_or_default()
}

#[tokio::test]
async fn features_are_switched_by_who_manages_an_organisation_that_gave_access() {
    let operations = [
        "EnableOrganizationsRootCredentialsManagement",
        "EnableOrganizationsRootSessions",
        "DisableOrganizationsRootCredentialsManagement",
        "DisableOrganizationsRootSessions",
        "ListOrganizationsFeatures",
    ];
    let (alone, root) = with_own_identities().await;
    for operation in operations {
        let answer = iam(&alone, &root, operation, &[]).await;
        assert_eq!(answer.code().as_deref(), Some("OrganizationNotFoundException"), "{operation}");
        assert_eq!(answer.status, 400, "{operation}");
    }
    let scene = Scene::new().await;
    let inside = scene.enter(&scene.account("workload").await).await;
    for operation in operations {
        let expected = if operation.starts_with("Enable") {
            "CallerIsNotManagementAccountException"
        } else {
            "AccountNotManagementOrDelegatedAdministratorException"
        };
        assert_eq!(code(&scene, &inside, operation, &[]).await, expected, "{operation}");
        assert_eq!(
            code(&scene, &scene.boss, operation, &[]).await,
            "ServiceAccessNotEnabledException",
            "{operation}"
        );
    }
    scene.done("EnableAWSServiceAccess", json!({"ServicePrincipal": IAM})).await;
    let nobody = new_user(&scene.world, &scene.root, "nobody").await;
    for operation in operations {
        assert_eq!(code(&scene, &nobody, operation, &[]).await, "AccessDenied", "{operation}");
    }
    let listed = |answer: &Response| {
        assert!(answer.element("OrganizationId").unwrap().starts_with("o-"));
        let has = |name: &str| answer.text().contains(&format!("<member>{name}</member>"));
        (has("RootCredentialsManagement"), has("RootSessions"))
    };
    let list = async || listed(&done(&scene.world, &scene.boss, "ListOrganizationsFeatures", &[]).await);
    assert_eq!(list().await, (false, false));
    for _ in 0..2 {
        assert_eq!(listed(&switched(&scene, "Enable", "RootSessions").await), (false, true));
    }
    assert_eq!(listed(&switched(&scene, "Enable", "RootCredentialsManagement").await), (true, true));
    assert_eq!(list().await, (true, true));
    for _ in 0..2 {
        assert_eq!(listed(&switched(&scene, "Disable", "RootSessions").await), (true, false));
    }
    assert_eq!(list().await, (true, false));
}

#[tokio::test]
async fn an_organisation_for_billing_only_has_no_root_access() {
    let (world, root) = with_own_identities().await;
    let boss = new_user(&world, &root, "boss").await;
    put_policy(&world, &root, "boss", "all", &policy("Allow", "*")).await;
    let scene = Scene { world, root, boss };
    scene.done("CreateOrganization", json!({"FeatureSet": "CONSOLIDATED_BILLING"})).await;
    let expected = "OrganizationNotInAllFeaturesModeException";
    assert_eq!(code(&scene, &scene.boss, "EnableOrganizationsRootSessions", &[]).await, expected);
    assert_eq!(code(&scene, &scene.boss, "ListOrganizationsFeatures", &[]).await, expected);
}

#[tokio::test]
async fn an_auditor_of_the_root_sees_its_credentials_and_does_nothing_else() {
    let (scene, account) = central().await;
    let member_root = scene.root_of(&account).await;
    let inside = scene.enter(&account).await;
    done(&scene.world, &inside, "CreateUser", &[("UserName", "insider")]).await;
    let session = assumed(&scene, &account, AUDIT).await;
    let told = who(&scene, &session).await;
    assert_eq!(told.element("Arn").unwrap(), format!("arn:aws:iam::{account}:root"));
    assert_eq!(told.element("UserId").unwrap(), account.as_str());
    let keys = done(&scene.world, &session, "ListAccessKeys", &[]).await;
    assert_eq!(keys.element("AccessKeyId").unwrap(), member_root.access_key_id);
    let used = [("AccessKeyId", member_root.access_key_id.as_str())];
    for (operation, members) in [
        ("GetUser", &[][..]),
        ("ListMFADevices", &[]),
        ("ListSigningCertificates", &[]),
        ("GetAccountSummary", &[]),
        ("GetAccessKeyLastUsed", &used),
    ] {
        done(&scene.world, &session, operation, members).await;
    }
    assert_eq!(code(&scene, &session, "GetLoginProfile", &[]).await, "NoSuchEntity");
    let insider = [("UserName", "insider")];
    for (operation, members) in [
        // What the policy allows is about the root, not about anybody else …
        ("GetUser", &insider[..]),
        ("ListAccessKeys", &insider),
        ("GetLoginProfile", &insider),
        ("ListMFADevices", &insider),
        ("ListSigningCertificates", &insider),
        // … and of everything else it allows nothing.
        ("DeleteAccessKey", &used),
        ("CreateAccessKey", &[]),
        ("CreateLoginProfile", &[]),
        ("DeleteLoginProfile", &[]),
        ("ListUsers", &[]),
        ("DeleteUser", &insider),
        ("CreateUser", &[("UserName", "other")]),
        ("GetAccountAuthorizationDetails", &[]),
        ("EnableOrganizationsRootSessions", &[]),
        ("ListOrganizationsFeatures", &[]),
    ] {
        assert_eq!(
            code(&scene, &session, operation, members).await,
            "AccessDenied",
            "{operation} {members:?}"
        );
    }
    scene.lists_tables(&session).await.unwrap_err();
    let answer = scene.call(&session, "DescribeOrganization", json!({})).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
}

#[tokio::test]
async fn a_session_makes_no_other_credentials() {
    let (scene, account) = central().await;
    let other = scene.account("other").await;
    for name in TASKS {
        let session = assumed(&scene, &account, name).await;
        assert_eq!(refused(&scene, &session, account.as_str(), AUDIT).await, "AccessDenied");
        assert_eq!(refused(&scene, &session, other.as_str(), AUDIT).await, "AccessDenied");
        let role = format!("arn:aws:iam::{account}:role/{ROLE}");
        let answer = scene.assume(&session, &role).await.unwrap_err();
        assert_eq!(answer.code().as_deref(), Some("AccessDenied"), "{name}");
        for (operation, members) in [("GetSessionToken", &[][..]), ("GetFederationToken", &[("Name", "x")])] {
            let answer = scene.world.call(&session, "sts", operation, input(members)).await;
            assert_eq!(answer.code().as_deref(), Some("AccessDenied"), "{name} {operation}");
        }
        for operation in ["CreateAccessKey", "CreateRole", "CreateUser", "PutUserPolicy"] {
            let members =
                [("UserName", "x"), ("RoleName", "x"), ("PolicyName", "x"), ("PolicyDocument", "{}")];
            let members = match operation {
                "CreateAccessKey" => &members[..0],
                _ => &members[..],
            };
            assert_eq!(
                code(&scene, &session, operation, members).await,
                "AccessDenied",
                "{name} {operation}"
            );
        }
    }
}

#[tokio::test]
async fn the_roots_credentials_are_taken_away_and_nobody_elses() {
    let (scene, account) = central().await;
    let member_root = scene.root_of(&account).await;
    let inside = scene.enter(&account).await;
    let insider = new_user(&scene.world, &inside, "insider").await;
    let session = assumed(&scene, &account, DELETE).await;
    let others = [("UserName", "insider"), ("AccessKeyId", insider.access_key_id.as_str())];
    assert_eq!(code(&scene, &session, "DeleteAccessKey", &others).await, "AccessDenied");
    // Without the name it is about the root, which has no such key.
    assert_eq!(code(&scene, &session, "DeleteAccessKey", &others[1..]).await, "NoSuchEntity");
    assert!(who(&scene, &insider).await.status.is_success());
    done(&scene.world, &session, "DeleteAccessKey", &[("AccessKeyId", &member_root.access_key_id)]).await;
    assert_eq!(who(&scene, &member_root).await.code().as_deref(), Some("InvalidClientTokenId"));
    let serial = format!("arn:aws:iam::{account}:mfa/phone");
    for (operation, members) in [
        ("DeleteLoginProfile", &[][..]),
        ("DeactivateMFADevice", &[("SerialNumber", serial.as_str())]),
        ("DeleteSigningCertificate", &[("CertificateId", "ABCDEFGHIJKLMNOPQRSTUVWX")]),
    ] {
        assert_eq!(code(&scene, &session, operation, members).await, "NoSuchEntity", "{operation}");
    }
    // A root has no device here; somebody else's is not deleted.
    let device = [("SerialNumber", serial.as_str())];
    assert_eq!(code(&scene, &session, "DeleteVirtualMFADevice", &device).await, "AccessDenied");
    let password = assumed(&scene, &account, CREATE).await;
    assert_eq!(code(&scene, &password, "CreateLoginProfile", &[]).await, "NoSuchEntity");
    assert_eq!(code(&scene, &password, "ListAccessKeys", &[]).await, "AccessDenied");
}

#[tokio::test]
async fn only_the_management_account_becomes_a_members_root_and_not_with_root_credentials() {
    let (scene, account) = central().await;
    let other = scene.account("other").await;
    let target = account.as_str();
    let (inside, of_other) = (scene.enter(&account).await, scene.enter(&other).await);
    let (member_root, other_root) = (scene.root_of(&account).await, scene.root_of(&other).await);
    for who in [&inside, &of_other, &member_root, &other_root, &scene.root] {
        assert_eq!(refused(&scene, who, target, AUDIT).await, "AccessDenied");
    }
    // Nor a member of another organisation, or an account of none.
    let stranger = "999999999999";
    assert_eq!(refused(&scene, &scene.boss, stranger, AUDIT).await, "AccessDenied");
    // Nor is the management account a target.
    for who in [&scene.boss, &scene.root] {
        assert_eq!(refused(&scene, who, "123456789012", AUDIT).await, "AccessDenied");
    }
    let made = scene.world.call(&scene.boss, "sts", "GetSessionToken", Document::empty()).await;
    assert_eq!(refused(&scene, &credentials(&made), target, AUDIT).await, "AccessDenied");
    let unsigned = input(&[("TargetPrincipal", target)]);
    let mut unsigned = unsigned;
    unsigned.push("TaskPolicyArn", input(&[("arn", &task(AUDIT))]));
    let answer = scene.world.call_unsigned("sts", "AssumeRoot", unsigned).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    // Both ways to name the target are the same.
    let arn = format!("arn:aws:iam::{account}:root");
    credentials(&asked(&scene, &scene.boss, &arn, &task(AUDIT), Document::empty()).await);
}

#[tokio::test]
async fn a_task_is_one_of_five_and_lasts_fifteen_minutes_at_most() {
    let (scene, account) = central().await;
    let target = account.as_str();
    for name in TASKS {
        assumed(&scene, &account, name).await;
    }
    for (arn, expected) in [
        ("arn:aws:iam::aws:policy/AdministratorAccess", "ValidationError"),
        ("arn:aws:iam::aws:policy/root-task/", "AccessDenied"),
        ("arn:aws:iam::aws:policy/root-task/AdministratorAccess", "AccessDenied"),
        ("arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentialS", "AccessDenied"),
        ("arn:aws:iam::123456789012:policy/root-task/IAMAuditRootUserCredentials", "ValidationError"),
    ] {
        let answer = asked(&scene, &scene.boss, target, arn, Document::empty()).await;
        assert_eq!(answer.code().as_deref(), Some(expected), "{arn}: {}", answer.text());
    }
    let none =
        scene.world.call(&scene.boss, "sts", "AssumeRoot", input(&[("TargetPrincipal", target)])).await;
    assert_eq!(none.code().as_deref(), Some("ValidationError"), "{}", none.text());
    for bad in ["12345678901", "arn:aws:iam::123456789012:user/boss", "root"] {
        assert_eq!(refused(&scene, &scene.boss, bad, AUDIT).await, "ValidationError", "{bad}");
    }
    let lasting = async |seconds: i64| {
        let mut more = Document::empty();
        more.push("DurationSeconds", Document::Integer(seconds));
        asked(&scene, &scene.boss, target, &task(AUDIT), more).await
    };
    for seconds in [901, 3600, -1] {
        assert_eq!(lasting(seconds).await.code().as_deref(), Some("ValidationError"), "{seconds}");
    }
    let ended = credentials(&lasting(0).await);
    assert_eq!(who(&scene, &ended).await.code().as_deref(), Some("ExpiredToken"));
    let (short, long) = (credentials(&lasting(60).await), assumed(&scene, &account, AUDIT).await);
    scene.world.clock.advance_seconds(60);
    assert_eq!(who(&scene, &short).await.code().as_deref(), Some("ExpiredToken"));
    assert!(who(&scene, &long).await.status.is_success());
    scene.world.clock.advance_seconds(840);
    assert_eq!(who(&scene, &long).await.code().as_deref(), Some("ExpiredToken"));
}

#[tokio::test]
async fn a_caller_needs_the_right_to_that_root_and_to_that_task() {
    let (scene, account) = central().await;
    let other = scene.account("other").await;
    let limited = new_user(&scene.world, &scene.root, "limited").await;
    let target = account.as_str();
    assert_eq!(refused(&scene, &limited, target, AUDIT).await, "AccessDenied");
    let rule = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": format!("arn:aws:iam::{account}:root"),
        "Condition": {"StringEquals": {"sts:TaskPolicyArn": task(AUDIT)}},
    }});
    put_policy(&scene.world, &scene.root, "limited", "p", &rule.to_string()).await;
    assert_eq!(refused(&scene, &limited, target, AUDIT).await, "");
    for name in [CREATE, DELETE, S3, SQS] {
        assert_eq!(refused(&scene, &limited, target, name).await, "AccessDenied", "{name}");
    }
    assert_eq!(refused(&scene, &limited, other.as_str(), AUDIT).await, "AccessDenied");
    // Neither the right to assume roles nor an explicit denial beside it is one.
    put_policy(&scene.world, &scene.root, "limited", "p", &policy("Allow", "sts:AssumeRole*")).await;
    assert_eq!(refused(&scene, &limited, target, AUDIT).await, "AccessDenied");
    put_policy(&scene.world, &scene.root, "limited", "p", &policy("Allow", "sts:*")).await;
    assert_eq!(refused(&scene, &limited, target, AUDIT).await, "");
    put_policy(&scene.world, &scene.root, "limited", "q", &policy("Deny", "sts:AssumeRoot")).await;
    assert_eq!(refused(&scene, &limited, target, AUDIT).await, "AccessDenied");
}

#[tokio::test]
async fn a_task_needs_its_feature_and_sessions_end_with_it() {
    let (scene, account) = organization().await;
    let target = account.as_str();
    let open = async || {
        let mut open = Vec::new();
        for name in TASKS {
            let code = refused(&scene, &scene.boss, target, name).await;
            assert!(code.is_empty() || code == "AccessDenied", "{code}");
            open.extend(code.is_empty().then_some(name));
        }
        open
    };
    assert!(open().await.is_empty());
    switched(&scene, "Enable", "RootSessions").await;
    assert_eq!(open().await, [S3, SQS]);
    switched(&scene, "Enable", "RootCredentialsManagement").await;
    assert_eq!(open().await, TASKS);
    let (audit, unlock) = (assumed(&scene, &account, AUDIT).await, assumed(&scene, &account, S3).await);
    switched(&scene, "Disable", "RootSessions").await;
    assert_eq!(open().await, [AUDIT, CREATE, DELETE]);
    assert_eq!(who(&scene, &unlock).await.code().as_deref(), Some("InvalidClientTokenId"));
    assert!(who(&scene, &audit).await.status.is_success());
    scene.done("DisableAWSServiceAccess", json!({"ServicePrincipal": IAM})).await;
    assert!(open().await.is_empty());
    assert_eq!(code(&scene, &audit, "ListAccessKeys", &[]).await, "InvalidClientTokenId");
}

#[tokio::test]
async fn sessions_end_when_the_account_is_closed_or_leaves() {
    let (scene, closed) = central().await;
    let left = scene.account("left").await;
    let (in_closed, in_left) = (assumed(&scene, &closed, AUDIT).await, assumed(&scene, &left, AUDIT).await);
    for session in [&in_closed, &in_left] {
        done(&scene.world, session, "ListAccessKeys", &[]).await;
    }
    scene.done("CloseAccount", json!({"AccountId": closed.as_str()})).await;
    scene.done("RemoveAccountFromOrganization", json!({"AccountId": left.as_str()})).await;
    for (session, account) in [(&in_closed, &closed), (&in_left, &left)] {
        assert_eq!(who(&scene, session).await.code().as_deref(), Some("InvalidClientTokenId"));
        assert_eq!(code(&scene, session, "ListAccessKeys", &[]).await, "InvalidClientTokenId");
        assert_eq!(refused(&scene, &scene.boss, account.as_str(), AUDIT).await, "AccessDenied");
    }
}

#[tokio::test]
async fn a_new_organisation_has_none_of_the_old_ones_features() {
    let (scene, account) = central().await;
    let session = assumed(&scene, &account, AUDIT).await;
    scene.done("RemoveAccountFromOrganization", json!({"AccountId": account.as_str()})).await;
    scene.done("DeleteOrganization", json!({})).await;
    assert_eq!(refused(&scene, &scene.boss, account.as_str(), AUDIT).await, "AccessDenied");
    scene.done("CreateOrganization", json!({})).await;
    let member = scene.account("next").await;
    scene.done("EnableAWSServiceAccess", json!({"ServicePrincipal": IAM})).await;
    assert_eq!(refused(&scene, &scene.boss, member.as_str(), AUDIT).await, "AccessDenied");
    let listed = done(&scene.world, &scene.boss, "ListOrganizationsFeatures", &[]).await;
    assert!(!listed.text().contains("<member>"), "{}", listed.text());
    assert_eq!(who(&scene, &session).await.code().as_deref(), Some("InvalidClientTokenId"));
}

#[tokio::test]
async fn the_members_ceilings_bind_the_session_as_they_bind_its_root() {
    let (scene, account) = central().await;
    let member_root = scene.root_of(&account).await;
    let session = assumed(&scene, &account, AUDIT).await;
    let list = async |who: &Credentials| code(&scene, who, "ListAccessKeys", &[]).await;
    let ceiling = async |name: &str, condition: serde_json::Value| {
        let document = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Deny", "Action": "iam:ListAccessKeys", "Resource": "*", "Condition": condition,
        }});
        let id = scene.policy("SERVICE_CONTROL_POLICY", name, &document).await;
        scene.attach(&id, account.as_str()).await;
        id
    };
    assert_eq!((list(&session).await, list(&member_root).await), (String::new(), String::new()));
    let root = json!({"ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"}});
    let all = ceiling("all", root.clone()).await;
    assert_eq!(list(&session).await, "AccessDenied");
    assert_eq!(list(&member_root).await, "AccessDenied");
    scene.detach(&all, account.as_str()).await;
    // `aws:AssumedRoot` exempts such sessions, and nobody else.
    let mut exempting = root;
    exempting["Null"] = json!({"aws:AssumedRoot": "true"});
    ceiling("exempting", exempting).await;
    assert_eq!(list(&session).await, "");
    assert_eq!(list(&member_root).await, "AccessDenied");
}

#[tokio::test]
async fn who_came_with_an_identity_of_its_source_keeps_it() {
    let (scene, account) = central().await;
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:user/boss"},
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
    }});
    let trust = trust.to_string();
    let role = [("RoleName", "operator"), ("AssumeRolePolicyDocument", trust.as_str())];
    done(&scene.world, &scene.root, "CreateRole", &role).await;
    let rights = policy("Allow", "sts:AssumeRoot");
    let rights = [("RoleName", "operator"), ("PolicyName", "p"), ("PolicyDocument", rights.as_str())];
    done(&scene.world, &scene.root, "PutRolePolicy", &rights).await;
    let members = input(&[
        ("RoleArn", "arn:aws:iam::123456789012:role/operator"),
        ("RoleSessionName", "session"),
        ("SourceIdentity", "alice"),
    ]);
    let operator = credentials(&scene.world.call(&scene.boss, "sts", "AssumeRole", members).await);
    let answer = asked(&scene, &operator, account.as_str(), &task(AUDIT), Document::empty()).await;
    assert_eq!(answer.element("SourceIdentity").as_deref(), Some("alice"), "{}", answer.text());
    let session = credentials(&answer);
    let document = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Action": "iam:ListAccessKeys", "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceIdentity": "alice"}},
    }});
    let id = scene.policy("SERVICE_CONTROL_POLICY", "alice", &document).await;
    done(&scene.world, &session, "ListAccessKeys", &[]).await;
    scene.attach(&id, account.as_str()).await;
    assert_eq!(code(&scene, &session, "ListAccessKeys", &[]).await, "AccessDenied");
}

#[tokio::test]
async fn what_binds_the_callers_session_binds_the_roots() {
    let (scene, account) = central().await;
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"Service": "testkit.amazonaws.com"}, "Action": "sts:AssumeRole",
    }});
    let trust = trust.to_string();
    let role = [("RoleName", "exec"), ("AssumeRolePolicyDocument", trust.as_str())];
    done(&scene.world, &scene.root, "CreateRole", &role).await;
    let rights = policy("Allow", "sts:AssumeRoot");
    let rights = [("RoleName", "exec"), ("PolicyName", "p"), ("PolicyDocument", rights.as_str())];
    done(&scene.world, &scene.root, "PutRolePolicy", &rights).await;
    let sessions = scene.world.env().sessions().unwrap();
    let function = Arn::regional(scene.world.scope(), "lambda", "function:f");
    let home = || Peer::Environment { id: "env-1".to_owned(), function: function.clone(), at_work: true };
    let request = SessionRequest {
        role: sessions.role(&Arn::global(scene.world.scope(), "iam", "role/exec")).unwrap().unwrap(),
        session_name: "f".to_owned(),
        duration_s: 900,
        policies: None,
        tags: Vec::new(),
        transitive_tags: Vec::new(),
        source_identity: None,
        bound_to: Some("env-1".to_owned()),
        source_function: Some(function.clone()),
    };
    let bound = scene.world.mint(request).await;
    let mut members = input(&[("TargetPrincipal", account.as_str())]);
    members.push("TaskPolicyArn", input(&[("arn", &task(AUDIT))]));
    let request = scene.world.request(&bound, "sts", "AssumeRoot", &members);
    let session = credentials(&scene.world.send_from(home(), &request).await);
    let request = scene.world.request(&session, "sts", "GetCallerIdentity", &Document::empty());
    assert!(scene.world.send_from(home(), &request).await.status.is_success());
    assert_eq!(who(&scene, &session).await.status, 403);
    let other = Peer::Environment { id: "env-2".to_owned(), function: function.clone(), at_work: true };
    assert_eq!(scene.world.send_from(other, &request).await.status, 403);
}
