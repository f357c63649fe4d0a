//! Dead letters, and destinations of other services: the call reaches the service that owns the target, under the function's
//! role, or it is told that it did not.

use casemate_schema::Document;
use serde_json::Value;

use crate::{
    configuration::{named, with},
    support::{Bench, LOGS, TRUST, sandboxed_among_others, text},
};

const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:dead";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:dead";
const BUS: &str = "arn:aws:events:us-east-1:123456789012:event-bus/default";
const FAILS: &str = "def handler(event, context):\n  raise ValueError('no')\n";
const EVENT: &str = "{\"x\": 1.50}";

fn event() -> Document {
    Document::structure([
        ("FunctionName", text("f")),
        ("InvocationType", text("Event")),
        ("Payload", Document::Blob(EVENT.into())),
    ])
}

fn letters(to: &str) -> (&'static str, Document) {
    ("DeadLetterConfig", Document::structure([("TargetArn", text(to))]))
}

/// The function `f`, whose role may tell all of them.
async fn function(bench: &Bench, code: &str, more: &[(&str, Document)]) -> String {
    let tell = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sqs:SendMessage","sns:Publish","events:PutEvents"],"Resource":"*"}}"#;
    let role = bench.world.identities().role("teller", &[LOGS, tell], Some(TRUST));
    let more: Vec<_> = more.iter().cloned().chain([("Role", Bench::role_arn("teller"))]).collect();
    bench.python_with("f", code, &more).await;
    role.unique_id.clone()
}

async fn configured(bench: &Bench, more: &[(&str, Document)]) {
    let once = ("MaximumRetryAttempts", Document::Integer(0));
    let more: Vec<_> = more.iter().cloned().chain([once]).collect();
    bench.done("PutFunctionEventInvokeConfig", with(named("f"), &more)).await;
}

/// Sends an event and waits until so many calls were made.
async fn told(bench: &Bench, count: usize) -> Vec<(&'static str, String, Document)> {
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    bench.eventually("they are told", |bench| bench.told.lock().unwrap().len() == count).await;
    bench.told.lock().unwrap().clone()
}

fn of<'a>(input: &'a Document, path: &[&str]) -> &'a str {
    let found = path.iter().try_fold(input, |document, name| document.get(name));
    found.and_then(Document::as_str).unwrap_or_else(|| panic!("{path:?} of {input:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_reaches_its_queue_under_the_functions_role() {
    let bench = sandboxed_among_others();
    function(&bench, FAILS, &[letters(QUEUE)]).await;
    configured(&bench, &[]).await;
    let told = told(&bench, 1).await;
    let (operation, caller, input) = &told[0];
    assert_eq!(
        (*operation, caller.as_str()),
        ("SendMessage", "arn:aws:sts::123456789012:assumed-role/teller/f")
    );
    assert_eq!(of(input, &["QueueUrl"]), "http://localhost:4566/123456789012/dead");
    assert_eq!(of(input, &["MessageBody"]), EVENT);
    let attribute = |name, member| of(input, &["MessageAttributes", name, member]);
    assert_eq!(
        (attribute("ErrorCode", "DataType"), attribute("ErrorCode", "StringValue")),
        ("Number", "200")
    );
    assert_eq!(attribute("ErrorMessage", "StringValue"), "no");
    assert_eq!(attribute("RequestID", "StringValue").len(), 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_and_a_bus_are_told_with_a_dead_letter_beside() {
    let bench = sandboxed_among_others();
    function(&bench, FAILS, &[letters(TOPIC)]).await;
    let to = Document::Map(vec![("OnFailure".to_owned(), Document::structure([("Destination", text(BUS))]))]);
    configured(&bench, &[("DestinationConfig", to)]).await;
    let told = told(&bench, 2).await;
    let (operation, _, input) = &told[0];
    assert_eq!(*operation, "PutEvents");
    let entry = &input.get("Entries").unwrap().items()[0];
    assert_eq!((of(entry, &["Source"]), of(entry, &["EventBusName"])), ("lambda", BUS));
    assert_eq!(of(entry, &["DetailType"]), "Lambda Function Invocation Result - Failure");
    let record: Value = serde_json::from_str(of(entry, &["Detail"])).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["responsePayload"]["errorMessage"], "no");
    let resources: Vec<_> =
        entry.get("Resources").unwrap().items().iter().filter_map(Document::as_str).collect();
    assert_eq!(resources, [BUS, "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST"]);
    let (operation, _, input) = &told[1];
    assert_eq!((*operation, of(input, &["TopicArn"]), of(input, &["Message"])), ("Publish", TOPIC, EVENT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_is_told_as_a_record_and_leaves_no_dead_letter() {
    let bench = sandboxed_among_others();
    function(&bench, "def handler(event, context):\n  return 7\n", &[letters(TOPIC)]).await;
    let to =
        Document::Map(vec![("OnSuccess".to_owned(), Document::structure([("Destination", text(QUEUE))]))]);
    configured(&bench, &[("DestinationConfig", to)]).await;
    let told = told(&bench, 1).await;
    let (operation, _, input) = &told[0];
    assert_eq!(*operation, "SendMessage");
    assert!(input.get("MessageAttributes").is_none());
    let record: Value = serde_json::from_str(of(input, &["MessageBody"])).unwrap();
    assert_eq!((&record["version"], &record["responsePayload"]), (&"1.0".into(), &7.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_stops_the_letter_of_a_role_that_may_no_longer_send_it() {
    let bench = sandboxed_among_others();
    let role = function(&bench, FAILS, &[letters(QUEUE)]).await;
    configured(&bench, &[]).await;
    bench.world.identities().grant(&role, &[LOGS], None);
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    let lost = |bench: &Bench| {
        bench.records().iter().any(|record| {
            record.operation.as_deref() == Some("lambda.dead-letter-lost")
                && record
                    .detail
                    .as_deref()
                    .is_some_and(|detail| detail.contains("not authorized to perform: sqs:SendMessage"))
        })
    };
    bench.eventually("a record", lost).await;
    assert!(bench.told.lock().unwrap().is_empty());
}
