//! Putting, getting and filtering events.

use serde_json::{Value, json};

use crate::{Scene, messages, pair};

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn events_come_back_in_order_with_their_times() {
    let scene = Scene::new().await;
    let answer = scene.put(&[(-2, "two"), (-1, "one")]).await;
    assert_eq!(answer["nextSequenceToken"].as_str().unwrap().len(), 56);
    assert_eq!(answer.get("rejectedLogEventsInfo"), None);
    scene.put(&[(-3, "three"), (0, "zero")]).await;
    let answer = scene.done("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "s"})).await;
    assert_eq!(messages(&answer), ["three", "two", "one", "zero"]);
    let first = json!({"timestamp": scene.now() - 3, "message": "three", "ingestionTime": scene.now()});
    assert_eq!(answer["events"][0], first);
    let groups = scene.done("DescribeLogGroups", json!({})).await;
    assert_eq!(groups["logGroups"][0]["storedBytes"], json!(15 + 4 * 26));
}

#[tokio::test]
async fn batches_that_break_the_rules_are_refused_whole() {
    let scene = Scene::new().await;
    let before = scene.world.digest();
    let now = scene.now();
    let event = |at: i64, message: &str| json!({"timestamp": at, "message": message});
    let put = |events: Value| json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events});
    let refused = scene.refused("PutLogEvents", put(json!([event(now, "a"), event(now - 1, "b")]))).await;
    let text = "Log events in a single PutLogEvents request must be in chronological order.";
    assert_eq!(refused, pair("InvalidParameterException", text));
    let refused =
        scene.refused("PutLogEvents", put(json!([event(now - DAY_MS - 1, "a"), event(now, "b")]))).await;
    let text = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
    assert_eq!(refused, pair("InvalidParameterException", text));
    let large = "x".repeat(600_000);
    let refused = scene.refused("PutLogEvents", put(json!([event(now, &large), event(now, &large)]))).await;
    let text = "Upload too large: 1200052 bytes exceeds limit of 1048576";
    assert_eq!(refused, pair("InvalidParameterException", text));
    for events in [json!([]), json!([event(now, "")]), json!([event(-1, "a")])] {
        let (code, _) = scene.refused("PutLogEvents", put(events)).await;
        assert_eq!(code, "InvalidParameterException");
    }
    let many: Vec<_> = (0..10_001).map(|_| event(now, "x")).collect();
    assert_eq!(scene.refused("PutLogEvents", put(json!(many))).await.0, "InvalidParameterException");
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn events_too_old_or_too_new_are_left_out_and_reported() {
    let scene = Scene::new().await;
    let answer = scene.put(&[(-14 * DAY_MS - 1, "old"), (-14 * DAY_MS, "kept")]).await;
    assert_eq!(answer["rejectedLogEventsInfo"], json!({"tooOldLogEventEndIndex": 1}));
    let answer = scene.put(&[(0, "now"), (7_200_001, "new")]).await;
    assert_eq!(answer["rejectedLogEventsInfo"], json!({"tooNewLogEventStartIndex": 1}));
    let answer = scene.done("FilterLogEvents", json!({"logGroupName": "g"})).await;
    assert_eq!(messages(&answer), ["kept", "now"]);
}

#[tokio::test]
async fn expired_events_disappear_and_are_removed_from_the_store() {
    let scene = Scene::new().await;
    scene.done("PutRetentionPolicy", json!({"logGroupName": "g", "retentionInDays": 1})).await;
    scene.put(&[(0, "first")]).await;
    scene.world.clock.advance_seconds(2 * 86_400);
    for operation in ["GetLogEvents", "FilterLogEvents"] {
        let mut input = json!({"logGroupName": "g"});
        if operation == "GetLogEvents" {
            input["logStreamName"] = json!("s");
        }
        assert!(messages(&scene.done(operation, input).await).is_empty());
    }
    let answer = scene.put(&[(-DAY_MS - 1, "late"), (-5_000, "second")]).await;
    assert_eq!(answer["rejectedLogEventsInfo"], json!({"expiredLogEventEndIndex": 1}));
    // With the period lifted, whatever is still stored would show again.
    scene.done("DeleteRetentionPolicy", json!({"logGroupName": "g"})).await;
    let answer = scene.done("FilterLogEvents", json!({"logGroupName": "g"})).await;
    assert_eq!(messages(&answer), ["second"]);
}

