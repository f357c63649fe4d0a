//! Processes that are started before it is known for which function: what they become, and for whom they are not.

use casemate_schema::Document;
use serde_json::{Value, json};

use crate::support::{Bench, archive, archive_of, runtime, sandboxed, text};

/// Tells what the process was started with, what it has now, and what it is shown.
const NODE: &str = r"
const fs = require('fs');
const asked = process.env.WHO;
globalThis.loaded = (globalThis.loaded ?? 0) + 1;
exports.handler = async () => {
  const attempt = (act) => { try { return act(); } catch (error) { return error.code; } };
  const library = () => { try { process.dlopen({ exports: {} }, 'libprobe.so'); } catch (error) { return error.message; } };
  return {
    started: fs.readFileSync('/proc/self/environ', 'utf8').split('\0').filter(Boolean),
    env: { ...process.env }, cwd: process.cwd(), files: fs.readdirSync('.').sort(), asked, loaded: globalThis.loaded,
    limit: Error.stackTraceLimit,
    write: attempt(() => fs.writeFileSync('/var/task/new', '')),
    library: /self-register/.test(library()),
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
/// The same in Python; and which modules there are, lest one of the package's is hidden by one that was loaded ahead.
const PYTHON: &str = r#"
import os, sys
modules = sorted(name for name in sys.modules if name != "index")
asked = os.environ["WHO"]
loaded = getattr(sys, "loaded", 0) + 1
sys.loaded = loaded

def attempt(act):
    try:
        return act()
    except OSError as error:
        import errno
        return errno.errorcode[error.errno] if error.errno else str(error)

def library():
    import ctypes
    return ctypes.CDLL("libprobe.so").probe() == 42

def handler(event, context):
    import http.client
    asking = http.client.HTTPConnection("127.0.0.1", 9001)
    asking.request("GET", "/2018-06-01/runtime/casemate/function")
    with open("/proc/self/environ") as started:
        started = [entry for entry in started.read().split("\0") if entry]
    return {
        "started": started, "env": dict(os.environ), "cwd": os.getcwd(), "files": sorted(os.listdir(".")), "asked": asked,
        "loaded": loaded, "limit": [sys.path, modules, sys.flags.dev_mode],
        "write": attempt(lambda: open("/var/task/new", "w")),
        "library": attempt(library),
        "again": asking.getresponse().status,
    }
"#;
/// Starts that are tried until one finds a process that waits; one is started in the time of one or two of them.
const TRIES: usize = 60;
const FAMILIES: [&str; 2] = ["nodejs", "python3"];

/// A library that the loader finds only where it looks for those of a package.
fn library() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (source, made) = (folder.path().join("probe.c"), folder.path().join("libprobe.so"));
    std::fs::write(&source, "int probe(void) { return 42; }").unwrap();
    let built =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&made, &source]).status();
    assert!(built.unwrap().success());
    std::fs::read(made).unwrap()
}

async fn function(
    bench: &Bench,
    family: &str,
    name: &str,
    variables: &[(&str, &str)],
    more: &[(&str, Document)],
) {
    let library = library();
    let files: [(&str, &[u8], u32); 4] = [
        ("index.js", NODE.as_bytes(), 0o644),
        ("again.js", AGAIN.as_bytes(), 0o644),
        ("index.py", PYTHON.as_bytes(), 0o644),
        ("lib/libprobe.so", &library, 0o755),
    ];
    let mut input = Bench::definition(name, &runtime(family), "index.handler", archive_of(files));
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
    for family in FAMILIES {
        becomes_what_a_new_one_would_be(family).await;
    }
}

async fn becomes_what_a_new_one_would_be(family: &str) {
    let bench = sandboxed();
    function(&bench, family, "f", &[("WHO", "f-\"quoted\"\nlines"), ("NODE_ENV", "production")], &[]).await;
    let new = account(&bench, "f", false).await.expect("the first is started for its request");
    let late = account(&bench, "f", true).await.expect("others find a process that waits");
    for field in ["cwd", "files", "asked", "loaded", "limit", "write", "library"] {
        assert_eq!(late[field], new[field], "{field}");
    }
    assert_eq!((&late["cwd"], &late["write"]), (&json!("/var/task"), &json!("EROFS")));
    assert_eq!(late["library"], true);
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
    for family in FAMILIES {
        holds_nothing_and_is_told_once(family).await;
    }
}

async fn holds_nothing_and_is_told_once(family: &str) {
    let bench = sandboxed();
    function(&bench, family, "f", &[("WHO", "me")], &[]).await;
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
    for family in FAMILIES {
        share_no_process(family).await;
    }
}

async fn share_no_process(family: &str) {
    let bench = sandboxed();
    for name in ["f", "g"] {
        function(&bench, family, name, &[("WHO", name)], &[]).await;
    }
    for name in ["f", "g", "f", "g"] {
        let late = account(&bench, name, true).await.unwrap();
        assert_eq!((&late["asked"], &late["loaded"]), (&json!(name), &json!(1)), "{late}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_reads_when_it_starts_takes_a_new_one() {
    for (family, variable, value) in
        [("nodejs", "NODE_OPTIONS", "--stack-trace-limit=3"), ("python3", "PYTHONDEVMODE", "1")]
    {
        takes_a_new_one(family, (variable, value)).await;
    }
}

async fn takes_a_new_one(family: &str, read_at_start: (&str, &str)) {
    let bench = sandboxed();
    // So that processes wait.
    function(&bench, family, "f", &[("WHO", "f")], &[]).await;
    let late = account(&bench, "f", true).await.unwrap();
    function(&bench, family, "options", &[("WHO", "options"), read_at_start], &[]).await;
    let account = bench.invoke("options", "{}").await.ok();
    assert!(!was_late(&account));
    assert_ne!(account["limit"], late["limit"]);
    let more = ("EphemeralStorage", Document::structure([("Size", Document::Integer(513))]));
    function(&bench, family, "room", &[("WHO", "room")], &[more]).await;
    assert!(!was_late(&bench.invoke("room", "{}").await.ok()));
    function(&bench, family, "programs", &[("WHO", "programs"), ("CASEMATE_EXEC", "allow")], &[]).await;
    assert!(!was_late(&bench.invoke("programs", "{}").await.ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_the_interpreter_would_run_first_is_run_first() {
    let bench = sandboxed();
    function(&bench, "python3", "f", &[("WHO", "f")], &[]).await;
    account(&bench, "f", true).await.unwrap();
    let first = "import os\nos.environ['WHO'] = 'the layer'\n";
    let layer = archive(&[("python/sitecustomize.py", first)]);
    let content = Document::structure([("ZipFile", layer)]);
    let input = Document::structure([("LayerName", text("first")), ("Content", content)]);
    let published = bench.done("PublishLayerVersion", input).await;
    let arn = text(published["LayerVersionArn"].as_str().unwrap());
    let more = ("Layers", Document::List(vec![arn]));
    function(&bench, "python3", "layered", &[("WHO", "layered")], &[more]).await;
    let account = bench.invoke("layered", "{}").await.ok();
    assert!(!was_late(&account));
    assert_eq!(account["asked"], "the layer");
}
