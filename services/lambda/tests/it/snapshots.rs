//! SnapStart: what is made when a version is published, what each environment begins with, and that nothing else passes.

use std::{collections::BTreeSet, time::Duration};

use casemate_schema::Document;

use crate::support::{Bench, Invoked, archive, bench, runtime, sandboxed, text};

/// Notes its hooks, and runs the code that an event brings.
const APP: &str = r"
import os, random, sys, uuid, ssl
from snapshot_restore_py import register_before_snapshot, register_after_restore
said, state = [], {}
born = [random.random(), str(uuid.uuid4()), ssl.RAND_bytes(4).hex()]
@register_before_snapshot
def first(): said.append('before first')
register_before_snapshot(lambda *a, **k: said.append(f'before {a} {k}'), 1, two=2)
@register_after_restore
def third(): said.append('after first')
register_after_restore(said.append, 'after last')
def handler(event, context):
    scope = {'app': sys.modules[__name__], 'context': context, 'event': event}
    exec(event['code'], scope)
    return scope.get('out')
";

/// Who a process is: process, memory of the template, log stream.
const WHO: &str =
    "import os\nout = [os.getpid(), app.born, os.environ['AWS_LAMBDA_LOG_STREAM_NAME'], app.state]";

fn code(text: &str) -> String {
    serde_json::json!({ "code": text }).to_string()
}

fn snap_start() -> (&'static str, Document) {
    ("SnapStart", Document::structure([("ApplyOn", text("PublishedVersions"))]))
}

fn variables(entries: &[(&str, &str)]) -> (&'static str, Document) {
    let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
    ("Environment", Document::structure([("Variables", Document::Map(entries))]))
}

fn named(name: &str) -> Document {
    Document::structure([("FunctionName", text(name))])
}

/// A function with SnapStart and its version 1, as it was answered.
async fn published(bench: &Bench, app: &str, more: &[(&str, Document)]) -> serde_json::Value {
    let mut settings =
        vec![("Runtime", text(&runtime("python3.1"))), snap_start(), ("Timeout", Document::Integer(5))];
    settings.extend(more.iter().cloned());
    bench.python_with("f", app, &settings).await;
    bench.done("PublishVersion", named("f")).await
}

