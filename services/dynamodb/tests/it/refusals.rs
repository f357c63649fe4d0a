//! Who may not.

use casemate_schema::{Document, OpMeta};
use serde_json::json;

use crate::{Scene, call_as, key, world};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/notes";

pub(crate) fn hints(op: &OpMeta, member: &str) -> Option<Document> {
    match (op.name, member) {
        (_, "TableName") => Some("notes".into()),
        (_, "ResourceArn") => Some(TABLE.into()),
        ("TransactWriteItems", "Put") => {
            Some(Document::structure([("TableName", "notes".into()), ("Item", Document::empty())]))
        }
        _ => None,
    }
}

#[tokio::test]
async fn every_operation_is_refused_in_every_way() {
    assert_eq!(casemate_testkit::refusals(&world(), &hints).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_caller_without_rights_learns_nothing_of_what_exists() {
    let scene = Scene::new().await;
    let nobody = scene.world.identities().user("nobody", &[]);
    for operation in ["DescribeTable", "GetItem", "DeleteTable"] {
        let mut answers = Vec::new();
        for table in ["notes", "other"] {
            let mut input = json!({"TableName": table});
            if operation == "GetItem" {
                input["Key"] = key("a", "b");
            }
            let answer = call_as(&scene.world, &nobody, operation, input).await;
            answers.push((answer.code(), answer.message().replace(table, "")));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0.as_deref(), Some("AccessDeniedException"));
    }
}

#[tokio::test]
async fn creating_with_tags_needs_the_right_to_tag() {
    let scene = Scene::empty();
    let create = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:CreateTable","Resource":"*"}}"#;
    let tag = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:TagResource","Resource":"*",
        "Condition":{"StringEquals":{"aws:RequestTag/team":"a"}}}}"#;
    let bob = scene.world.identities().user("bob", &[create, tag]);
    for (team, allowed) in [("b", false), ("a", true)] {
        let mut input = crate::notes();
        input["Tags"] = json!([{"Key": "team", "Value": team}]);
        let answer = call_as(&scene.world, &bob, "CreateTable", input).await;
        assert_eq!(answer.status == 200, allowed, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_key_given_twice_is_judged_by_neither_of_its_values() {
    let scene = Scene::new().await;
    let policy = |effect: &str, team: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"dynamodb:*","Resource":"*",
            "Condition":{{"StringEquals":{{"aws:RequestTag/team":"{team}"}}}}}}}}"#
        )
    };
    let identities = scene.world.identities();
    let allowed = identities.user("allowed", &[&policy("Allow", "a")]);
    let denied = identities.user("denied", &[crate::ALLOW_ALL, &policy("Deny", "root")]);
    let tags = |keys: [&str; 2]| json!([{"Key": keys[0], "Value": "a"}, {"Key": keys[1], "Value": "root"}]);
    for keys in [["team", "team"], ["team", "Team"], ["Team", "team"]] {
        let mut create = crate::notes();
        create["TableName"] = json!("other");
        create["Tags"] = tags(keys);
        let tag = json!({"ResourceArn": TABLE, "Tags": tags(keys)});
        for (operation, input) in [("TagResource", tag), ("CreateTable", create)] {
            for who in [&allowed, &denied] {
                let answer = call_as(&scene.world, who, operation, input.clone()).await;
                let code = answer.code();
                assert_eq!(code.as_deref(), Some("AccessDeniedException"), "{operation} {keys:?}");
            }
        }
    }
    // Nor is it stored for whoever may do anything.
    let mut create = crate::notes();
    create["TableName"] = json!("other");
    create["Tags"] = tags(["team", "team"]);
    scene.invalid("CreateTable", create).await;
    scene.invalid("TagResource", json!({"ResourceArn": TABLE, "Tags": tags(["team", "team"])})).await;
    let one = json!({"ResourceArn": TABLE, "Tags": [{"Key": "team", "Value": "a"}]});
    assert_eq!(call_as(&scene.world, &allowed, "TagResource", one).await.status, 200);
}

#[tokio::test]
async fn a_table_is_not_made_in_another_account() {
    let scene = Scene::empty();
    let mut input = crate::notes();
    input["TableName"] = json!(TABLE.replace("123456789012", scene.world.other_account().as_str()));
    assert_eq!(scene.refused("CreateTable", input).await.0, "AccessDeniedException");
}

#[tokio::test]
async fn a_right_withdrawn_is_gone_with_the_next_request() {
    let scene = Scene::new().await;
    let allow = crate::ALLOW_ALL;
    let bob = scene.world.identities().user("bob", &[allow]);
    let Some(casemate_kernel::Caller::User { unique_id, .. }) = bob.caller.clone() else { panic!() };
    let get = json!({"TableName": "notes", "Key": key("a", "b")});
    assert_eq!(call_as(&scene.world, &bob, "GetItem", get.clone()).await.status, 200);
    scene.world.identities().grant(&unique_id, &[], None);
    let answer = call_as(&scene.world, &bob, "GetItem", get).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
}
