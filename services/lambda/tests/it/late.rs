//! Processes of Node.js that are started before it is known for which function: what they become, and for whom they are not.

use casemate_schema::Document;
use serde_json::{Value, json};

use crate::support::{Bench, archive, runtime, sandboxed, text};

/// Tells what the process was started with, what it has now, and what it is shown.
const ACCOUNT: &str = r"
const fs = require('fs');
const asked = process.env.WHO;
globalThis.loaded = (globalThis.loaded ?? 0) + 1;
exports.handler = async () => {
  const attempt = (act) => { try { return act(); } catch (error) { return error.code; } };
  return {
    started: fs.readFileSync('/proc/self/environ', 'utf8').split('\0').filter(Boolean),
    env: { ...process.env }, cwd: process.cwd(), files: fs.readdirSync('.').sort(), asked, loaded: globalThis.loaded,
    limit: Error.stackTraceLimit,
    write: attempt(() => fs.writeFileSync('/var/task/new', '')),
    again: await require('./again.js')(),
  };
};
";
/// Asks what it is for, as a process does that waits for a function.
const AGAIN: &str = r"
module.exports = () => new Promise((resolve) => {
  const request = { host: '127.0.0.1', port: 9001, path: '/2018-06-01/runtime/casemate/function' };
  require('http').get(request, (answer) => { answer.resume(); resolve(answer.statusCode); });
});
";
/// Starts that are tried until one finds a process that waits; one is started in the time of one or two of them.
const TRIES: usize = 60;

async fn function(bench: &Bench, name: &str, variables: &[(&str, &str)], more: &[(&str, Document)]) {
    let code = archive(&[("index.js", ACCOUNT), ("again.js", AGAIN)]);
    let mut input = Bench::definition(name, &runtime("nodejs"), "index.handler", code);
    let map = variables.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
    input.push("Environment", Document::structure([("Variables", Document::Map(map))]));
    for (name, value) in more {
        input.push(name, value.clone());
    }
    bench.done("CreateFunction", input).await;
}

fn was_late(account: &Value) -> bool {
    account["started"].as_array().unwrap().contains(&json!("_CASEMATE_LATE=1"))
}

/// A new environment of the function, of the kind that is wanted, if one comes in time.
async fn account(bench: &Bench, name: &str, late: bool) -> Option<Value> {
    for round in 0..TRIES {
        let found = bench.invoke(name, "{}").await.ok();
        if was_late(&found) == late {
            return Some(found);
        }
        let round = text(&round.to_string());
        let change = Document::structure([("FunctionName", text(name)), ("Description", round)]);
        bench.done("UpdateFunctionConfiguration", change).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_waited_becomes_what_a_new_one_would_be() {
    let bench = sandboxed();
    function(&bench, "f", &[("WHO", "f-\"quoted\"\nlines"), ("NODE_ENV", "production")], &[]).await;
    let new = account(&bench, "f", false).await.expect("the first is started for its request");
    let late = account(&bench, "f", true).await.expect("others find a process that waits");
    for field in ["cwd", "files", "asked", "loaded", "limit", "write"] {
        assert_eq!(late[field], new[field], "{field}");
    }
    assert_eq!((&late["cwd"], &late["write"]), (&json!("/var/task"), &json!("EROFS")));
    assert_eq!(late["asked"], "f-\"quoted\"\nlines");
    let own =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME"];
    let comparable = |account: &Value| {
        let mut env = account["env"].as_object().unwrap().clone();
        env.retain(|name, _| !own.contains(&name.as_str()) && name != "_X_AMZN_TRACE_ID");
        env
    };
    assert_eq!(comparable(&late), comparable(&new));
    for name in own {
        assert_ne!(late["env"][name], new["env"][name], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_waits_holds_nothing_and_is_told_once() {
    let bench = sandboxed();
    function(&bench, "f", &[("WHO", "me")], &[]).await;
    let late = account(&bench, "f", true).await.unwrap();
    let names: Vec<&str> = late["started"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        names.iter().all(|entry| !entry.starts_with("WHO=") && !entry.contains("AWS_SECRET")),
        "{names:?}"
    );
    assert_eq!(late["again"], 404);
    // The same environment still works, for the same function.
    let more = bench.invoke("f", "{}").await.ok();
    assert_eq!((&more["asked"], &more["loaded"]), (&json!("me"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_share_no_process() {
    let bench = sandboxed();
    for name in ["f", "g"] {
        function(&bench, name, &[("WHO", name)], &[]).await;
    }
    for name in ["f", "g", "f", "g"] {
        let late = account(&bench, name, true).await.unwrap();
        assert_eq!((&late["asked"], &late["loaded"]), (&json!(name), &json!(1)), "{late}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_reads_when_it_starts_takes_a_new_one() {
    let bench = sandboxed();
    // So that processes wait.
    function(&bench, "f", &[("WHO", "f")], &[]).await;
    account(&bench, "f", true).await.unwrap();
    function(&bench, "options", &[("NODE_OPTIONS", "--stack-trace-limit=3")], &[]).await;
    let account = bench.invoke("options", "{}").await.ok();
    assert!(!was_late(&account));
    assert_eq!(account["limit"], 3);
    let more = ("EphemeralStorage", Document::structure([("Size", Document::Integer(513))]));
    function(&bench, "room", &[("WHO", "room")], &[more]).await;
    assert!(!was_late(&bench.invoke("room", "{}").await.ok()));
    function(&bench, "programs", &[("CASEMATE_EXEC", "allow")], &[]).await;
    assert!(!was_late(&bench.invoke("programs", "{}").await.ok()));
}
