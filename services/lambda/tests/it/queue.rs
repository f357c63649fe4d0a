//! Asynchronous requests.

use casemate_schema::Document;

use crate::support::{Bench, sandboxed, text};

fn event(payload: &str) -> Document {
    event_for("f", payload)
}

fn event_for(function: &str, payload: &str) -> Document {
    Document::structure([
        ("FunctionName", text(function)),
        ("InvocationType", text("Event")),
        ("Payload", Document::Blob(payload.as_bytes().to_vec().into())),
    ])
}

fn lines(bench: &Bench, of: &str) -> usize {
    bench.delivered.lock().unwrap().iter().filter(|(_, line)| line == of).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_accepted_at_once_and_run_later() {
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  print('got', event)\n").await;
    let answer = bench.call("Invoke", event("7")).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (202, ""));
    bench.eventually("the event runs", |bench| lines(bench, "got 7") == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_event_is_tried_three_times_and_dropped_with_a_record() {
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  print('try')\n  raise ValueError('no')\n").await;
    assert_eq!(bench.call("Invoke", event("{}")).await.status, 202);
    bench.eventually("first try", |bench| lines(bench, "try") == 1).await;
    for next in [2, 3] {
        // Time passes until the wait is over, however late the try before was noted.
        bench
            .eventually("another try", |bench| {
                bench.world.clock.advance_seconds(10);
                lines(bench, "try") == next
            })
            .await;
    }
    bench
        .eventually("it is dropped", |bench| {
            bench.records().iter().any(|record| record.operation.as_deref() == Some("lambda.request-dropped"))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_a_function_that_is_gone_is_dropped() {
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  raise ValueError('no')\n").await;
    assert_eq!(bench.call("Invoke", event("{}")).await.status, 202);
    bench
        .eventually("first try", |bench| {
            bench.delivered.lock().unwrap().iter().any(|(_, line)| line.starts_with("END"))
        })
        .await;
    bench.call("DeleteFunction", Document::structure([("FunctionName", text("f"))])).await;
    bench
        .eventually("it is dropped", |bench| {
            bench.world.clock.advance_seconds(10);
            bench.records().iter().any(|record| {
                record.operation.as_deref() == Some("lambda.request-dropped")
                    && record.detail.as_deref().is_some_and(|detail| detail.contains("gone"))
            })
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_not_for_a_later_function_of_the_same_name() {
    let bench = sandboxed();
    bench.python("f", "def handler(event, context):\n  raise ValueError('no')\n").await;
    assert_eq!(bench.call("Invoke", event("{}")).await.status, 202);
    bench
        .eventually("first try", |bench| {
            bench.delivered.lock().unwrap().iter().any(|(_, line)| line.starts_with("END"))
        })
        .await;
    bench.call("DeleteFunction", Document::structure([("FunctionName", text("f"))])).await;
    bench.python("f", "def handler(event, context):\n  print('the later one')\n").await;
    bench
        .eventually("it is dropped", |bench| {
            bench.world.clock.advance_seconds(10);
            bench.records().iter().any(|record| {
                record.operation.as_deref() == Some("lambda.request-dropped")
                    && record.detail.as_deref().is_some_and(|detail| detail.contains("gone"))
            })
        })
        .await;
    assert_eq!(lines(&bench, "the later one"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_function_that_never_ends_keep_no_other_functions_event_waiting() {
    let bench = sandboxed();
    let blocks = "import signal\ndef handler(event, context):\n  print('blocked', event)\n  signal.pause()\n";
    bench.python_with("f", blocks, &[("Timeout", Document::Integer(900))]).await;
    bench.python("g", "def handler(event, context):\n  print('g ran')\n").await;
    for number in 0..12 {
        assert_eq!(bench.call("Invoke", event(&number.to_string())).await.status, 202);
    }
    let blocked = |bench: &Bench, count| {
        (0..12).filter(|n| lines(bench, &format!("blocked {n}")) == 1).count() >= count
    };
    // More than the four that an account had at one time.
    bench.eventually("the flood blocks", |bench| blocked(bench, 6)).await;
    assert_eq!(bench.call("Invoke", event_for("g", "{}")).await.status, 202);
    bench.eventually("the other's event runs", |bench| lines(bench, "g ran") == 1).await;
    bench.eventually("all of the flood runs at once", |bench| blocked(bench, 12)).await;
}
