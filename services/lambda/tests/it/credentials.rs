//! A function's credentials: good inside its environment, for as long as that lives, and nowhere else.

use casemate_kernel::Peer;
use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::{Credentials, Request};

use crate::support::{ALL, Bench, TRUST, sandboxed, text};

/// What a function's environment gives away, and the socket on which it is good.
struct Stolen {
    credentials: Credentials,
    own: Peer,
    elsewhere: Peer,
}

/// Function `f`, whose role may do anything, tells everything it knows.
async fn stolen(bench: &Bench) -> Stolen {
    bench.world.identities().role("reader", &[ALL], Some(TRUST));
    let code = "import os\ndef handler(event, context):\n  return dict(os.environ)\n";
    bench.python_with("f", code, &[("Role", Bench::role_arn("reader"))]).await;
    let env = bench.invoke("f", "{}").await.ok();
    let of = |name: &str| env[name].as_str().unwrap().to_owned();
    let credentials = Credentials {
        access_key_id: of("AWS_ACCESS_KEY_ID"),
        secret: of("AWS_SECRET_ACCESS_KEY").into(),
        session_token: Some(of("AWS_SESSION_TOKEN")),
        caller: None,
    };
    let id = of("AWS_LAMBDA_LOG_STREAM_NAME").rsplit(']').next().unwrap().to_owned();
    let function = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
    Stolen {
        credentials,
        own: Peer::Environment { id, function: function.clone(), at_work: true },
        elsewhere: Peer::Environment { id: "0".repeat(32), function, at_work: true },
    }
}

impl Stolen {
    fn request(&self, bench: &Bench) -> Request {
        bench.world.request(&self.credentials, "lambda", "ListFunctions", &Document::empty())
    }

    async fn inside(&self, bench: &Bench) -> u16 {
        bench.world.send_from(self.own.clone(), &self.request(bench)).await.status.as_u16()
    }