/// Waits until the version is no longer pending.
async fn settled(bench: &Bench) -> serde_json::Value {
    for _ in 0..1_000 {
        let shown = bench.done("GetFunctionConfiguration", named("f:1")).await;
        if shown["State"] != "Pending" {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("pending for ever");
}

async fn active(more: &[(&str, Document)]) -> Bench {
    let bench = sandboxed();
    published(&bench, APP, more).await;
    let shown = settled(&bench).await;
    assert_eq!(shown["State"], "Active", "{shown}");
    bench
}

/// With one request at a time there is one template, so whatever is answered goes on from that one.
async fn one_at_a_time(bench: &Bench) {
    let mut input = named("f");
    input.push("ReservedConcurrentExecutions", Document::Integer(1));
    bench.done("PutFunctionConcurrency", input).await;
}

async fn run(bench: &Bench, text: &str) -> Invoked {
    bench.invoke("f:1", &code(text)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_initialised_once_and_restored_before_its_first_request() {
    let bench = sandboxed();
    let made = published(&bench, APP, &[]).await;
    let on = serde_json::json!({ "ApplyOn": "PublishedVersions", "OptimizationStatus": "On" });
    assert_eq!((&made["State"], &made["StateReasonCode"]), (&"Pending".into(), &"Creating".into()));
    assert_eq!(made["SnapStart"], on);
    let shown = settled(&bench).await;
    assert_eq!((&shown["State"], &shown["SnapStart"]), (&"Active".into(), &on));
    assert_eq!(
        (&shown["StateReasonCode"], &shown["RevisionId"]),
        (&serde_json::Value::Null, &made["RevisionId"])
    );
    let latest = bench.done("GetFunctionConfiguration", named("f")).await;
    assert_eq!(latest["SnapStart"]["OptimizationStatus"], "Off");

    let look = "import os\nout = [app.said, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]";
    let first = run(&bench, look).await;
    let said = ["before (1,) {'two': 2}", "before first", "after first", "after last"];
    assert_eq!(first.ok(), serde_json::json!([said, "snap-start"]));
    assert!(first.log.contains("Restore Duration: ") && first.log.contains("Billed Restore Duration: "));
    assert!(!first.log.contains("Init Duration"), "{}", first.log);
    // The environment goes on.
    let second = run(&bench, look).await;
    assert_eq!(second.ok(), first.ok());
    assert!(!second.log.contains("Restore Duration"), "{}", second.log);
    // What is not published knows no snapshots, nor calls their hooks.
    assert_eq!(bench.invoke("f", &code(look)).await.ok(), serde_json::json!([[], "on-demand"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_in_an_environment_ends_with_it_and_the_next_begins_from_the_snapshot() {
    let bench = active(&[("Timeout", Document::Integer(1))]).await;
    one_at_a_time(&bench).await;
    let plant = "\nopen('/tmp/planted', 'w').write('x')\napp.state['secret'] = event['code']\nbuiltins = __import__('builtins'); builtins.planted = 1";
    let before = run(&bench, WHO).await.ok();
    for end in [
        "\nimport os; os._exit(3)",
        "\nimport time; time.sleep(60)",
        "\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    ] {
        let failed = run(&bench, &format!("{plant}{end}")).await;
        assert_eq!(failed.error.as_deref(), Some("Unhandled"), "{failed:?}");
        let after = run(&bench, WHO).await;
        let (log, after) = (after.log.clone(), after.ok());
        // The same template: neither was it initialised again, nor has it seen anything.
        assert_eq!((&after[1], &after[2]), (&before[1], &before[2]), "{end}");
        assert_ne!(after[0], before[0]);
        assert_eq!(after[3], serde_json::json!({}));
        assert!(log.contains("Restore Duration") && !log.contains("Init Duration"), "{log}");
        let left = run(
            &bench,
            "import os, builtins\nout = [os.listdir('/tmp'), hasattr(builtins, 'planted'), len(app.said)]",
        )
        .await;
        assert_eq!(left.ok(), serde_json::json!([[], false, 4]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_restored_anew_where_none_may_follow_another() {
    let bench = active(&[variables(&[("CASEMATE_REUSE", "per-invocation")])]).await;
    one_at_a_time(&bench).await;
    let draws = "import random, uuid, ssl, os, secrets\napp.state['seen'] = app.state.get('seen', 0) + 1\nout = [[app.state['seen'], app.born, app.said, os.environ['AWS_LAMBDA_LOG_STREAM_NAME']], [random.random(), random.getrandbits(64), str(uuid.uuid4()), str(uuid.uuid1()), ssl.RAND_bytes(16).hex(), os.urandom(16).hex(), secrets.token_hex()]]";
    let first = run(&bench, draws).await.ok();
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        let answer = run(&bench, draws).await;
        assert!(answer.log.contains("Restore Duration"), "{}", answer.log);
        let answer = answer.ok();
        assert_eq!(answer[0], first[0]);
        for value in answer[1].as_array().unwrap() {
            assert!(seen.insert(value.to_string()), "drawn twice: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_at_once_share_nothing() {
    let bench = active(&[]).await;
    let slow = code(&format!(
        "{WHO}\nimport random, uuid, time\nout += [random.random(), str(uuid.uuid4())]\ntime.sleep(1)"
    ));
    let (one, two) = tokio::join!(bench.invoke("f:1", &slow), bench.invoke("f:1", &slow));
    let (one, two) = (one.ok(), two.ok());
    for place in [1, 2, 4, 5] {
        assert_ne!(one[place], two[place]);
    }
}

/// What the endpoint of credentials answers, from inside.
const FETCH: &str = r"
import os, json, urllib.request, urllib.error
def fetch():
    asked = urllib.request.Request(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'],
                                   headers={'Authorization': os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']})
    try:
        with urllib.request.urlopen(asked) as answer: return json.load(answer)['AccessKeyId']
    except urllib.error.HTTPError as error: return error.code
";

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_fetched_and_the_template_has_none() {
    let bench = sandboxed();
    let app = format!(
        "{FETCH}\n{APP}\nat_init = [fetch(), dict(os.environ)]\nregister_after_restore(lambda: said.append(fetch()))"
    );
    published(&bench, &app, &[]).await;
    assert_eq!(settled(&bench).await["State"], "Active");
    let look = "import os\nout = [app.at_init, app.said[-1], app.fetch(), dict(os.environ)]";
    let (first, second) = (run(&bench, look).await.ok(), run(&bench, look).await.ok());
    assert_eq!(first[0][0], 403);
    for environment in [&first[0][1], &first[3]] {
        assert!(
            environment.get("AWS_ACCESS_KEY_ID").is_none() && environment.get("AWS_SESSION_TOKEN").is_none()
        );
    }
    assert!(first[1].as_str().unwrap().starts_with("ASIA") && first[2].as_str().unwrap().starts_with("ASIA"));
    assert_ne!(first[2], second[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_initialised_fails_and_is_not_invoked() {
    for (app, kind, why) in [
        ("raise ValueError('hush')", "FunctionError", "ValueError"),
        (
            "import nothing_of_that_name\ndef handler(e, c): pass",
            "FunctionError",
            "Runtime.ImportModuleError",
        ),
        ("import os; os._exit(3)", "FunctionError", "exit status 3"),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ndef handler(e, c): pass",
            "InvalidConfiguration",
            "starts threads",
        ),
        (
            "from snapshot_restore_py import *\nimport snapshot_restore_py as s\ns.register_before_snapshot(lambda: 1 / 0)\ndef handler(e, c): pass",
            "FunctionError",
            "Runtime.BeforeSnapshotError",
        ),
    ] {
        let bench = sandboxed();
        assert_eq!(published(&bench, app, &[]).await["State"], "Pending");
        let shown = settled(&bench).await;
        assert_eq!((&shown["State"], &shown["StateReasonCode"]), (&"Failed".into(), &kind.into()), "{shown}");
        let reason = shown["StateReason"].as_str().unwrap();
        assert!(reason.contains(why) && !reason.contains("hush"), "{reason}");
        assert_eq!(shown["SnapStart"]["OptimizationStatus"], "Off");
        let again = bench.done("PublishVersion", named("f")).await;
        assert_eq!((&again["Version"], &again["State"]), (&"1".into(), &"Failed".into()));
        for kind in ["RequestResponse", "Event"] {
            let mut input = named("f:1");
            input.push("InvocationType", text(kind));
            let answer = bench.call("Invoke", input).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().unwrap().as_str()),
                (409, "ResourceConflictException")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_after_the_restore_is_said_and_the_snapshot_stays() {
    let bench = sandboxed();
    let app = format!("{APP}\nimport time\nregister_after_restore(lambda: 1 / 0)");
    published(&bench, &app, &[]).await;
    assert_eq!(settled(&bench).await["State"], "Active");
    one_at_a_time(&bench).await;
    for _ in 0..2 {
        let answer = bench.call("Invoke", named("f:1")).await;
        assert_eq!((answer.status.as_u16(), answer.code().unwrap().as_str()), (400, "SnapStartException"));
        assert!(answer.message().starts_with("The afterRestore() runtime hook encountered an error."));
    }
    let written = || format!("{:?}", bench.delivered.lock().unwrap());
    bench
        .eventually("the hook's error is in the log", |_| written().contains("Runtime.AfterRestoreError"))
        .await;
    assert_eq!(written().matches("INIT_START").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_restore_paths_are_for_children_of_snapshots_before_their_first_request() {
    let ask = r#"
import os, urllib.request, urllib.error
def ask(method, path):
    asked = urllib.request.Request(f'http://{os.environ["AWS_LAMBDA_RUNTIME_API"]}/2018-06-01/runtime/restore/{path}', method=method,
                                   data=None if method == 'GET' else b'{}')
    try:
        with urllib.request.urlopen(asked) as answer: return answer.status
    except urllib.error.HTTPError as error: return error.code
"#;
    let bench = sandboxed();
    published(&bench, &format!("{ask}\n{APP}\nat_init = [ask('GET', 'next'), ask('POST', 'error')]"), &[])
        .await;
    assert_eq!(settled(&bench).await["State"], "Active");
    let look = "out = [app.at_init, [app.ask('GET', 'next'), app.ask('POST', 'error')]]";
    assert_eq!(run(&bench, look).await.ok(), serde_json::json!([[403, 403], [403, 403]]));
    assert_eq!(bench.invoke("f", &code(look)).await.ok(), serde_json::json!([[404, 404], [404, 404]]));
}

/// How many of the processes that descend from this test are Python's, without those that wait for any function.
fn interpreters() -> usize {
    // Of every process: its number, its name, its parent; the name may hold anything but is followed by the last parenthesis.
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    let all: Vec<(u32, String, u32)> = stats
        .filter_map(|stat| {
            let (before, after) = stat.rsplit_once(')')?;
            let (number, name) = before.split_once(" (")?;
            Some((number.parse().ok()?, name.to_owned(), after.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut ours = vec![std::process::id()];
    let mut seen = 0;
    while let Some(parent) = ours.get(seen).copied() {
        ours.extend(all.iter().filter(|(.., of)| *of == parent).map(|(number, ..)| *number));
        seen += 1;
    }
    let waits = |number: u32| {
        let started = std::fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        started.split(|byte| *byte == 0).any(|entry| entry == b"_CASEMATE_LATE=1")
    };
    let is_one =
        |number: u32, name: &str| ours.contains(&number) && name.starts_with("python") && !waits(number);
    all.iter().filter(|(number, name, _)| is_one(*number, name)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_version_leaves_no_template() {
    let bench = sandboxed();
    published(&bench, APP, &[]).await;
    assert_eq!(settled(&bench).await["State"], "Active");
    run(&bench, WHO).await.ok();
    assert!(interpreters() > 1, "the template and its child");
    bench
        .done("DeleteFunction", Document::structure([("FunctionName", text("f")), ("Qualifier", text("1"))]))
        .await;
    bench.eventually("the template has ended", |_| interpreters() == 0).await;
    assert_eq!(bench.call("Invoke", named("f:1")).await.status, 404);
    assert_eq!(bench.done("PublishVersion", named("f")).await["Version"], "2");
}

#[tokio::test]
async fn without_a_sandbox_a_version_fails_and_other_versions_do_not_care() {
    let bench = bench();
    let mut input = Bench::definition("f", &runtime("python3.1"), "app.handler", archive(&[("app.py", APP)]));
    let (name, value) = snap_start();
    input.push(name, value);
    bench.done("CreateFunction", input).await;
    assert_eq!(bench.done("PublishVersion", named("f")).await["State"], "Pending");
    let shown = settled(&bench).await;
    assert_eq!((&shown["State"], &shown["StateReasonCode"]), (&"Failed".into(), &"InternalError".into()));
    // It was not the function's fault: the same version is tried again.
    let again = bench.done("PublishVersion", named("f")).await;
    assert_eq!((&again["Version"], &again["State"]), (&"1".into(), &"Pending".into()));
    assert_ne!(again["RevisionId"], shown["RevisionId"]);
    let tried = settled(&bench).await;
    assert_eq!((&tried["State"], &tried["RevisionId"]), (&"Failed".into(), &again["RevisionId"]));
}

#[tokio::test]
async fn provisioned_concurrency_does_not_go_with_it() {
    let bench = bench();
    let mut input = Bench::definition("f", &runtime("python3.1"), "app.handler", archive(&[("app.py", APP)]));
    let (name, value) = snap_start();
    input.push(name, value);
    bench.done("CreateFunction", input).await;
    bench.done("PublishVersion", named("f")).await;
    let mut input = named("f");
    input.push("Qualifier", text("1"));
    input.push("ProvisionedConcurrentExecutions", Document::Integer(1));
    let answer = bench.call("PutProvisionedConcurrencyConfig", input).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().unwrap().as_str()),
        (400, "InvalidParameterValueException")
    );
    assert!(answer.message().contains("SnapStart"), "{}", answer.message());
}
