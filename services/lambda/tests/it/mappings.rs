//! Event source mappings: `CreateEventSourceMapping`, `GetEventSourceMapping`, `ListEventSourceMappings`,
//! `UpdateEventSourceMapping`, `DeleteEventSourceMapping`.

use casemate_schema::Document;
use casemate_testkit::Response;

use crate::{
    configuration::{named, python, with},
    support::{ALL, Bench, TRUST, bench, text},
};

const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:q";
const STREAM: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000";
const SHARDS: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/s";
const READS_QUEUE: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes"],"Resource":"arn:aws:sqs:us-east-1:123456789012:q"}}"#;

fn mapping(function: &str, source: &str) -> Document {
    with(named(function), &[("EventSourceArn", text(source))])
}

fn uuid(uuid: &str) -> Document {
    Document::structure([("UUID", text(uuid))])
}

/// A function `name` whose role has these policies.
async fn function(bench: &mut Bench, name: &str, policies: &[&str]) {
    bench.world.identities().role(name, policies, Some(TRUST));
    bench.done("CreateFunction", with(python(name), &[("Role", Bench::role_arn(name))])).await;
}

fn refused(answer: &Response, code: &str, expected: &str) {
    assert_eq!(answer.code().as_deref(), Some(code), "{}", answer.text());
    assert!(answer.message().contains(expected), "{}", answer.message());
}

#[tokio::test]
async fn a_mapping_is_kept_shown_changed_and_removed() {
    let mut bench = bench();
    function(&mut bench, "f", &[READS_QUEUE]).await;
    let tags = Document::Map(vec![("team".to_owned(), text("a"))]);
    let answer = bench.call("CreateEventSourceMapping", with(mapping("f", QUEUE), &[("Tags", tags)])).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let made = answer.json();
    let id = made["UUID"].as_str().unwrap();
    let arn = format!("arn:aws:lambda:us-east-1:123456789012:event-source-mapping:{id}");
    assert_eq!(made["EventSourceMappingArn"], arn);
    assert_eq!(made["FunctionArn"], "arn:aws:lambda:us-east-1:123456789012:function:f");
    assert_eq!((&made["BatchSize"], &made["EventSourceArn"]), (&10.into(), &QUEUE.into()));
    // It was asked to be enabled, and nothing polls it.
    assert_eq!(made["State"], "Disabled");
    assert!(made["StateTransitionReason"].as_str().unwrap().contains("polls"));
    assert_eq!(bench.done("GetEventSourceMapping", uuid(id)).await, made);
    let of_arn = Document::structure([("Resource", text(&arn))]);
    assert_eq!(bench.done("ListTags", of_arn.clone()).await["Tags"]["team"], "a");
    let keys = Document::List(vec![text("team")]);
    bench.done("UntagResource", with(of_arn.clone(), &[("TagKeys", keys)])).await;
    assert_eq!(bench.done("ListTags", of_arn.clone()).await["Tags"], serde_json::json!({}));
    let change = with(uuid(id), &[("BatchSize", Document::Integer(5)), ("Enabled", Document::Bool(false))]);
    let changed = bench.done("UpdateEventSourceMapping", change).await;
    assert_eq!((&changed["BatchSize"], &changed["State"]), (&5.into(), &"Disabled".into()));
    assert_eq!(changed["StateTransitionReason"], "USER_INITIATED");
    let gone = bench.done("DeleteEventSourceMapping", uuid(id)).await;
    assert_eq!((&gone["UUID"], &gone["State"]), (&made["UUID"], &"Deleting".into()));
    for operation in ["GetEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping"] {
        let answer = bench.call(operation, uuid(id)).await;
        assert_eq!(answer.status, 404);
        refused(&answer, "ResourceNotFoundException", "The resource you requested does not exist.");
    }
    assert_eq!(bench.call("ListTags", of_arn).await.status, 404);
}

