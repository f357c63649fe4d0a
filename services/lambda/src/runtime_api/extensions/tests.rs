//! Extensions made of raw bytes speak to the Extensions API over loopback.

use std::sync::Arc;

use casemate_names::{Arn, Timestamp};

use super::super::tests::{Api, api, nobody, with_extensions};
use crate::extensions::{Extensions, Invoke, Reason};

const BOTH: &str = r#"{"events":["INVOKE","SHUTDOWN"]}"#;

async fn register(api: &Api, name: &str, body: &str) -> String {
    let headers =
        format!("Lambda-Extension-Name: {name}\r\nLambda-Extension-Accept-Feature: x, accountId\r\n");
    api.send_to("POST", "/2020-01-01/extension/register", &headers, body.as_bytes()).await
}

fn identifier(answer: &str) -> String {
    let line = answer.lines().find_map(|line| line.strip_prefix("lambda-extension-identifier: "));
    line.unwrap_or_else(|| panic!("no identifier in {answer}")).to_owned()
}

async fn next(api: &Api, id: &str) -> String {
    api.send_to("GET", "/2020-01-01/extension/event/next", &whose(id), b"").await
}

fn whose(id: &str) -> String {
    format!("Lambda-Extension-Identifier: {id}\r\n")
}

fn refused(answer: &str, kind: &str, text: &str) {
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let expected = format!(r#"{{"errorType":"{kind}","errorMessage":"{text}"}}"#);
    assert!(answer.ends_with(&expected), "{expected} in {answer}");
}

async fn idle(extensions: &Arc<Extensions>) {
    extensions.idle().await;
}

#[tokio::test]
async fn an_extension_registers_and_takes_its_events() {
    let api = api().await;
    let one = register(&api, "one", BOTH).await;
    let (head, body) = one.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{one}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "functionName": "f", "functionVersion": "$LATEST", "handler": "main.handler",
            "accountId": "123456789012",
        })
    );
    let (one, two) = (identifier(&one), identifier(&register(&api, "two", r#"{"events":["INVOKE"]}"#).await));
    let events = async {
        idle(&api.extensions).await;
        assert!(api.extensions.invoke(Invoke {
            request_id: "a".into(),
            invoked: Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f:live").unwrap(),
            trace_id: "Root=1".into(),
            deadline: Timestamp::from_millis(1_234),
        }));
    };
    let (first, second, ()) = tokio::join!(next(&api, &one), next(&api, &two), events);
    let expected = serde_json::json!({
        "eventType": "INVOKE", "deadlineMs": 1_234, "requestId": "a",
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f:live",
        "tracing": { "type": "X-Amzn-Trace-Id", "value": "Root=1" },
    });
    for answer in [&first, &second] {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("lambda-extension-event-identifier: "), "{answer}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);
    }
    api.extensions.shut_down(Reason::Failure, Timestamp::from_millis(9));
    let last = next(&api, &one).await;
    let expected =
        serde_json::json!({ "eventType": "SHUTDOWN", "shutdownReason": "failure", "deadlineMs": 9 });
    let (_, body) = last.split_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);
}

#[tokio::test]
async fn registrations_that_are_wrong_are_refused() {
    let api = api().await;
    let nameless = api.send_to("POST", "/2020-01-01/extension/register", "", BOTH.as_bytes()).await;
    refused(&nameless, "Extension.InvalidExtensionName", "Empty extension name");
    for name in ["", "a\tb", &"x".repeat(256)] {
        refused(&register(&api, name, BOTH).await, "Extension.InvalidExtensionName", "Empty extension name");
    }
    for body in ["", "{", "[]", r#"{"events":"INVOKE"}"#, r#"{"events":[1]}"#] {
        let answer = register(&api, "one", body).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("InvalidRequestFormat"), "{answer}");
    }
    let large = format!(r#"{{"events":["{}"]}}"#, "x".repeat(70_000));
    let answer = register(&api, "one", &large).await;
    assert!(answer.is_empty() || answer.contains("InvalidRequestFormat"), "{answer}");
    let keys = register(&api, "one", r#"{"events":[],"configurationKeys":["a"]}"#).await;
    refused(
        &keys,
        "InvalidRequestFormat",
        "configurationKeys are deprecated; use environment variables instead",
    );
    let event = register(&api, "one", r#"{"events":["STOP"]}"#).await;
    refused(&event, "Extension.InvalidEventType", "STOP: ErrorInvalidEventType");
    let inside = register(&api, "inside", BOTH).await;
    let text = "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension";
    refused(&inside, "Extension.InvalidEventType", text);
}

#[tokio::test]
async fn late_second_and_surplus_registrations_are_refused() {
    let api = api().await;
    register(&api, "one", BOTH).await;
    let text = "State transition from Registered to Registered failed for extension one. Error: State transition is not allowed";
    refused(&register(&api, "one", BOTH).await, "Extension.InvalidExtensionState", text);
    for number in 0..8 {
        identifier(&register(&api, &format!("inside-{number}"), "{}").await);
    }
    let surplus = register(&api, "inside-8", "{}").await;
    refused(&surplus, "Extension.TooManyExtensions", "Extension limit (10) reached");
    api.extensions.close_registration();
    let late = register(&api, "late", "{}").await;
    refused(&late, "Extension.RegistrationClosed", "Extension registration closed already");
}

#[tokio::test]
#[expect(clippy::string_slice, reason = "ASCII of the test itself")]
async fn whoever_names_no_registered_extension_is_refused() {
    let api = api().await;
    let one = identifier(&register(&api, "one", BOTH).await);
    for path in ["event/next", "init/error", "exit/error"] {
        let (method, path) =
            (if path == "event/next" { "GET" } else { "POST" }, format!("/2020-01-01/extension/{path}"));
        let error = "Lambda-Extension-Function-Error-Type: Extension.X\r\n";
        let none = api.send_to(method, &path, error, b"").await;
        let text = "Missing Lambda-Extension-Identifier header";
        refused(&none, "Extension.MissingExtensionIdentifier", text);
        for wrong in ["one", &one[1..], &format!("{one}x"), &one.replace('-', "+")] {
            let answer = api.send_to(method, &path, &(whose(wrong) + error), b"").await;
            refused(&answer, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier");
        }
        let other = "00000000-0000-4000-8000-000000000000";
        let answer = api.send_to(method, &path, &(whose(other) + error), b"").await;
        let text = if method == "GET" {
            format!("Unknown extension {other}")
        } else {
            "Unknown Lambda-Extension-Identifier".to_owned()
        };
        refused(&answer, "Extension.UnknownExtensionIdentifier", &text);
    }
}

#[tokio::test]
async fn failures_are_reported_with_a_type_and_at_their_time() {
    let api = api().await;
    let one = identifier(&register(&api, "one", BOTH).await);
    let path = "/2020-01-01/extension/init/error";
    let untyped = api.send_to("POST", path, &whose(&one), b"{}").await;
    let text = "Lambda-Extension-Function-Error-Type not found";
    refused(&untyped, "Extension.MissingHeader", text);
    let headers = whose(&one) + "Lambda-Extension-Function-Error-Type: Extension.NoConfig\r\n";
    let taken = api.send_to("POST", path, &headers, br#"{"errorMessage":"m"}"#).await;
    assert!(taken.starts_with("HTTP/1.1 202") && taken.ends_with(r#"{"status":"OK"}"#), "{taken}");
    assert!(api.extensions.failed().await.is_err());
    let late = next(&api, &one).await;
    let text = format!(
        "State transition from InitError to Ready failed for extension {one}. Error: State transition is not allowed"
    );
    refused(&late, "Extension.InvalidExtensionState", &text);
    let other = api.send_to("GET", path, &headers, b"").await;
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
}

#[tokio::test]
async fn where_a_process_is_forked_for_each_request_nobody_registers() {
    use crate::{exchange::Exchange, forking::Forks};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (forks, shared) =
        (Arc::new(Forks::default()), (Arc::new(Exchange::new()), with_extensions(&[]), nobody()));
    let before = super::super::Before { forks: Some(Arc::clone(&forks)), restoring: None };
    let task = tokio::spawn(async move { super::super::serve(&listener, shared, before, None, None).await });
    let api = Api::at(address, task);
    let answer = register(&api, "inside", "{}").await;
    refused(&answer, "Extension.RegistrationClosed", "Extension registration closed already");
    assert!(forks.ready().await.unwrap_err().contains("internal extension"));
}
