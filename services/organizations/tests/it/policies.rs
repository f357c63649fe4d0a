//! CreatePolicy, DescribePolicy, UpdatePolicy, DeletePolicy, ListPolicies, AttachPolicy, DetachPolicy,
//! ListPoliciesForTarget, ListTargetsForPolicy, EnablePolicyType, DisablePolicyType, TagResource, UntagResource,
//! ListTagsForResource.

use serde_json::{Value, json};

use crate::{DOCUMENT, Scene};

const SCP: &str = "SERVICE_CONTROL_POLICY";
const RCP: &str = "RESOURCE_CONTROL_POLICY";
const FULL: &str = "p-FullAWSAccess";

fn ids(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
}

async fn attached(scene: &Scene, target: &str, kind: &str) -> Vec<String> {
    let listed = scene.done("ListPoliciesForTarget", json!({"TargetId": target, "Filter": kind})).await;
    ids(&listed["Policies"], "Id")
}

#[tokio::test]
async fn full_access_is_attached_everywhere_and_the_last_policy_stays() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let unit = scene.unit(&root, "unit").await;
    for target in [&root, &unit, "123456789012"] {
        assert_eq!(attached(&scene, target, SCP).await, [FULL], "{target}");
    }
    let last = json!({"PolicyId": FULL, "TargetId": unit});
    let error = scene.refused("DetachPolicy", last.clone(), "ConstraintViolationException").await;
    assert_eq!(error["Reason"], "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
    let own = scene.policy("own").await;
    let attach = json!({"PolicyId": own, "TargetId": unit});
    scene.done("AttachPolicy", attach.clone()).await;
    scene.refused("AttachPolicy", attach, "DuplicatePolicyAttachmentException").await;
    scene.done("DetachPolicy", last.clone()).await;
    scene.refused("DetachPolicy", last, "PolicyNotAttachedException").await;
    let targets = scene.done("ListTargetsForPolicy", json!({"PolicyId": own})).await;
    assert_eq!(ids(&targets["Targets"], "TargetId"), [unit]);
    scene.refused("DeletePolicy", json!({"PolicyId": own}), "PolicyInUseException").await;
}

#[tokio::test]
async fn a_sixth_policy_on_one_target_is_refused() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    for n in 0..5 {
        let policy = scene.policy(&format!("policy {n}")).await;
        let input = json!({"PolicyId": policy, "TargetId": root});
        if n < 4 {
            scene.done("AttachPolicy", input).await;
        } else {
            let error = scene.refused("AttachPolicy", input, "ConstraintViolationException").await;
            assert_eq!(error["Reason"], "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
        }
    }
}

#[tokio::test]
async fn policies_are_described_changed_and_deleted() {
    let scene = Scene::new().await;
    let policy = scene.policy("one").await;
    let other = scene.policy("two").await;
    let twice = json!({"Name": "one", "Description": "", "Type": SCP, "Content": DOCUMENT});
    scene.refused("CreatePolicy", twice, "DuplicatePolicyException").await;
    let rename = json!({"PolicyId": other, "Name": "one"});
    scene.refused("UpdatePolicy", rename, "DuplicatePolicyException").await;
    let broken = json!({"PolicyId": policy, "Content": "{}"});
    scene.refused("UpdatePolicy", broken, "MalformedPolicyDocumentException").await;
    scene.done("UpdatePolicy", json!({"PolicyId": policy, "Description": "new"})).await;
    let described = scene.done("DescribePolicy", json!({"PolicyId": policy})).await;
    assert_eq!(described["Policy"]["Content"], DOCUMENT);
    assert_eq!(described["Policy"]["PolicySummary"]["Description"], "new");
    let listed = scene.done("ListPolicies", json!({"Filter": SCP})).await;
    assert_eq!(listed["Policies"].as_array().unwrap().len(), 3);
    scene.done("DeletePolicy", json!({"PolicyId": policy})).await;
    scene.refused("DescribePolicy", json!({"PolicyId": policy}), "PolicyNotFoundException").await;
}

#[tokio::test]
async fn what_aws_provides_cannot_be_changed() {
    let scene = Scene::new().await;
    let described = scene.done("DescribePolicy", json!({"PolicyId": FULL})).await;
    let summary = &described["Policy"]["PolicySummary"];
    assert_eq!(summary["AwsManaged"], true);
    assert_eq!(summary["Arn"], "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess");
    let change = json!({"PolicyId": FULL, "Content": DOCUMENT});
    scene.refused("UpdatePolicy", change, "InvalidInputException").await;
    scene.refused("DeletePolicy", json!({"PolicyId": FULL}), "InvalidInputException").await;
}

