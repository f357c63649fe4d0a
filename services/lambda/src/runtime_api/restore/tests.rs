//! Our bootstrap for Python, as the process of a machine that becomes a snapshot and is restored, speaks over loopback; what the
//! machine would add is `suites/test_microvm.py`'s.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use casemate_names::{Arn, Timestamp};
use casemate_sandbox::{Family, RuntimeTable};

use super::super::{
    Before,
    tests::{Api, api_with, nobody},
};
use crate::{
    invocation::{Invocation, Outcome},
    restored::Restored,
    restoring::Restoring,
};

/// Notes its hooks, and answers with what it knows.
const APP: &str = r"
import os, random
from snapshot_restore_py import register_before_snapshot, register_after_restore
random.seed(1)
said = []
register_before_snapshot(said.append, 'before last')
register_before_snapshot(said.append, 'before first')
@register_after_restore
def first():
    said.append('after, ' + os.environ['AWS_LAMBDA_LOG_STREAM_NAME'])
    said.append(random.random() != random.Random(1).random())
    AFTER
def handler(event, context):
    return said + [context.log_stream_name]
";

struct Bench {
    api: Api,
    restoring: Arc<Restoring>,
    runtime: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.runtime.kill());
        drop(self.runtime.wait());
    }
}

async fn bench(app: &str) -> Bench {
    let restoring = Arc::new(Restoring::default());
    let before = Before { forks: None, restoring: Some(Arc::clone(&restoring)) };
    let api = api_with(nobody(), before).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.py"), app).unwrap();
    let table = RuntimeTable::discover(&std::env::var_os("PATH").unwrap());
    let python = table.iter().filter(|runtime| runtime.family == Family::Python);
    let python = python.filter_map(|runtime| runtime.interpreter.clone()).last().unwrap();
    let runtime = Command::new(python)
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/src/bootstrap/python.py")])
        .env_clear()
        .env("LAMBDA_TASK_ROOT", folder.path())
        .env("_HANDLER", "app.handler")
        .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "the first machine's")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Bench { api, restoring, runtime, _folder: folder }
}

impl Bench {
    fn go_on(&self) -> bool {
        self.restoring.go_on(Arc::new(Restored { credentials: None, log_stream: "own".to_owned() }))
    }

    async fn exit_code(mut self) -> Option<i32> {
        tokio::task::spawn_blocking(move || self.runtime.wait().unwrap().code()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_before_it_asks_to_be_restored_and_after_it_is_told_what_is_its_own() {
    let bench = bench(&APP.replace("AFTER", "pass")).await;
    bench.restoring.waiting().await;
    // Whoever is inside gets no request, and is not taken for a failed start, before it is restored.
    for (method, path) in [
        ("GET", "invocation/next"),
        ("GET", "restore/next"),
        ("POST", "restore/error"),
        ("POST", "init/error"),
    ] {
        let answer = bench.api.send(method, path, "", b"").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
    }
    assert!(bench.api.exchange.is_starting() && bench.go_on());
    bench.api.exchange.waiting().await.unwrap();
    assert!(bench.api.exchange.offer(Invocation {
        request_id: "a".to_owned(),
        invoked: Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f:1").unwrap(),
        payload: Bytes::from_static(b"{}"),
        client_context: None,
        trace_id: String::new(),
        deadline: Timestamp::from_millis(0),
        restored: None,
        sink: None,
    }));
    let expected = br#"["before first", "before last", "after, own", true, "own"]"#;
    assert_eq!(bench.api.exchange.outcome().await, Outcome::Answer(Bytes::from_static(expected)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_before_the_snapshot_fails_the_start() {
    let bench =
        bench(&format!("{APP}\nregister_before_snapshot(lambda: 1 / 0)\n").replace("AFTER", "pass")).await;
    let report = bench.api.exchange.waiting().await.unwrap_err();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["errorType"], "Runtime.BeforeSnapshotError");
    assert_eq!(report["errorMessage"], "ZeroDivisionError: division by zero");
    assert!(bench.restoring.is_starting(), "it has not asked to be restored");
    assert_eq!(bench.exit_code().await, Some(64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_after_the_restore_is_reported_and_no_request_is_taken() {
    let bench = bench(&APP.replace("AFTER", "raise ValueError('no')")).await;
    bench.restoring.waiting().await;
    assert!(bench.go_on());
    let report = bench.api.exchange.waiting().await.unwrap_err();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(
        (&report["errorType"], &report["errorMessage"]),
        (&"Runtime.AfterRestoreError".into(), &"ValueError: no".into())
    );
    assert_eq!(bench.exit_code().await, Some(65));
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_cannot_be_loaded_is_a_failed_start() {
    let bench = bench("raise KeyError('x')").await;
    let report = bench.api.exchange.waiting().await.unwrap_err();
    assert!(String::from_utf8_lossy(&report).contains("KeyError"), "{report:?}");
    assert!(bench.restoring.is_starting());
}
