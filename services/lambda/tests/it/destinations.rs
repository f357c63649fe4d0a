//! The end of asynchronous requests: `PutFunctionEventInvokeConfig`, `UpdateFunctionEventInvokeConfig`,
//! `GetFunctionEventInvokeConfig`, `DeleteFunctionEventInvokeConfig`, `ListFunctionEventInvokeConfigs`, destinations,
//! dead letters, `InvokeAsync`; and `PutFunctionRecursionConfig`, `GetFunctionRecursionConfig`.

use casemate_schema::Document;

use crate::{
    configuration::{named, python, with},
    support::{Bench, bench, sandboxed, text},
};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function";
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:dead";
const FAILS: &str = "def handler(event, context):\n  print('try')\n  raise ValueError('no')\n";
const TELLS: &str = "import json\ndef handler(event, context):\n  print('told', json.dumps(event))\n";

fn to(which: &str, arn: &str) -> (&'static str, Document) {
    let target = Document::Map(vec![(which.to_owned(), Document::structure([("Destination", text(arn))]))]);
    ("DestinationConfig", target)
}

/// Functions that hear of successes and failures.
fn both(success: &str, failure: &str) -> (&'static str, Document) {
    let to = |name: &str| Document::structure([("Destination", text(&format!("{ARN}:{name}")))]);
    let both = vec![("OnSuccess".to_owned(), to(success)), ("OnFailure".to_owned(), to(failure))];
    ("DestinationConfig", Document::Map(both))
}

fn event() -> Document {
    Document::structure([
        ("FunctionName", text("f")),
        ("InvocationType", text("Event")),
        ("Payload", Document::Blob("{\"x\":1}".into())),
    ])
}

/// What the listening function was told.
fn told(bench: &Bench) -> Option<serde_json::Value> {
    let lines = bench.delivered.lock().unwrap();
    let line = lines.iter().find_map(|(_, line)| line.strip_prefix("told "))?;
    serde_json::from_str(line).ok()
}

fn lines(bench: &Bench, of: &str) -> usize {
    bench.delivered.lock().unwrap().iter().filter(|(_, line)| line.contains(of)).count()
}

/// A role that may write logs and invoke functions.
fn speaker(bench: &Bench) -> Document {
    let invoke = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}}"#;
    bench.world.identities().role("speaker", &[crate::support::LOGS, invoke], Some(crate::support::TRUST));
    Bench::role_arn("speaker")
}

#[tokio::test]
async fn configurations_are_kept_for_each_qualifier() {
    let bench = bench();
    let role = ("Role", speaker(&bench));
    bench.done("CreateFunction", with(python("f"), &[("Publish", Document::Bool(true)), role])).await;
    bench.done("CreateFunction", python("g")).await;
    let put = with(
        named("f"),
        &[("MaximumRetryAttempts", Document::Integer(0)), to("OnFailure", &format!("{ARN}:g"))],
    );
    let made = bench.done("PutFunctionEventInvokeConfig", put).await;
    assert_eq!(made["FunctionArn"], format!("{ARN}:f:$LATEST"));
    assert_eq!(made["DestinationConfig"]["OnFailure"]["Destination"], format!("{ARN}:g"));
    let update = with(named("f"), &[("MaximumEventAgeInSeconds", Document::Integer(60))]);
    let changed = bench.done("UpdateFunctionEventInvokeConfig", update).await;
    assert_eq!(
        (&changed["MaximumRetryAttempts"], &changed["MaximumEventAgeInSeconds"]),
        (&0.into(), &60.into())
    );
    assert_eq!(changed["DestinationConfig"], made["DestinationConfig"]);
    assert_eq!(bench.done("GetFunctionEventInvokeConfig", named("f")).await["MaximumEventAgeInSeconds"], 60);
    bench
        .done(
            "PutFunctionEventInvokeConfig",
            with(named("f:1"), &[("MaximumRetryAttempts", Document::Integer(1))]),
        )
        .await;
    let listed = bench.done("ListFunctionEventInvokeConfigs", named("f")).await;
    assert_eq!(listed["FunctionEventInvokeConfigs"].as_array().unwrap().len(), 2);
    bench.done("DeleteFunctionEventInvokeConfig", named("f")).await;
    for operation in ["GetFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"] {
        let answer = bench.call(operation, named("f")).await;
        assert_eq!(
            answer.message(),
            format!("The function {ARN}:f:$LATEST doesn't have an EventInvokeConfig")
        );
    }
}