#[tokio::test]
async fn a_role_that_cannot_read_the_source_is_refused() {
    let mut bench = bench();
    let two = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:GetQueueAttributes"],"Resource":"*"}}"#;
    let elsewhere = READS_QUEUE.replace(":q\"", ":other\"");
    let denied = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sqs:GetQueueAttributes","Resource":"*"}}"#;
    let table = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:DescribeStream"],"Resource":"arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/*"},{"Effect":"Allow","Action":"dynamodb:ListStreams","Resource":"*"}]}"#;
    function(&mut bench, "none", &[]).await;
    function(&mut bench, "two", &[two]).await;
    function(&mut bench, "elsewhere", &[&elsewhere]).await;
    function(&mut bench, "denied", &[READS_QUEUE, denied]).await;
    function(&mut bench, "table", &[table]).await;
    for (name, action) in [
        ("none", "ReceiveMessage"),
        ("two", "DeleteMessage"),
        ("elsewhere", "ReceiveMessage"),
        ("denied", "GetQueueAttributes"),
    ] {
        let answer = bench.call("CreateEventSourceMapping", mapping(name, QUEUE)).await;
        let expected =
            format!("The function execution role does not have permissions to call {action} on SQS");
        refused(&answer, "InvalidParameterValueException", &expected);
    }
    let latest = ("StartingPosition", text("LATEST"));
    for source in [STREAM, SHARDS] {
        let answer =
            bench.call("CreateEventSourceMapping", with(mapping("none", source), &[latest.clone()])).await;
        refused(
            &answer,
            "InvalidParameterValueException",
            &format!("Cannot access stream {source}. Please ensure"),
        );
    }
    let stream = bench.done("CreateEventSourceMapping", with(mapping("table", STREAM), &[latest])).await;
    assert_eq!(stream["LastProcessingResult"], "No records processed");
    // A destination that the role may not reach.
    let to = Document::structure([("Destination", text(QUEUE))]);
    let to = Document::structure([("OnFailure", to)]);
    let change = with(uuid(stream["UUID"].as_str().unwrap()), &[("DestinationConfig", to)]);
    let answer = bench.call("UpdateEventSourceMapping", change).await;
    refused(&answer, "InvalidParameterValueException", "permissions to call SendMessage on SQS");
}

#[tokio::test]
async fn what_is_no_mapping_is_refused() {
    let mut bench = bench();
    function(&mut bench, "f", &[ALL]).await;
    let latest = || ("StartingPosition", text("LATEST"));
    let at_time = || ("StartingPosition", text("AT_TIMESTAMP"));
    let wrong = "InvalidParameterValueException";
    for (input, code, expected) in [
        (named("f"), wrong, "Unrecognized event source."),
        (mapping("f", "arn:aws:sns:us-east-1:123456789012:t"), wrong, "Unrecognized event source."),
        (mapping("nope", QUEUE), wrong, "Function does not exist"),
        (mapping("210987654321:function:f", QUEUE), wrong, "Function does not exist"),
        (
            with(mapping("f", QUEUE), &[latest()]),
            wrong,
            "StartingPosition is not valid for SQS event sources.",
        ),
        (mapping("f", SHARDS), wrong, "Value null at 'startingPosition'"),
        (with(mapping("f", STREAM), &[at_time()]), wrong, "Unsupported starting position for arn type: "),
        (
            with(mapping("f", SHARDS), &[("StartingPosition", text("0"))]),
            "ValidationException",
            "Member must satisfy enum value set: [",
        ),
        (
            with(mapping("f", QUEUE), &[("BatchSize", Document::Integer(11))]),
            wrong,
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        (
            with(mapping("f", QUEUE), &[("BatchSize", Document::Integer(10_001))]),
            "ValidationException",
            "less than or equal to 10000",
        ),
        (
            with(
                mapping("f", QUEUE),
                &[("ScalingConfig", Document::structure([("MaximumConcurrency", Document::Integer(1))]))],
            ),
            "ValidationException",
            "greater than or equal to 2",
        ),
        (
            with(mapping("f", QUEUE), &[("ParallelizationFactor", Document::Integer(2))]),
            wrong,
            "Unsupported ParallelizationFactor parameter for given event source mapping type.",
        ),
    ] {
        refused(&bench.call("CreateEventSourceMapping", input).await, code, expected);
    }
    let made = bench.done("CreateEventSourceMapping", mapping("f", QUEUE)).await;
    let again = bench.call("CreateEventSourceMapping", mapping("f", QUEUE)).await;
    assert_eq!(again.status, 409);
    let expected = format!(
        "An event source mapping with SQS arn (\" {QUEUE} \") and function (\" f \") already exists. Please update or \
         delete the existing mapping with UUID {}",
        made["UUID"].as_str().unwrap()
    );
    refused(&again, "ResourceConflictException", &expected);
}

#[tokio::test]
async fn lists_are_of_a_function_a_source_or_the_account() {
    let mut bench = bench();
    for name in ["f", "fo", "g"] {
        function(&mut bench, name, &[ALL]).await;
        bench.done("CreateEventSourceMapping", mapping(name, QUEUE)).await;
    }
    bench
        .done("CreateEventSourceMapping", with(mapping("f", SHARDS), &[("StartingPosition", text("LATEST"))]))
        .await;
    let count = async |more: &[(&str, Document)]| {
        let listed = bench.done("ListEventSourceMappings", with(Document::structure([]), more)).await;
        listed["EventSourceMappings"].as_array().unwrap().len()
    };
    assert_eq!(count(&[]).await, 4);
    assert_eq!(count(&[("FunctionName", text("f"))]).await, 2);
    assert_eq!(count(&[("EventSourceArn", text(QUEUE))]).await, 3);
    assert_eq!(count(&[("FunctionName", text("f")), ("EventSourceArn", text(QUEUE))]).await, 1);
    // Every one comes once.
    let (mut seen, mut marker) = (Vec::new(), None::<String>);
    loop {
        let mut input =
            Document::structure([("MaxItems", Document::Integer(1)), ("EventSourceArn", text(QUEUE))]);
        input.push("Marker", marker.into());
        let page = bench.done("ListEventSourceMappings", input).await;
        seen.extend(
            page["EventSourceMappings"].as_array().unwrap().iter().map(|one| one["UUID"].to_string()),
        );
        marker = page["NextMarker"].as_str().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_mapping_goes_with_its_function() {
    let mut bench = bench();
    function(&mut bench, "f", &[ALL]).await;
    let made = bench.done("CreateEventSourceMapping", mapping("f", QUEUE)).await;
    bench.done("DeleteFunction", named("f")).await;
    let id = made["UUID"].as_str().unwrap();
    assert_eq!(bench.call("GetEventSourceMapping", uuid(id)).await.status, 404);
    bench.done("CreateFunction", with(python("f"), &[("Role", Bench::role_arn("f"))])).await;
    bench.done("CreateEventSourceMapping", mapping("f", QUEUE)).await;
}

#[tokio::test]
async fn the_function_and_the_tags_are_condition_keys() {
    let mut bench = bench();
    for name in ["f", "g"] {
        function(&mut bench, name, &[ALL]).await;
    }
    let only_f = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:*EventSourceMapping","Resource":"*","Condition":{"StringEquals":{"lambda:FunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:f"}}}}"#;
    let tagged = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:GetEventSourceMapping","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}"#;
    let ann = bench.world.identities().user("ann", &[only_f]);
    let ben = bench.world.identities().user("ben", &[tagged]);
    let other = bench.world.other_account();
    let stranger = bench.world.identities().user_of(&other, "eve", &[ALL], None);
    let made = bench.world.call(&ann, "lambda", "CreateEventSourceMapping", mapping("f", QUEUE)).await.json();
    let (f, g) = (mapping("f", SHARDS), mapping("g", QUEUE));
    let id = made["UUID"].as_str().unwrap();
    let status =
        async |who, operation, input| bench.world.call(who, "lambda", operation, input).await.status.as_u16();
    assert_eq!(status(&ann, "CreateEventSourceMapping", g.clone()).await, 403);
    // Allowed, and then no mapping.
    assert_eq!(status(&ann, "CreateEventSourceMapping", f).await, 400);
    assert_eq!(status(&ann, "GetEventSourceMapping", uuid(id)).await, 200);
    let moved = with(uuid(id), &[("FunctionName", text("g"))]);
    assert_eq!(status(&ann, "UpdateEventSourceMapping", moved.clone()).await, 403);
    let of_g = bench.done("CreateEventSourceMapping", g).await;
    let of_g = of_g["UUID"].as_str().unwrap();
    for operation in ["GetEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping"] {
        assert_eq!(status(&ann, operation, uuid(of_g)).await, 403, "{operation}");
    }
    assert_eq!(status(&ben, "GetEventSourceMapping", uuid(id)).await, 403);
    let tags = Document::Map(vec![("team".to_owned(), text("a"))]);
    let arn = made["EventSourceMappingArn"].as_str().unwrap();
    bench.done("TagResource", Document::structure([("Resource", text(arn)), ("Tags", tags)])).await;
    assert_eq!(status(&ben, "GetEventSourceMapping", uuid(id)).await, 200);
    assert_eq!(status(&stranger, "GetEventSourceMapping", uuid(id)).await, 404);
    assert_eq!(
        status(&stranger, "CreateEventSourceMapping", mapping("123456789012:function:f", QUEUE)).await,
        400
    );
}
