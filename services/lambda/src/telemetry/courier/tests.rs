//! Deliveries to a listener on this host's loopback, over a socket like an environment's.

use std::os::fd::AsFd;

use casemate_names::Timestamp;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::telemetry::{Api, Refused, Source, Telemetry, WAITING_BYTES_MAX};

fn outlet() -> Outlet {
    Outlet::Socket(TcpSocket::new_v4().unwrap().as_fd().try_clone_to_owned().unwrap().into())
}

fn telemetry() -> Telemetry {
    Telemetry::new(Arc::new(casemate_names::SystemClock), vec![outlet(), outlet()])
}

fn wanted(api: Api, destination: &Value) -> Subscription {
    let body = json!({
        "schemaVersion": if api == Api::Logs { "2021-03-18" } else { "2022-12-13" },
        "types": ["platform", "function"],
        "destination": destination,
        "buffering": { "maxItems": 1_000, "timeoutMs": 25 },
    });
    Subscription::parse(api, body.to_string().as_bytes()).unwrap()
}

fn http(listener: &TcpListener) -> Value {
    json!({ "protocol": "HTTP", "URI": format!("http://sandbox.localdomain:{}/path", listener.local_addr().unwrap().port()) })
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Takes one request and gives this answer; the head and the events.
async fn take(listener: &TcpListener, answer: &str) -> (String, Vec<Value>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut all = Vec::new();
    let (head, body) = loop {
        let mut buffer = vec![0; 65_536];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the request broke off");
        all.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&all);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            break (head.to_owned(), serde_json::from_str(body).unwrap());
        }
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
    (head, body)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn say(telemetry: &Telemetry, line: &str) {
    telemetry.line(Timestamp::from_millis(0), Source::Function, line.as_bytes(), false);
}

fn records(events: &[Value]) -> Vec<&Value> {
    events.iter().map(|event| &event["record"]).collect()
}

#[tokio::test]
async fn what_was_told_before_and_after_a_subscription_is_delivered_in_order() {
    let (telemetry, listener) = (telemetry(), listener().await);
    let now = Timestamp::from_millis(0);
    telemetry.note(now, &Note::remark("before".to_owned()));
    let told = telemetry.subscribe("one", wanted(Api::Telemetry, &http(&listener))).unwrap().unwrap();
    assert_eq!(
        told.text.as_deref(),
        Some("TELEMETRY\tName: one\tState: Subscribed\tTypes: [platform, function]")
    );
    telemetry.note(now, &told);
    say(&telemetry, "after");
    telemetry.line(now, Source::Extension, b"not asked for", false);
    let (head, events) = take(&listener, OK).await;
    assert!(head.starts_with("POST /path HTTP/1.1\r\nHost: sandbox.localdomain:"), "{head}");
    let expected = json!({ "name": "one", "state": "Subscribed", "types": ["platform", "function"] });
    assert_eq!(records(&events), [&json!("before"), &expected, &json!("after")]);
    assert_eq!(
        events[2],
        json!({ "time": "1970-01-01T00:00:00.000Z", "type": "function", "record": "after" })
    );
}

#[tokio::test]
async fn objects_are_told_as_objects_where_the_log_is_json() {
    let (telemetry, listener) = (telemetry(), listener().await);
    telemetry.subscribe("one", wanted(Api::Telemetry, &http(&listener))).unwrap();
    for line in [r#"{"level":"INFO","n":1}"#, "[1]", "{broken"] {
        telemetry.line(Timestamp::from_millis(0), Source::Function, line.as_bytes(), true);
    }
    let (_, events) = take(&listener, OK).await;
    assert_eq!(records(&events), [&json!({ "level": "INFO", "n": 1 }), &json!("[1]"), &json!("{broken")]);
}

#[tokio::test]
async fn what_is_refused_is_delivered_again_and_what_comes_meanwhile_follows() {
    let (telemetry, listener) = (telemetry(), listener().await);
    let destination = json!({ "protocol": "HTTP", "URI": http(&listener)["URI"], "method": "PUT" });
    telemetry.subscribe("one", wanted(Api::Logs, &destination)).unwrap();
    say(&telemetry, "first");
    for answer in [
        "HTTP/1.1 500 No\r\n\r\n",
        "HTTP/1.1 302 Elsewhere\r\nlocation: http://192.0.2.1/\r\n\r\n",
        "no HTTP!!!",
    ] {
        let (head, events) = take(&listener, answer).await;
        assert!(head.starts_with("PUT /path"), "{head}");
        assert_eq!(records(&events), ["first"]);
        say(&telemetry, "meanwhile");
    }
    assert_eq!(records(&take(&listener, OK).await.1), ["first"]);
    assert_eq!(records(&take(&listener, OK).await.1), ["meanwhile"; 3]);
}

#[tokio::test]
async fn over_tcp_each_event_is_a_line() {
    let (telemetry, listener) = (telemetry(), listener().await);
    let port = listener.local_addr().unwrap().port();
    telemetry.subscribe("one", wanted(Api::Telemetry, &json!({ "protocol": "TCP", "port": port }))).unwrap();
    say(&telemetry, "a\u{e4}");
    say(&telemetry, "b");
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records(&events), ["a\u{e4}", "b"]);
}