#[tokio::test]
async fn resource_control_policies_begin_with_full_access_that_stays() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    assert!(attached(&scene, &root, RCP).await.is_empty());
    let enable = json!({"RootId": root, "PolicyType": RCP});
    let enabled = scene.done("EnablePolicyType", enable.clone()).await;
    assert_eq!(enabled["Root"]["PolicyTypes"].as_array().unwrap().len(), 2);
    scene.refused("EnablePolicyType", enable.clone(), "PolicyTypeAlreadyEnabledException").await;
    assert_eq!(attached(&scene, &root, RCP).await, ["p-RCPFullAWSAccess"]);
    let detach = json!({"PolicyId": "p-RCPFullAWSAccess", "TargetId": root});
    let error = scene.refused("DetachPolicy", detach, "InvalidInputException").await;
    assert_eq!(error["Reason"], "NON_DETACHABLE_POLICY");
    scene.done("DisablePolicyType", enable).await;
    assert!(attached(&scene, &root, RCP).await.is_empty());
}

#[tokio::test]
async fn a_type_that_is_not_enabled_cannot_be_attached_and_attachments_do_not_come_back() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let policy = scene.policy("own").await;
    let attach = json!({"PolicyId": policy, "TargetId": root});
    let kind = json!({"RootId": root, "PolicyType": SCP});
    scene.done("AttachPolicy", attach.clone()).await;
    scene.done("DisablePolicyType", kind.clone()).await;
    scene.refused("DisablePolicyType", kind.clone(), "PolicyTypeNotEnabledException").await;
    scene.refused("AttachPolicy", attach, "PolicyTypeNotEnabledException").await;
    scene.done("EnablePolicyType", kind).await;
    assert_eq!(attached(&scene, &root, SCP).await, [FULL]);
    let elsewhere = json!({"RootId": "r-zzzz", "PolicyType": SCP});
    scene.refused("DisablePolicyType", elsewhere, "RootNotFoundException").await;
}

#[tokio::test]
async fn an_organization_for_billing_has_no_policies() {
    let scene = Scene::empty();
    scene.done("CreateOrganization", json!({"FeatureSet": "CONSOLIDATED_BILLING"})).await;
    let root = scene.root().await;
    let code = "PolicyTypeNotAvailableForOrganizationException";
    scene.refused("EnablePolicyType", json!({"RootId": root, "PolicyType": SCP}), code).await;
    let policy = json!({"Name": "p", "Description": "", "Type": SCP, "Content": DOCUMENT});
    scene.refused("CreatePolicy", policy, code).await;
}

#[tokio::test]
async fn tags_come_and_go() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let tag = |key: &str| json!({"ResourceId": root, "Tags": [{"Key": key, "Value": "v"}]});
    scene.done("TagResource", tag("team")).await;
    scene.done("TagResource", tag("stage")).await;
    scene.refused("TagResource", tag("aws:own"), "InvalidInputException").await;
    scene.done("UntagResource", json!({"ResourceId": root, "TagKeys": ["team"]})).await;
    let listed = scene.done("ListTagsForResource", json!({"ResourceId": root})).await;
    assert_eq!(listed["Tags"], json!([{"Key": "stage", "Value": "v"}]));
    let many: Vec<Value> = (0..50).map(|n| json!({"Key": format!("k{n}"), "Value": ""})).collect();
    let many = json!({"ResourceId": root, "Tags": many});
    scene.refused("TagResource", many, "ConstraintViolationException").await;
    let nothing = json!({"ResourceId": "p-nothing0", "Tags": [{"Key": "k", "Value": "v"}]});
    scene.refused("TagResource", nothing, "TargetNotFoundException").await;
}

#[tokio::test]
async fn a_key_given_twice_is_refused_and_another_spelling_replaces() {
    let scene = Scene::new().await;
    let root = scene.root().await;
    let tag = |key: &str, value: &str| json!({"Key": key, "Value": value});
    let before = json!([tag("team", "red")]);
    scene.done("TagResource", json!({"ResourceId": root, "Tags": before})).await;
    for twice in [[tag("a", "1"), tag("a", "1")], [tag("a", "1"), tag("A", "2")]] {
        let twice = json!(twice);
        let unit = json!({"ParentId": root, "Name": "u", "Tags": twice});
        let account = json!({"Email": "u@example.com", "AccountName": "u", "Tags": twice});
        let policy = json!({"Name": "p", "Description": "", "Type": SCP, "Content": DOCUMENT, "Tags": twice});
        for (operation, input) in [
            ("TagResource", json!({"ResourceId": root, "Tags": twice})),
            ("CreateOrganizationalUnit", unit),
            ("CreateAccount", account),
            ("CreatePolicy", policy),
        ] {
            let refused = scene.refused(operation, input, "InvalidInputException").await;
            assert_eq!(refused["Reason"], "DUPLICATE_TAG_KEY", "{operation}: {refused}");
        }
    }
    let listed = scene.done("ListTagsForResource", json!({"ResourceId": root})).await;
    assert_eq!(listed["Tags"], before, "nothing of a refused call is kept");
    let units = scene.done("ListOrganizationalUnitsForParent", json!({"ParentId": root})).await;
    assert_eq!(units["OrganizationalUnits"], json!([]));
    scene.done("TagResource", json!({"ResourceId": root, "Tags": [tag("TEAM", "blue")]})).await;
    let listed = scene.done("ListTagsForResource", json!({"ResourceId": root})).await;
    assert_eq!(listed["Tags"], json!([tag("TEAM", "blue")]), "policies compare keys without case");
}
