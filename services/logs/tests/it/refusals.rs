//! Who may not.

use casemate_schema::{Document, OpMeta};
use serde_json::json;

use crate::{Scene, call_as, world};

const GROUP_ARN: &str = "arn:aws:logs:us-east-1:123456789012:log-group:g";

pub(crate) fn hints(op: &OpMeta, member: &str) -> Option<Document> {
    match (op.name, member) {
        ("GetLogEvents" | "FilterLogEvents" | "DescribeLogStreams", "logGroupName") => Some("g".into()),
        (_, "resourceArn") => Some(GROUP_ARN.into()),
        _ => None,
    }
}

#[tokio::test]
async fn every_operation_is_refused_in_every_way() {
    assert_eq!(casemate_testkit::refusals(&world(), &hints).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_functions_usual_policy_lets_it_write_its_own_group_and_nothing_else() {
    let scene = Scene::new().await;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":"logs:CreateLogGroup","Resource":"arn:aws:logs:us-east-1:123456789012:*"}},
            {{"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"{GROUP_ARN}-fn:*"}}]}}"#
    );
    let function = scene.world.identities().user("function", &[&policy]);
    let event = json!([{"timestamp": scene.now(), "message": "x"}]);
    for (operation, input, status) in [
        ("CreateLogGroup", json!({"logGroupName": "g-fn"}), 200),
        ("CreateLogStream", json!({"logGroupName": "g-fn", "logStreamName": "2026/11/24/[$LATEST]0"}), 200),
        (
            "PutLogEvents",
            json!({"logGroupName": "g-fn", "logStreamName": "2026/11/24/[$LATEST]0", "logEvents": event}),
            200,
        ),
        ("PutLogEvents", json!({"logGroupName": "g", "logStreamName": "s", "logEvents": event}), 400),
        ("CreateLogStream", json!({"logGroupName": "g", "logStreamName": "t"}), 400),
        ("GetLogEvents", json!({"logGroupName": "g-fn", "logStreamName": "2026/11/24/[$LATEST]0"}), 400),
        ("FilterLogEvents", json!({"logGroupName": "g-fn"}), 400),
        ("DeleteLogGroup", json!({"logGroupName": "g-fn"}), 400),
    ] {
        let answer = call_as(&scene.world, &function, operation, input).await;
        assert_eq!(answer.status, status, "{operation}: {}", answer.text());
        if status == 400 {
            assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
        }
    }
}

#[tokio::test]
async fn another_accounts_group_is_refused_even_by_its_arn() {
    let scene = Scene::new().await;
    let arn = GROUP_ARN.replace("123456789012", scene.world.other_account().as_str());
    for (operation, input) in [
        ("GetLogEvents", json!({"logGroupIdentifier": arn, "logStreamName": "s"})),
        ("FilterLogEvents", json!({"logGroupIdentifier": arn})),
        ("DescribeLogStreams", json!({"logGroupIdentifier": arn})),
        ("ListTagsForResource", json!({"resourceArn": arn})),
        ("TagResource", json!({"resourceArn": arn, "tags": {"a": "b"}})),
    ] {
        assert_eq!(scene.refused(operation, input).await.0, "AccessDeniedException", "{operation}");
    }
}

#[tokio::test]
async fn a_tag_policy_decides_with_which_tags_a_group_is_made() {
    let scene = Scene::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:*","Resource":"*",
        "Condition":{"StringEquals":{"aws:RequestTag/team":"a"}}}}"#;
    let bob = scene.world.identities().user("bob", &[policy]);
    let make = |team: &str| json!({"logGroupName": format!("of-{team}"), "tags": {"team": team}});
    assert_eq!(call_as(&scene.world, &bob, "CreateLogGroup", make("a")).await.status, 200);
    let answer = call_as(&scene.world, &bob, "CreateLogGroup", make("b")).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
}

#[tokio::test]
async fn a_caller_without_rights_learns_nothing_of_what_exists() {
    let scene = Scene::new().await;
    let nobody = scene.world.identities().user("nobody", &[]);
    let mut answers = Vec::new();
    for group in ["g", "no"] {
        let answer =
            call_as(&scene.world, &nobody, "DescribeLogStreams", json!({"logGroupName": group})).await;
        answers.push((answer.code(), answer.message().replace(&format!("log-group:{group}:"), "")));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0.as_deref(), Some("AccessDeniedException"));
}