#[tokio::test]
async fn who_is_too_slow_loses_what_does_not_fit_and_is_told_how_much() {
    let (telemetry, listener) = (telemetry(), listener().await);
    telemetry.subscribe("one", wanted(Api::Telemetry, &http(&listener))).unwrap();
    // Nothing is taken away in between: everything happens on this thread.
    let line = "x".repeat(1_000);
    let bytes = crate::platform::line("function", Timestamp::from_millis(0), &line.as_str().into()).len();
    let (fit, lost) = (WAITING_BYTES_MAX / bytes, 1_000);
    for _ in 0..fit + lost {
        say(&telemetry, &line);
    }
    let (mut events, mut dropped) = (0, Vec::new());
    while events < fit {
        let (_, batch) = take(&listener, OK).await;
        assert!(batch.len() <= 1_001, "{}", batch.len());
        assert!(batch.iter().map(|event| event.to_string().len()).sum::<usize>() < 262_144 + 300);
        events += batch.iter().filter(|event| event["type"] == "function").count();
        dropped.extend(batch.into_iter().filter(|event| event["type"] == "platform.logsDropped"));
    }
    assert_eq!(events, fit);
    let [dropped] = dropped.as_slice() else { panic!("{dropped:?}") };
    assert_eq!(dropped["record"]["droppedRecords"], lost);
    assert_eq!(dropped["record"]["droppedBytes"], lost * bytes);
}

#[tokio::test]
async fn a_line_for_which_there_is_no_room_is_counted_as_it_was_written() {
    let (telemetry, listener) = (telemetry(), listener().await);
    telemetry.subscribe("one", wanted(Api::Telemetry, &http(&listener))).unwrap();
    let queue = Arc::clone(&telemetry.state.lock().unwrap().subscribers[0].queue);
    let empty = crate::platform::line("function", Timestamp::from_millis(0), &"".into()).len();
    queue.waiting.lock().unwrap().bytes = WAITING_BYTES_MAX - empty + 1;
    // As an event each byte of the second would be six.
    for line in ["", "\u{1}\u{1}\u{1}"] {
        say(&telemetry, line);
    }
    let waiting = queue.waiting.lock().unwrap();
    assert!(waiting.events.is_empty());
    assert_eq!(waiting.dropped, Dropped { records: 2, bytes: 2 * empty as u64 + 3 });
}

#[tokio::test]
async fn what_nobody_takes_in_its_time_is_dropped_and_counted_with_what_was_dropped_before() {
    let (clock, listener) = (Arc::new(casemate_names::SystemClock), listener().await);
    let queue = Arc::new(Queue::default());
    let running = watch::Sender::new(true);
    let clock: Arc<dyn Clock> = clock;
    let subscription = wanted(Api::Telemetry, &http(&listener));
    let mut courier = Courier::new(outlet(), subscription, Arc::clone(&queue), running.subscribe(), &clock);
    courier.limit = Duration::ZERO;
    queue.waiting.lock().unwrap().dropped = Dropped { records: 7, bytes: 70 };
    queue.push("\"one\"".to_owned());
    let courier = tokio::spawn(courier.run());
    // It connects, and is never answered.
    drop(listener.accept().await.unwrap());
    let both = || queue.waiting.lock().unwrap().dropped == Dropped { records: 8, bytes: 75 };
    while !both() {
        tokio::task::yield_now().await;
    }
    courier.abort();
}

#[tokio::test]
async fn the_time_of_a_frozen_environment_does_not_count() {
    let running = watch::Sender::new(false);
    let mut overdue = pin!(overdue(running.subscribe(), Duration::ZERO));
    let polled = std::future::poll_fn(|context| std::task::Poll::Ready(overdue.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "it is frozen");
    running.send_replace(true);
    overdue.await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_company() {
    let (telemetry, listener) = (telemetry(), listener().await);
    let mut patient = wanted(Api::Telemetry, &http(&listener));
    patient.timeout = Duration::from_mins(30);
    telemetry.subscribe("one", patient).unwrap();
    say(&telemetry, "waiting");
    telemetry.hurry();
    assert_eq!(records(&take(&listener, OK).await.1), ["waiting"]);
    say(&telemetry, "last words");
    assert_eq!(records(&take(&listener, OK).await.1), ["last words"]);
}

#[tokio::test]
async fn an_extension_has_one_subscription_and_there_are_as_many_as_ways_in() {
    let (telemetry, listener) = (telemetry(), listener().await);
    let wish = |api| wanted(api, &http(&listener));
    assert!(telemetry.subscribe("one", wish(Api::Telemetry)).unwrap().is_some());
    assert_eq!(telemetry.subscribe("one", wish(Api::Telemetry)), Ok(None), "the same again");
    assert_eq!(telemetry.subscribe("one", wish(Api::Logs)), Err(Refused::Subscribed));
    assert!(telemetry.subscribe("two", wish(Api::Logs)).unwrap().is_some());
    assert_eq!(telemetry.subscribe("three", wish(Api::Logs)), Err(Refused::NoWay));
    telemetry.close();
    assert_eq!(telemetry.subscribe("one", wish(Api::Telemetry)), Err(Refused::Closed));
}
