//! What policies can say of this service's own operations.

use serde_json::json;

use crate::{Scene, text};

fn allow(action: &str, resource: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"{resource}","Condition":{condition}}}}}"#
    )
}

#[tokio::test]
async fn attaching_needs_the_right_on_the_policy_and_on_the_target() {
    let scene = Scene::new().await;
    let (root, policy) = (scene.root().await, scene.policy("own").await);
    let id = text(&scene.done("DescribeOrganization", json!({})).await["Organization"]["Id"]);
    let arn = |rest: &str| format!("arn:aws:organizations::123456789012:{rest}");
    let on_policy = arn(&format!("policy/{id}/service_control_policy/{policy}"));
    let on_root = arn(&format!("root/{id}/{root}"));
    let input = json!({"PolicyId": policy, "TargetId": root});
    let statement = |resource: &str| allow("organizations:AttachPolicy", resource, "{}");
    for (name, policies) in [("half", vec![statement(&on_policy)]), ("other", vec![statement(&on_root)])] {
        let texts: Vec<&str> = policies.iter().map(String::as_str).collect();
        let who = scene.world.identities().user(name, &texts);
        let answer = scene.call_as(&who, "AttachPolicy", input.clone()).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{name}");
    }
    let whole = scene.world.identities().user("whole", &[&statement(&on_policy), &statement(&on_root)]);
    assert!(scene.call_as(&whole, "AttachPolicy", input).await.status.is_success());
}

#[tokio::test]
async fn the_type_of_a_policy_is_a_condition_key_and_unknown_for_one_that_does_not_exist() {
    let scene = Scene::new().await;
    let condition = r#"{"StringEquals":{"organizations:PolicyType":"SERVICE_CONTROL_POLICY"}}"#;
    let who = scene.world.identities().user("scp", &[&allow("organizations:*", "*", condition)]);
    for (kind, allowed) in [("SERVICE_CONTROL_POLICY", true), ("RESOURCE_CONTROL_POLICY", false)] {
        let answer = scene.call_as(&who, "ListPolicies", json!({"Filter": kind})).await;
        assert_eq!(answer.status.is_success(), allowed, "{kind}: {}", answer.text());
    }
    let known = scene.call_as(&who, "DescribePolicy", json!({"PolicyId": scene.policy("own").await})).await;
    assert!(known.status.is_success(), "{}", known.text());
    let unknown = scene.call_as(&who, "DescribePolicy", json!({"PolicyId": "p-nothing0"})).await;
    assert_eq!(unknown.code().as_deref(), Some("AccessDeniedException"), "{}", unknown.text());
}

#[tokio::test]
async fn tags_of_a_unit_decide_who_may_change_it() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let (mine, theirs) = (scene.unit(&root, "mine").await, scene.unit(&root, "theirs").await);
    scene.done("TagResource", json!({"ResourceId": mine, "Tags": [{"Key": "team", "Value": "a"}]})).await;
    let condition = r#"{"StringEquals":{"aws:ResourceTag/team":"a"}}"#;
    let who = scene.world.identities().user("team", &[&allow("organizations:*", "*", condition)]);
    for (unit, allowed) in [(mine, true), (theirs, false)] {
        let input = json!({"OrganizationalUnitId": unit, "Name": "new"});
        let answer = scene.call_as(&who, "UpdateOrganizationalUnit", input).await;
        assert_eq!(answer.status.is_success(), allowed, "{}", answer.text());
    }
}

#[tokio::test]
async fn another_account_has_nothing_to_do_with_the_organization() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let all = allow("*", "*", "{}");
    let stranger = scene.world.identities().user_of(&scene.world.other_account(), "admin", &[&all], None);
    let before = scene.world.digest();
    for (operation, input) in [
        ("DescribeOrganization", json!({})),
        ("ListAccounts", json!({})),
        ("DeleteOrganization", json!({})),
        ("CreateOrganizationalUnit", json!({"ParentId": root, "Name": "x"})),
        ("TagResource", json!({"ResourceId": root, "Tags": []})),
    ] {
        let answer = scene.call_as(&stranger, operation, input).await;
        let code = answer.code();
        assert_eq!(
            code.as_deref(),
            Some("AWSOrganizationsNotInUseException"),
            "{operation}: {}",
            answer.text()
        );
    }
    assert_eq!(scene.world.digest(), before);
}
