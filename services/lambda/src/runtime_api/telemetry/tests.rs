//! Extensions made of raw bytes subscribe over loopback.

use std::{os::fd::AsFd, sync::Arc};

use tokio::net::{TcpListener, TcpSocket};

use super::super::{
    Before, Output, Telemetry, serve,
    tests::{Api, nobody, with_extensions},
};
use crate::{delivery::Tap, extensions::Extensions, isolate::Outlet};

const TELEMETRY: &str = "/2022-07-01/telemetry";
const LOGS: &str = "/2020-08-15/logs";
const WISH: &str =
    r#"{"schemaVersion":"2022-12-13","types":["function"],"destination":{"protocol":"TCP","port":8080}}"#;
const OLDER_WISH: &str = r#"{"types":["function"],"destination":{"protocol":"TCP","port":8080}}"#;

struct Bench {
    api: Api,
    extensions: Arc<Extensions>,
    telemetry: Arc<Telemetry>,
    told: Tap,
    id: String,
}

/// One external extension, registered.
async fn bench() -> Bench {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let extensions = with_extensions(&["one"]);
    let id = extensions.register("one", &[]).unwrap().expose().clone();
    let outlet = TcpSocket::new_v4().unwrap().as_fd().try_clone_to_owned().unwrap();
    let outlet = Outlet::Socket(outlet.into());
    let telemetry = Arc::new(Telemetry::new(Arc::new(casemate_names::SystemClock), vec![outlet]));
    let (output, told) = Output::tapped();
    let own = Arc::clone(&extensions);
    let shared = (Arc::new(super::super::Exchange::new()), own, (Arc::clone(&telemetry), output, nobody().2));
    let task = tokio::spawn(async move { serve(&listener, shared, Before::default(), None, None).await });
    Bench { api: Api::at(address, task), extensions, telemetry, told, id }
}

impl Bench {
    async fn put(&self, path: &str, id: &str, body: &str) -> String {
        let headers = format!("Lambda-Extension-Identifier: {id}\r\n");
        self.api.send_to("PUT", path, &headers, body.as_bytes()).await
    }
}

fn refused(answer: &str, status: u16, kind: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!(r#""errorType":"{kind}""#)), "{answer}");
}

#[tokio::test]
async fn a_subscription_is_answered_and_told_once() {
    let mut bench = bench().await;
    for _ in 0..2 {
        let answer = bench.put(TELEMETRY, &bench.id, WISH).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n\"OK\""), "{answer}");
    }
    // The same again is one subscription.
    assert_eq!(bench.told.taken(), ["TELEMETRY\tName: one\tState: Subscribed\tTypes: [function]"]);
    refused(&bench.put(LOGS, &bench.id, OLDER_WISH).await, 403, "Logs.NotSupported");
}

#[tokio::test]
async fn what_the_function_runs_does_not_take_the_way_to_whoever_watches_it() {
    let mut bench = bench().await;
    let inside = bench.extensions.register("inside", &[]).unwrap().expose().clone();
    refused(&bench.put(TELEMETRY, &inside, WISH).await, 403, "Telemetry.NotSupported");
    refused(&bench.put(LOGS, &inside, OLDER_WISH).await, 403, "Logs.NotSupported");
    assert!(bench.told.taken().is_empty());
    let answer = bench.put(TELEMETRY, &bench.id, WISH).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn whoever_names_no_registered_extension_does_not_subscribe() {
    let mut bench = bench().await;
    let nobody = bench.api.send_to("PUT", TELEMETRY, "", WISH.as_bytes()).await;
    refused(&nobody, 403, "Extension.MissingExtensionIdentifier");
    refused(&bench.put(TELEMETRY, "one", WISH).await, 403, "Extension.InvalidExtensionIdentifier");
    let another = "00000000-0000-4000-8000-000000000000";
    refused(&bench.put(LOGS, another, OLDER_WISH).await, 403, "Extension.UnknownExtensionIdentifier");
    assert!(bench.told.taken().is_empty());
}

#[tokio::test]
async fn what_is_malformed_too_large_or_late_is_refused_in_each_apis_words() {
    let mut bench = bench().await;
    refused(&bench.put(TELEMETRY, &bench.id, "{").await, 400, "ValidationError");
    refused(&bench.put(LOGS, &bench.id, "{}").await, 400, "Logs.ValidationError");
    let large = format!("{}{}", WISH, " ".repeat(70_000));
    refused(&bench.put(TELEMETRY, &bench.id, &large).await, 400, "ValidationError");
    for (method, path) in [("POST", TELEMETRY), ("GET", LOGS), ("PUT", "/2022-07-01/telemetry/x")] {
        let headers = format!("Lambda-Extension-Identifier: {}\r\n", bench.id);
        let answer = bench.api.send_to(method, path, &headers, WISH.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    bench.telemetry.close();
    refused(&bench.put(TELEMETRY, &bench.id, WISH).await, 403, "Telemetry.SubscriptionClosed");
    refused(&bench.put(LOGS, &bench.id, OLDER_WISH).await, 403, "Logs.SubscriptionClosed");
    assert!(bench.told.taken().is_empty());
}
