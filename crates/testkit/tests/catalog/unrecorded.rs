//! Requests that cannot be recorded: refused, in the words of each protocol, and not carried out.

use std::{fs, path::Path};

use casemate_kernel::audit::{Audit, Event};
use casemate_names::Timestamp;
use casemate_schema::{Document, Protocol};
use casemate_testkit::{Credentials, Request, Response, World};
use http::Method;

use crate::worlds;

/// What is said to people.
const WHY: &str = "the audit trail cannot be written";

/// A world whose trail was just taken away.
fn unrecorded(test: &str) -> World {
    let place =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("unrecorded-{test}-{}", std::process::id()));
    let (directory, away) = (place.join("audit"), place.join("away"));
    drop(fs::remove_dir_all(&place));
    let audit = Audit::open(&directory, [7; 32]).unwrap();
    let world = worlds::recorded(audit.clone());
    fs::rename(&directory, &away).unwrap();
    audit.event(Event {
        name: "test.one-more",
        at: Timestamp::from_seconds(0),
        place: "test".to_owned(),
        function: None,
        request_id: None,
        detail: String::new(),
        alarm: None,
    });
    audit.flush();
    assert!(audit.healthy().is_err());
    world
}

fn content_type(answer: &Response) -> &str {
    answer.headers["content-type"].to_str().unwrap()
}

async fn asked(world: &World, root: &Credentials, (service, name): (&str, &str)) -> (Protocol, Response) {
    let protocol = world.operation(service, name).service.protocol;
    let answer = world.call(root, service, name, Document::empty()).await;
    assert_eq!(answer.status, 503, "{service}: {}", answer.text());
    assert_eq!((answer.code().as_deref(), answer.message().as_str()), (Some("ServiceUnavailable"), WHY));
    assert!(!answer.headers["x-amzn-requestid"].is_empty());
    (protocol, answer)
}

#[tokio::test]
async fn clients_of_every_protocol_are_told_so_in_theirs() {
    let world = unrecorded("protocols");
    let root = world.identities().root();
    let (records, state) = (world.audit.len(), world.digest());

    for (service, name, namespace) in [
        ("iam", "ListUsers", "https://iam.amazonaws.com/doc/2010-05-08/"),
        ("sts", "GetCallerIdentity", "https://sts.amazonaws.com/doc/2011-06-15/"),
    ] {
        let (protocol, answer) = asked(&world, &root, (service, name)).await;
        assert_eq!((protocol, content_type(&answer)), (Protocol::AwsQuery, "text/xml"));
        let id = answer.element("RequestId").unwrap();
        assert_eq!(
            answer.text(),
            format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>Receiver</Type><Code>ServiceUnavailable</Code>\
                 <Message>{WHY}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
            )
        );
    }

    let (protocol, answer) = asked(&world, &root, ("dynamodb", "ListTables")).await;
    assert_eq!((protocol, content_type(&answer)), (Protocol::AwsJson1_0, "application/x-amz-json-1.0"));
    assert_eq!(answer.json()["__type"], "ServiceUnavailable");
    assert!(answer.headers.contains_key("x-amz-crc32"));

    let (protocol, answer) = asked(&world, &root, ("kms", "ListKeys")).await;
    assert_eq!((protocol, content_type(&answer)), (Protocol::AwsJson1_1, "application/x-amz-json-1.1"));
    assert_eq!(answer.json()["__type"], "ServiceUnavailable");

    let (protocol, answer) = asked(&world, &root, ("lambda", "ListFunctions")).await;
    assert_eq!((protocol, content_type(&answer)), (Protocol::RestJson, "application/json"));
    assert_eq!(answer.headers["x-amzn-errortype"], "ServiceUnavailable");
    assert!(answer.json().get("__type").is_none());

    assert_eq!(
        (world.audit.len(), world.digest()),
        (records, state),
        "nothing was done, and nothing recorded"
    );
}

#[tokio::test]
async fn so_are_strangers_and_clients_of_deployed_apis() {
    let world = unrecorded("strangers");
    // By what they seem to speak: a form without a signature, and something that leads nowhere.
    let form = Request::new(Method::POST, "/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("Action=GetCallerIdentity&Version=2011-06-15");
    let answer = world.send(&form).await;
    assert_eq!((answer.status.as_u16(), content_type(&answer)), (503, "text/xml"));
    let answer = world.send(&Request::new(Method::GET, "/nowhere")).await;
    assert_eq!((answer.status.as_u16(), content_type(&answer)), (503, "application/json"));
    assert_eq!(answer.message(), WHY);
    let api = Request { headers: Vec::new(), ..Request::new(Method::GET, "/") }
        .header("host", "abcdefghij.execute-api.us-east-1.localhost:4566");
    let answer = world.send(&api).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (503, r#"{"message":"Service Unavailable"}"#)
    );
}