    async fn become_worthless(&self, bench: &Bench) {
        for _ in 0..500 {
            if self.inside(bench).await == 403 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the credentials outlive their environment");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_refused_outside_with_an_alarm_and_in_other_environments() {
    let bench = sandboxed();
    let stolen = stolen(&bench).await;
    let outside = bench.world.send(&stolen.request(&bench)).await;
    assert_eq!(outside.status, 403, "{}", outside.text());
    assert!(bench.world.last_record().alarm.is_some());
    let elsewhere = bench.world.send_from(stolen.elsewhere.clone(), &stolen.request(&bench)).await;
    assert_eq!(elsewhere.status, 403, "{}", elsewhere.text());
    assert_eq!(stolen.inside(&bench).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_go_with_the_function() {
    let bench = sandboxed();
    let stolen = stolen(&bench).await;
    assert_eq!(stolen.inside(&bench).await, 200);
    bench.done("DeleteFunction", Document::structure([("FunctionName", text("f"))])).await;
    stolen.become_worthless(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_go_with_an_environment_that_nobody_needs() {
    let bench = sandboxed();
    let stolen = stolen(&bench).await;
    bench.world.clock.advance_seconds(299);
    assert_eq!(stolen.inside(&bench).await, 200);
    // An environment counts as idle from when it is back in the pool, which may be some time after the answer, so time has to
    // pass again until it is. In all it stays far below the hour that the credentials live.
    for _ in 0..5 {
        bench.world.clock.advance_seconds(301);
        for _ in 0..150 {
            if stolen.inside(&bench).await == 403 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    panic!("the credentials outlive an environment that nobody needs");
}

/// Fetches credentials when it is loaded and when it is called, as SDKs do.
const FETCHING: &str = r"
import json, os, urllib.error, urllib.request
def fetch(**headers):
    asked = urllib.request.Request(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'], headers=headers)
    try:
        return json.load(urllib.request.urlopen(asked))
    except urllib.error.HTTPError as error:
        return error.code
token = os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']
loaded = fetch(Authorization=token)
def handler(event, context):
    refused = [fetch(), fetch(Authorization='0' * 32), fetch(Authorization=token + '0'), fetch(Authorization='')]
    return {
        'variables': dict(os.environ), 'loaded': loaded, 'refused': refused, 'now': fetch(Authorization=token),
        'again': fetch(Authorization=token),
    }
";

/// Makes function `f`, which fetches its credentials.
async fn fetching(bench: &Bench, reuse: &str) {
    bench.world.identities().role("reader", &[ALL], Some(TRUST));
    let wishes = [("CASEMATE_CREDENTIALS", "endpoint"), ("CASEMATE_REUSE", reuse)];
    let wishes = wishes.map(|(name, value)| (name.to_owned(), text(value)));
    let variables = Document::structure([("Variables", Document::Map(wishes.into()))]);
    bench
        .python_with("f", FETCHING, &[("Role", Bench::role_arn("reader")), ("Environment", variables)])
        .await;
}

/// What an answer of `f` gives away.
fn fetched(told: &serde_json::Value, which: &str) -> Stolen {
    let of = |name: &str| told[which][name].as_str().unwrap().to_owned();
    let stream = told["variables"]["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap();
    let function = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
    let peer = |id: &str| Peer::Environment { id: id.to_owned(), function: function.clone(), at_work: true };
    Stolen {
        credentials: Credentials {
            access_key_id: of("AccessKeyId"),
            secret: of("SecretAccessKey").into(),
            session_token: Some(of("Token")),
            caller: None,
        },
        own: peer(stream.rsplit(']').next().unwrap()),
        elsewhere: peer(&"0".repeat(32)),
    }
}

fn has_no_keys(told: &serde_json::Value) {
    let variables = told["variables"].as_object().unwrap();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        assert!(!variables.contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fetched_ones_are_of_one_request_and_refused_from_its_answer_on() {
    let bench = sandboxed();
    fetching(&bench, "warm").await;
    let first = bench.invoke("f", "{}").await.ok();
    has_no_keys(&first);
    // Nobody waits for that: the answer comes after the end.
    assert_eq!(fetched(&first, "now").inside(&bench).await, 403);
    assert_eq!(fetched(&first, "loaded").inside(&bench).await, 403);
    let second = bench.invoke("f", "{}").await.ok();
    let place = |told: &serde_json::Value| fetched(told, "now").own.label();
    assert_eq!(place(&second), place(&first));
    let key = |told: &serde_json::Value, which| fetched(told, which).credentials.access_key_id;
    assert_ne!(key(&first, "loaded"), key(&first, "now"));
    assert_ne!(key(&first, "now"), key(&second, "now"));
    assert_eq!(key(&second, "now"), key(&second, "again"));
    assert_eq!(second["refused"], serde_json::json!([404, 404, 404, 404]));
}

#[tokio::test(flavor = "multi_thread")]
async fn fetched_ones_of_forked_processes_are_of_one_request_and_none_while_the_code_is_loaded() {
    let bench = sandboxed();
    fetching(&bench, "per-invocation").await;
    let (first, second) = (bench.invoke("f", "{}").await.ok(), bench.invoke("f", "{}").await.ok());
    for told in [&first, &second] {
        has_no_keys(told);
        assert_eq!(told["loaded"], 403);
        assert_eq!(fetched(told, "now").inside(&bench).await, 403);
    }
    let key = |told| fetched(told, "now").credentials.access_key_id;
    assert_ne!(key(&first), key(&second));
    let place = |told: &serde_json::Value| fetched(told, "now").own.label();
    assert_eq!(place(&first), place(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_credentials_end_before_its_answer_is_reported_after_it() {
    for reuse in ["warm", "per-invocation"] {
        let bench = sandboxed();
        fetching(&bench, reuse).await;
        for _ in 0..3 {
            // Nobody asks for the log.
            let payload = Document::Blob("{}".into());
            let input = Document::structure([("FunctionName", text("f")), ("Payload", payload)]);
            let told = bench.done("Invoke", input).await;
            assert_eq!(fetched(&told, "now").inside(&bench).await, 403, "over when the answer is there");
        }
        let reports = |bench: &Bench| -> Vec<String> {
            let lines = bench.delivered.lock().unwrap();
            lines.iter().map(|(_, line)| line.clone()).filter(|line| line.starts_with("REPORT")).collect()
        };
        bench.eventually("each is reported", |bench| reports(bench).len() >= 3).await;
        let used = |line: &String| {
            let (_, rest) = line.split_once("\tMax Memory Used: ")?;
            rest.split(' ').next()?.parse::<u32>().ok()
        };
        let reports = reports(&bench);
        assert!(
            reports.len() == 3 && reports.iter().all(|line| used(line) > Some(0)),
            "{reuse}: {reports:?}"
        );
    }
}