#[tokio::test]
async fn configurations_that_cannot_hold_are_refused() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    bench.done("CreateFunction", python("g")).await;
    for (more, expected) in [
        (vec![], "You must specify at least one"),
        (vec![("MaximumRetryAttempts", Document::Integer(3))], "validation error"),
        (vec![("MaximumEventAgeInSeconds", Document::Integer(59))], "validation error"),
        (
            vec![to("OnFailure", &format!("{ARN}:f"))],
            "You can't specify the function as a destination for itself.",
        ),
        (vec![to("OnFailure", &format!("{ARN}:nope"))], "The destination ARN"),
        (vec![to("OnSuccess", "arn:aws:iam::123456789012:role/x")], "The provided destination config"),
        (vec![to("OnFailure", &format!("{QUEUE}.fifo"))], "The provided destination config"),
        (vec![to("OnSuccess", "arn:aws:s3:::bucket")], "The provided destination config"),
        (
            vec![to("OnFailure", QUEUE)],
            "The function's execution role does not have permissions to call SendMessage on arn:aws:sqs:us-east-1:123456789012:dead",
        ),
        (
            vec![to("OnFailure", &format!("{ARN}:g"))],
            "The function's execution role does not have permissions to call InvokeFunction on",
        ),
        (
            vec![("Qualifier", text("7")), ("MaximumRetryAttempts", Document::Integer(1))],
            "The function doesn't exist.",
        ),
    ] {
        let answer = bench.call("PutFunctionEventInvokeConfig", with(named("f"), &more)).await;
        assert!(answer.status.is_client_error() && answer.message().contains(expected), "{}", answer.text());
    }
    let update = with(named("f"), &[("MaximumRetryAttempts", Document::Integer(1))]);
    assert_eq!(bench.call("UpdateFunctionEventInvokeConfig", update).await.status, 404);
    let letters = |arn: &str| ("DeadLetterConfig", Document::structure([("TargetArn", text(arn))]));
    for (target, expected) in [
        (format!("{ARN}:g"), "must be the ARN of a standard SQS queue or SNS topic"),
        (format!("{QUEUE}.fifo"), "must be the ARN of a standard SQS queue or SNS topic"),
        (
            QUEUE.to_owned(),
            "The provided execution role does not have permissions to call SendMessage on SQS",
        ),
        (
            QUEUE.replace("sqs", "sns"),
            "The provided execution role does not have permissions to call Publish on SNS",
        ),
    ] {
        for (operation, function) in
            [("UpdateFunctionConfiguration", named("f")), ("CreateFunction", python("h"))]
        {
            let answer = bench.call(operation, with(function, &[letters(&target)])).await;
            assert!(answer.status == 400 && answer.message().contains(expected), "{}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_hears_of_success_under_the_functions_role() {
    let bench = sandboxed();
    let role = speaker(&bench);
    bench
        .python_with("f", "def handler(event, context):\n  return {'got': event}\n", &[("Role", role)])
        .await;
    bench.python("g", TELLS).await;
    let config = with(named("f"), &[to("OnSuccess", &format!("{ARN}:g"))]);
    bench.done("PutFunctionEventInvokeConfig", config).await;
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    bench.eventually("it is told", |bench| told(bench).is_some()).await;
    let record = told(&bench).unwrap();
    assert_eq!((&record["version"], &record["requestPayload"]["x"]), (&"1.0".into(), &1.into()));
    let context = &record["requestContext"];
    assert_eq!((&context["condition"], &context["approximateInvokeCount"]), (&"Success".into(), &1.into()));
    assert_eq!(context["functionArn"], format!("{ARN}:f:$LATEST"));
    assert_eq!(
        (&record["responsePayload"]["got"]["x"], &record["responseContext"]["statusCode"]),
        (&1.into(), &200.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_retries_a_failure_is_told_at_once() {
    let bench = sandboxed();
    let role = speaker(&bench);
    bench.python_with("f", FAILS, &[("Role", role)]).await;
    bench.python("g", TELLS).await;
    let config = with(
        named("f"),
        &[("MaximumRetryAttempts", Document::Integer(0)), to("OnFailure", &format!("{ARN}:g"))],
    );
    bench.done("PutFunctionEventInvokeConfig", config).await;
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    bench.eventually("it is told", |bench| told(bench).is_some()).await;
    let record = told(&bench).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "no");
    assert_eq!(lines(&bench, "try"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_would_come_too_late_is_not_made() {
    let bench = sandboxed();
    bench.python("f", FAILS).await;
    let config = with(named("f"), &[("MaximumEventAgeInSeconds", Document::Integer(60))]);
    bench.done("PutFunctionEventInvokeConfig", config).await;
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    bench
        .eventually("it is dropped", |bench| {
            bench.world.clock.advance_seconds(1);
            bench.records().iter().any(|record| {
                record.operation.as_deref() == Some("lambda.request-dropped")
                    && record.detail.as_deref().is_some_and(|detail| detail.contains("too old"))
            })
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_no_longer_invoke_the_destination_tells_nobody_and_that_is_recorded() {
    let bench = sandboxed();
    let invoke = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}}"#;
    let role =
        bench.world.identities().role("fickle", &[crate::support::LOGS, invoke], Some(crate::support::TRUST));
    let role_arn = ("Role", Bench::role_arn("fickle"));
    bench.python_with("f", "def handler(event, context):\n  return 1\n", &[role_arn]).await;
    bench.python("g", TELLS).await;
    bench
        .done("PutFunctionEventInvokeConfig", with(named("f"), &[to("OnSuccess", &format!("{ARN}:g"))]))
        .await;
    bench.world.identities().grant(&role.unique_id, &[crate::support::LOGS], None);
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    bench.eventually("a line", |bench| lines(bench, &format!("Destination {ARN}:g was not told")) == 1).await;
    let failed = |bench: &Bench| {
        bench.records().iter().any(|record| record.operation.as_deref() == Some("lambda.destination-failed"))
    };
    bench.eventually("a record", failed).await;
    assert!(told(&bench).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_concurrency_a_request_fails_at_once_and_its_dead_letter_is_recorded_as_lost() {
    // There is no service of queues.
    let bench = sandboxed();
    let send = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}"#;
    bench.world.identities().role("sender", &[crate::support::LOGS, send], Some(crate::support::TRUST));
    let letters = ("DeadLetterConfig", Document::structure([("TargetArn", text(QUEUE))]));
    bench.python_with("f", FAILS, &[letters, ("Role", Bench::role_arn("sender"))]).await;
    let none = with(named("f"), &[("ReservedConcurrentExecutions", Document::Integer(0))]);
    bench.done("PutFunctionConcurrency", none).await;
    let input =
        Document::structure([("FunctionName", text("f")), ("InvokeArgs", Document::Blob("{}".into()))]);
    assert_eq!(bench.call("InvokeAsync", input).await.status, 202);
    bench
        .eventually("a line", |bench| lines(bench, &format!("The dead letter did not reach {QUEUE}")) == 1)
        .await;
    let lost = |bench: &Bench| {
        bench.records().iter().any(|record| {
            record.operation.as_deref() == Some("lambda.dead-letter-lost")
                && record
                    .detail
                    .as_deref()
                    .is_some_and(|detail| detail.contains("no operation `sqs:SendMessage`"))
        })
    };
    bench.eventually("a record", lost).await;
    assert_eq!(lines(&bench, "try"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_of_a_function_in_a_day_is_told_in_one_stream() {
    let bench = sandboxed();
    let send = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}"#;
    bench.world.identities().role("sender", &[crate::support::LOGS, send], Some(crate::support::TRUST));
    let letters = ("DeadLetterConfig", Document::structure([("TargetArn", text(QUEUE))]));
    bench.python_with("f", FAILS, &[letters, ("Role", Bench::role_arn("sender"))]).await;
    let none = with(named("f"), &[("ReservedConcurrentExecutions", Document::Integer(0))]);
    bench.done("PutFunctionConcurrency", none).await;
    let streams = |bench: &Bench| -> Vec<String> {
        let lines = bench.delivered.lock().unwrap();
        lines
            .iter()
            .filter(|(_, line)| line.contains("dead letter"))
            .map(|(stream, _)| stream.clone())
            .collect()
    };
    for sent in 1..=3 {
        assert_eq!(bench.call("Invoke", event()).await.status, 202);
        bench.eventually("a line", |bench| streams(bench).len() == sent).await;
    }
    let all = streams(&bench);
    assert!(all.iter().all(|stream| *stream == all[0]), "{all:?}");
    // What it is now is another than what wrote before: another role may speak.
    bench.done("UpdateFunctionConfiguration", with(named("f"), &[("Description", text("new"))])).await;
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    bench.eventually("a line", |bench| streams(bench).len() == 4).await;
    assert_ne!(streams(&bench)[3], all[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_functions_that_tell_each_other_are_stopped() {
    let bench = sandboxed();
    let role = speaker(&bench);
    for name in ["f", "g"] {
        let role = ("Role", role.clone());
        bench.python_with(name, "def handler(event, context):\n  print('ran')\n", &[role]).await;
    }
    for (name, other) in [("f", "g"), ("g", "f")] {
        bench.done("PutFunctionEventInvokeConfig", with(named(name), &[both(other, other)])).await;
    }
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    bench.eventually("a line", |bench| lines(bench, "the loop is stopped") == 1).await;
    let dropped = |bench: &Bench| {
        bench.records().iter().any(|record| {
            record.operation.as_deref() == Some("lambda.request-dropped")
                && record.detail.as_deref().is_some_and(|detail| detail.contains("the loop is stopped"))
        })
    };
    bench.eventually("a record", dropped).await;
    // Nor do their stops go round.
    bench.eventually("a line", |bench| lines(bench, &format!("Destination {ARN}:g was not told")) == 1).await;
    // Each ran as often as a function may in one chain.
    bench.eventually("all runs", |bench| lines(bench, "ran") == 32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_loop_is_told_to_who_hears_of_failures() {
    let bench = sandboxed();
    let role = speaker(&bench);
    for name in ["f", "g"] {
        let role = ("Role", role.clone());
        bench.python_with(name, "def handler(event, context):\n  print('ran')\n", &[role]).await;
    }
    bench.python("h", TELLS).await;
    bench.done("PutFunctionEventInvokeConfig", with(named("f"), &[both("g", "h")])).await;
    bench.done("PutFunctionEventInvokeConfig", with(named("g"), &[both("f", "f")])).await;
    assert_eq!(bench.call("Invoke", event()).await.status, 202);
    bench.eventually("it is told", |bench| told(bench).is_some()).await;
    let context = &told(&bench).unwrap()["requestContext"];
    assert_eq!(
        (&context["condition"], &context["approximateInvokeCount"]),
        (&"RetriesExhausted".into(), &0.into())
    );
    assert_eq!(lines(&bench, "ran"), 32);
}

#[tokio::test]
async fn what_invoke_async_takes_is_json_of_256_kilobytes() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    let call = async |body: Vec<u8>| {
        let body = Document::Blob(body.into());
        let input = Document::structure([("FunctionName", text("f")), ("InvokeArgs", body)]);
        bench.call("InvokeAsync", input).await.status.as_u16()
    };
    assert_eq!(call(b"{".to_vec()).await, 400);
    assert_eq!(call(vec![b'1'; 262_144]).await, 202);
    assert_eq!(call(vec![b'1'; 262_145]).await, 413);
}

#[tokio::test]
async fn loops_are_stopped_unless_they_are_allowed() {
    let bench = bench();
    bench.done("CreateFunction", python("f")).await;
    assert_eq!(bench.done("GetFunctionRecursionConfig", named("f")).await["RecursiveLoop"], "Terminate");
    let allow = with(named("f"), &[("RecursiveLoop", text("Allow"))]);
    bench.done("PutFunctionRecursionConfig", allow).await;
    assert_eq!(bench.done("GetFunctionRecursionConfig", named("f")).await["RecursiveLoop"], "Allow");
}