#[tokio::test]
async fn a_stream_is_read_backwards_and_forwards_by_tokens() {
    let scene = Scene::new().await;
    for n in 0..5 {
        scene.put(&[(n * 2, &format!("e{}", n * 2)), (n * 2 + 1, &format!("e{}", n * 2 + 1))]).await;
    }
    let get = |extra: Value| {
        let mut input = json!({"logGroupName": "g", "logStreamName": "s", "limit": 4});
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        scene.done("GetLogEvents", input)
    };
    let newest = get(json!({})).await;
    assert_eq!(messages(&newest), ["e6", "e7", "e8", "e9"]);
    let older = get(json!({"nextToken": newest["nextBackwardToken"]})).await;
    assert_eq!(messages(&older), ["e2", "e3", "e4", "e5"]);
    let oldest = get(json!({"nextToken": older["nextBackwardToken"]})).await;
    assert_eq!(messages(&oldest), ["e0", "e1"]);
    let end = get(json!({"nextToken": oldest["nextBackwardToken"]})).await;
    assert!(messages(&end).is_empty());
    assert_eq!(end["nextBackwardToken"], oldest["nextBackwardToken"], "the end gives the token back");

    let head = get(json!({"startFromHead": true})).await;
    assert_eq!(messages(&head), ["e0", "e1", "e2", "e3"]);
    let next = get(json!({"startFromHead": true, "nextToken": head["nextForwardToken"]})).await;
    assert_eq!(messages(&next), ["e4", "e5", "e6", "e7"]);
    let last = get(json!({"nextToken": newest["nextForwardToken"]})).await;
    assert!(messages(&last).is_empty());
    assert_eq!(last["nextForwardToken"], newest["nextForwardToken"]);
    scene.put(&[(50, "later")]).await;
    let waited = get(json!({"nextToken": last["nextForwardToken"]})).await;
    assert_eq!(messages(&waited), ["later"]);
}

#[tokio::test]
async fn the_start_is_included_and_the_end_only_when_filtering() {
    let scene = Scene::new().await;
    scene.put(&[(0, "a"), (1, "b"), (2, "c")]).await;
    let (start, end) = (scene.now(), scene.now() + 2);
    let range = json!({"logGroupName": "g", "logStreamName": "s", "startTime": start, "endTime": end});
    assert_eq!(messages(&scene.done("GetLogEvents", range).await), ["a", "b"]);
    let range = json!({"logGroupName": "g", "startTime": start + 1, "endTime": end});
    assert_eq!(messages(&scene.done("FilterLogEvents", range).await), ["b", "c"]);
}

#[tokio::test]
async fn pages_hold_a_mebibyte() {
    let scene = Scene::new().await;
    let large = "x".repeat(400_000);
    for n in 0..5 {
        scene.put(&[(n, &large)]).await;
    }
    let answer = scene
        .done("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "s", "startFromHead": true}))
        .await;
    assert_eq!(messages(&answer).len(), 2);
    let mut count = 0;
    let mut input = json!({"logGroupName": "g"});
    loop {
        let answer = scene.done("FilterLogEvents", input.clone()).await;
        count += messages(&answer).len();
        match answer.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(count, 5);
}

#[tokio::test]
async fn filtering_interleaves_streams_and_pages_cover_each_event_once() {
    let scene = Scene::new().await;
    scene.done("CreateLogStream", json!({"logGroupName": "g", "logStreamName": "t"})).await;
    for n in 0..6 {
        scene.put(&[(n * 10, &format!("ERROR s{n}"))]).await;
        scene.put_into("t", &[(n * 10 + 5, &format!("ERROR t{n}")), (n * 10 + 6, "INFO")]).await;
    }
    let mut found: Vec<String> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    let mut input = json!({"logGroupName": "g", "filterPattern": "ERROR", "limit": 5});
    loop {
        let answer = scene.done("FilterLogEvents", input.clone()).await;
        assert_eq!(answer["searchedLogStreams"], json!([]));
        found.extend(messages(&answer).into_iter().map(str::to_owned));
        ids.extend(answer["events"].as_array().unwrap().iter().map(|event| event["eventId"].to_string()));
        match answer.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    let expected: Vec<_> = (0..6).flat_map(|n| [format!("ERROR s{n}"), format!("ERROR t{n}")]).collect();
    assert_eq!(found, expected);
    assert_eq!(ids.len(), expected.len());
    let only = scene
        .done(
            "FilterLogEvents",
            json!({"logGroupName": "g", "logStreamNames": ["t"], "filterPattern": "ERROR"}),
        )
        .await;
    assert_eq!(messages(&only).len(), 6);
    let only = scene.done("FilterLogEvents", json!({"logGroupName": "g", "logStreamNamePrefix": "s"})).await;
    assert_eq!(messages(&only).len(), 6);
}

#[tokio::test]
async fn bad_tokens_patterns_and_combinations_are_refused() {
    let scene = Scene::new().await;
    for (operation, input) in [
        ("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "s", "nextToken": "f/12/s"})),
        ("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "s", "limit": 10_001})),
        ("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "s", "logGroupIdentifier": "g"})),
        ("FilterLogEvents", json!({"logGroupName": "g", "nextToken": "x"})),
        ("FilterLogEvents", json!({"logGroupName": "g", "filterPattern": "{ $.a = "})),
        (
            "FilterLogEvents",
            json!({"logGroupName": "g", "logStreamNames": ["s"], "logStreamNamePrefix": "s"}),
        ),
        ("FilterLogEvents", json!({"logGroupName": "g", "filterPattern": "x".repeat(1025)})),
    ] {
        let (code, message) = scene.refused(operation, input.clone()).await;
        assert_eq!(code, "InvalidParameterException", "{operation} {input}: {message}");
    }
}
