//! Groups, streams, retention and tags.

use serde_json::{Value, json};

use crate::{Scene, call_as, messages, pair};

const GROUP_ARN: &str = "arn:aws:logs:us-east-1:123456789012:log-group:g";

fn names(answer: &Value, list: &str, name: &str) -> Vec<String> {
    answer[list].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_group_is_described_as_aws_does() {
    let scene = Scene::new().await;
    let answer = scene.done("DescribeLogGroups", json!({})).await;
    let expected = json!({"logGroups": [{
        "logGroupName": "g", "creationTime": scene.now(), "metricFilterCount": 0, "storedBytes": 0,
        "arn": format!("{GROUP_ARN}:*"), "logGroupArn": GROUP_ARN, "logGroupClass": "STANDARD",
        "deletionProtectionEnabled": false,
    }]});
    assert_eq!(answer, expected);
    let answer = scene.done("DescribeLogStreams", json!({"logGroupName": "g"})).await;
    let stream = &answer["logStreams"][0];
    assert_eq!(stream["arn"], format!("{GROUP_ARN}:log-stream:s"));
    assert_eq!((&stream["creationTime"], &stream["storedBytes"]), (&json!(scene.now()), &json!(0)));
    assert_eq!(stream.get("lastEventTimestamp"), None);
}

#[tokio::test]
async fn names_are_taken_once() {
    let scene = Scene::new().await;
    assert_eq!(
        scene.refused("CreateLogGroup", json!({"logGroupName": "g"})).await,
        pair("ResourceAlreadyExistsException", "The specified log group already exists")
    );
    assert_eq!(
        scene.refused("CreateLogStream", json!({"logGroupName": "g", "logStreamName": "s"})).await,
        pair("ResourceAlreadyExistsException", "The specified log stream already exists")
    );
}

#[tokio::test]
async fn what_does_not_exist_is_said_so() {
    let scene = Scene::new().await;
    let no_group = pair("ResourceNotFoundException", "The specified log group does not exist.");
    let no_stream = pair("ResourceNotFoundException", "The specified log stream does not exist.");
    let event = json!([{"timestamp": scene.now(), "message": "x"}]);
    for (operation, input) in [
        ("DeleteLogGroup", json!({"logGroupName": "no"})),
        ("CreateLogStream", json!({"logGroupName": "no", "logStreamName": "s"})),
        ("DeleteLogStream", json!({"logGroupName": "no", "logStreamName": "s"})),
        ("DescribeLogStreams", json!({"logGroupName": "no"})),
        ("PutLogEvents", json!({"logGroupName": "no", "logStreamName": "s", "logEvents": event})),
        ("GetLogEvents", json!({"logGroupName": "no", "logStreamName": "s"})),
        ("FilterLogEvents", json!({"logGroupName": "no"})),
        ("PutRetentionPolicy", json!({"logGroupName": "no", "retentionInDays": 1})),
        ("DeleteRetentionPolicy", json!({"logGroupName": "no"})),
        ("ListTagsForResource", json!({"resourceArn": GROUP_ARN.replace(":g", ":no")})),
    ] {
        assert_eq!(scene.refused(operation, input).await, no_group, "{operation}");
    }
    for (operation, input) in [
        ("DeleteLogStream", json!({"logGroupName": "g", "logStreamName": "no"})),
        ("PutLogEvents", json!({"logGroupName": "g", "logStreamName": "no", "logEvents": event})),
        ("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "no"})),
        ("FilterLogEvents", json!({"logGroupName": "g", "logStreamNames": ["no"]})),
    ] {
        assert_eq!(scene.refused(operation, input).await, no_stream, "{operation}");
    }
}

#[tokio::test]
async fn bad_names_and_values_are_refused() {
    let scene = Scene::new().await;
    for (operation, input) in [
        ("CreateLogGroup", json!({"logGroupName": "a b"})),
        ("CreateLogGroup", json!({"logGroupName": "x".repeat(513)})),
        ("CreateLogGroup", json!({"logGroupName": "aws/mine"})),
        (
            "CreateLogGroup",
            json!({"logGroupName": "k", "kmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/x"}),
        ),
        ("CreateLogStream", json!({"logGroupName": "g", "logStreamName": "a:b"})),
        ("CreateLogStream", json!({"logGroupName": "g"})),
        ("PutRetentionPolicy", json!({"logGroupName": "g", "retentionInDays": 2})),
        ("PutRetentionPolicy", json!({"logGroupName": "g", "retentionInDays": 0})),
        ("DescribeLogGroups", json!({"logGroupNamePrefix": "a", "logGroupNamePattern": "b"})),
        ("DescribeLogGroups", json!({"nextToken": "zz"})),
        ("DescribeLogGroups", json!({"limit": 51})),
        (
            "DescribeLogStreams",
            json!({"logGroupName": "g", "orderBy": "LastEventTime", "logStreamNamePrefix": "a"}),
        ),
        ("DescribeLogStreams", json!({"logGroupName": "g", "orderBy": "LastEventTime", "nextToken": "00"})),
        ("DescribeLogStreams", json!({})),
        (
            "TagResource",
            json!({"resourceArn": "arn:aws:logs:us-east-1:123456789012:destination:g", "tags": {"a": "b"}}),
        ),
    ] {
        let (code, message) = scene.refused(operation, input.clone()).await;
        assert_eq!(code, "InvalidParameterException", "{operation} {input}: {message}");
    }
}

#[tokio::test]
async fn groups_are_listed_by_name_prefix_and_pattern_page_by_page() {
    let scene = Scene::empty();
    for name in ["/aws/a", "/aws/b", "/aws/c", "other", "/awsome"] {
        scene.done("CreateLogGroup", json!({"logGroupName": name})).await;
    }
    let mut found = Vec::new();
    let mut input = json!({"logGroupNamePrefix": "/aws/", "limit": 2});
    loop {
        let answer = scene.done("DescribeLogGroups", input.clone()).await;
        found.extend(names(&answer, "logGroups", "logGroupName"));
        match answer.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(found, ["/aws/a", "/aws/b", "/aws/c"]);
    let answer = scene.done("DescribeLogGroups", json!({"logGroupNamePattern": "the"})).await;
    assert_eq!(names(&answer, "logGroups", "logGroupName"), ["other"]);
    let arn = GROUP_ARN.replace(":g", ":/aws/b");
    let answer = scene.done("DescribeLogGroups", json!({"logGroupIdentifiers": [arn, "other"]})).await;
    assert_eq!(names(&answer, "logGroups", "logGroupName"), ["/aws/b", "other"]);
}

#[tokio::test]
async fn streams_are_listed_by_name_and_by_last_event() {
    let scene = Scene::new().await;
    for (stream, at) in [("a", -10), ("b", -30), ("c", -20)] {
        scene.done("CreateLogStream", json!({"logGroupName": "g", "logStreamName": stream})).await;
        scene.put_into(stream, &[(at, "x")]).await;
    }
    for (order, descending, expected) in [
        ("LogStreamName", false, ["a", "b", "c", "s"]),
        ("LogStreamName", true, ["s", "c", "b", "a"]),
        ("LastEventTime", false, ["s", "b", "c", "a"]),
        ("LastEventTime", true, ["a", "c", "b", "s"]),
    ] {
        let mut found = Vec::new();
        let mut input = json!({"logGroupName": "g", "orderBy": order, "descending": descending, "limit": 1});
        loop {
            let answer = scene.done("DescribeLogStreams", input.clone()).await;
            found.extend(names(&answer, "logStreams", "logStreamName"));
            match answer.get("nextToken") {
                Some(token) => input["nextToken"] = token.clone(),
                None => break,
            }
        }
        assert_eq!(found, expected, "{order} {descending}");
    }
    let answer = scene
        .done("DescribeLogStreams", json!({"logGroupIdentifier": GROUP_ARN, "logStreamNamePrefix": "b"}))
        .await;
    assert_eq!(names(&answer, "logStreams", "logStreamName"), ["b"]);
    assert_eq!(answer["logStreams"][0]["lastEventTimestamp"], json!(scene.now() - 30));
}

#[tokio::test]
async fn a_group_made_again_shows_nothing_of_the_old_one() {
    let scene = Scene::new().await;
    scene.put(&[(0, "old")]).await;
    scene.done("DeleteLogGroup", json!({"logGroupName": "g"})).await;
    scene.done("CreateLogGroup", json!({"logGroupName": "g"})).await;
    let answer = scene.done("DescribeLogStreams", json!({"logGroupName": "g"})).await;
    assert_eq!(answer["logStreams"], json!([]));
    scene.done("CreateLogStream", json!({"logGroupName": "g", "logStreamName": "s"})).await;
    let answer = scene.done("FilterLogEvents", json!({"logGroupName": "g"})).await;
    assert!(messages(&answer).is_empty());
}

#[tokio::test]
async fn deleting_leaves_no_rows_behind() {
    let scene = Scene::empty();
    let before = scene.world.digest();
    scene.done("CreateLogGroup", json!({"logGroupName": "g"})).await;
    for stream in ["s", "t"] {
        scene.done("CreateLogStream", json!({"logGroupName": "g", "logStreamName": stream})).await;
        scene.put_into(stream, &[(0, "x")]).await;
    }
    scene.done("DeleteLogStream", json!({"logGroupName": "g", "logStreamName": "t"})).await;
    scene.done("DeleteLogGroup", json!({"logGroupName": "g"})).await;
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn a_protected_group_cannot_be_deleted() {
    let scene = Scene::empty();
    scene.done("CreateLogGroup", json!({"logGroupName": "p", "deletionProtectionEnabled": true})).await;
    scene.done("CreateLogStream", json!({"logGroupName": "p", "logStreamName": "s"})).await;
    assert_eq!(scene.refused("DeleteLogGroup", json!({"logGroupName": "p"})).await.0, "ValidationException");
    let (code, _) =
        scene.refused("DeleteLogStream", json!({"logGroupName": "p", "logStreamName": "s"})).await;
    assert_eq!(code, "ValidationException");
}

#[tokio::test]
async fn retention_is_kept_shown_and_taken_back() {
    let scene = Scene::new().await;
    scene.done("PutRetentionPolicy", json!({"logGroupName": "g", "retentionInDays": 3})).await;
    let answer = scene.done("DescribeLogGroups", json!({})).await;
    assert_eq!(answer["logGroups"][0]["retentionInDays"], json!(3));
    scene.done("DeleteRetentionPolicy", json!({"logGroupName": "g"})).await;
    let answer = scene.done("DescribeLogGroups", json!({})).await;
    assert_eq!(answer["logGroups"][0].get("retentionInDays"), None);
}

#[tokio::test]
async fn tags_are_kept_and_limited() {
    let scene = Scene::new().await;
    scene.done("TagResource", json!({"resourceArn": GROUP_ARN, "tags": {"team": "a", "stage": "x"}})).await;
    scene.done("UntagResource", json!({"resourceArn": GROUP_ARN, "tagKeys": ["stage"]})).await;
    let answer = scene.done("ListTagsForResource", json!({"resourceArn": GROUP_ARN})).await;
    assert_eq!(answer, json!({"tags": {"team": "a"}}));
    let many: serde_json::Map<_, _> = (0..50).map(|n| (format!("k{n}"), json!("v"))).collect();
    let (code, _) = scene.refused("TagResource", json!({"resourceArn": GROUP_ARN, "tags": many})).await;
    assert_eq!(code, "TooManyTagsException");
}

#[tokio::test]
async fn policies_can_depend_on_a_groups_tags() {
    let scene = Scene::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:*","Resource":"*",
        "Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}"#;
    let bob = scene.world.identities().user("bob", &[policy]);
    let describe = json!({"logGroupName": "g"});
    let answer = call_as(&scene.world, &bob, "DescribeLogStreams", describe.clone()).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
    scene.done("TagResource", json!({"resourceArn": GROUP_ARN, "tags": {"team": "a"}})).await;
    assert_eq!(call_as(&scene.world, &bob, "DescribeLogStreams", describe).await.status, 200);
}
