//! A world with Lambda in it, packages made on the fly, and a sandbox of its own for each test.

use std::{
    io::{Cursor, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use casemate_kernel::{Env, Origin, Peer, TrustEdge, audit::Record};
use casemate_lambda::Extras;
use casemate_sandbox::{Driver, RuntimeTable};
use casemate_schema::Document;
use casemate_testkit::{Credentials, Response, World, WorldBuilder};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    logs::{self, Delivered},
    outside::{self, Told},
};

/// Lets Lambda assume a role.
pub(crate) const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["lambda.amazonaws.com","testkit.amazonaws.com"]}}}"#;
/// May do anything.
pub(crate) const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
/// May write logs.
pub(crate) const LOGS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:*","Resource":"*"}}"#;

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) admin: Credentials,
    pub(crate) delivered: Delivered,
    /// Another service's way to call.
    pub(crate) other_service: Env,
    /// Environments that connected to the AWS endpoint, as they were then, and as they are.
    pub(crate) connected: Arc<Mutex<Vec<(Peer, Origin)>>>,
    /// Where public keys of signing profiles are.
    pub(crate) signing_profiles: std::path::PathBuf,
    /// What the services of queues, topics and buses were told, where there are any.
    pub(crate) told: Told,
    /// What the server's end says.
    pub(crate) farewells: casemate_lambda::Farewells,
    _folder: tempfile::TempDir,
}

/// Without a sandbox: functions can be managed.
pub(crate) fn bench() -> Bench {
    with(Err("none in this test".to_owned()), false)
}

/// With a real sandbox.
pub(crate) fn sandboxed() -> Bench {
    with(Ok(driver()), false)
}

/// With a real sandbox, and services of queues, topics and buses.
pub(crate) fn sandboxed_among_others() -> Bench {
    with(Ok(driver()), true)
}

fn driver() -> Driver {
    let spawner = casemate_sandbox::spawner::start().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    Driver::new(spawner, RuntimeTable::discover(&path)).unwrap()
}

/// Who may call whom.
fn trust() -> Vec<TrustEdge> {
    let edge = |operation| TrustEdge { from: "lambda", to: "logs", operation };
    let own = TrustEdge { from: "lambda", to: "lambda", operation: "Invoke" };
    let back = TrustEdge { from: "logs", to: "lambda", operation: "Invoke" };
    let logs = [edge("CreateLogGroup"), edge("CreateLogStream"), edge("PutLogEvents"), own, back];
    [logs.as_slice(), outside::TRUST].concat()
}

fn with(driver: Result<Driver, String>, among_others: bool) -> Bench {
    let runs = driver.is_ok();
    let folder = tempfile::tempdir().unwrap();
    let functions_dir = folder.path().join("functions");
    let signing_profiles = folder.path().join("signing-profiles");
    std::fs::create_dir(&signing_profiles).unwrap();
    let (delivered, farewells) = (Delivered::default(), casemate_lambda::Farewells::default());
    let connected: Arc<Mutex<Vec<(Peer, Origin)>>> = Arc::default();
    let seen = Arc::clone(&connected);
    let extras = Extras {
        driver,
        serve_connection: Arc::new(move |origin| {
            let seen = Arc::clone(&seen);
            Box::new(move |mut stream, place| {
                seen.lock().unwrap().push((origin(), Arc::clone(&origin)));
                drop(tokio::spawn(async move {
                    use tokio::io::{AsyncReadExt, AsyncWriteExt};
                    let mut head = [0; 4096];
                    drop(stream.read(&mut head).await);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
                    drop(stream.write_all(answer).await);
                    drop(place);
                }));
            })
        }),
        python_sdk: None,
        functions_dir,
        signing_profiles: signing_profiles.clone(),
        farewells: farewells.clone(),
    };
    let logs_into = Arc::clone(&delivered);
    let mut other_service = None;
    let told = Told::default();
    let mut world = WorldBuilder::new()
        .trust(&trust())
        .service("lambda", "lambda.amazonaws.com", |env| casemate_lambda::open(env, extras))
        .service("logs", "logs.amazonaws.com", |env| {
            other_service = Some(env.clone());
            Ok(logs::open(env, logs_into))
        });
    if among_others {
        world = outside::add(world, &told);
    }
    let mut world = world.start();
    if runs {
        world.run_tasks();
    }
    let admin = world.identities().root();
    world.identities().role("writer", &[LOGS], Some(TRUST));
    world.identities().role("mute", &[], Some(TRUST));
    world.identities().role("other", &[], Some(
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}}"#,
    ));
    let other_service = other_service.unwrap();
    Bench {
        world,
        admin,
        delivered,
        other_service,
        connected,
        signing_profiles,
        told,
        farewells,
        _folder: folder,
    }
}

pub(crate) fn text(value: &str) -> Document {
    Document::String(value.to_owned())
}

/// A zip archive of these files.
pub(crate) fn archive(files: &[(&str, &str)]) -> Document {
    archive_of(files.iter().map(|(name, content)| (*name, content.as_bytes(), 0o644)))
}

pub(crate) fn archive_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8], u32)>) -> Document {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content, mode) in files {
        writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        writer.write_all(content).unwrap();
    }
    Document::Blob(writer.finish().unwrap().into_inner().into())
}

/// The newest Python and Node of this host.
pub(crate) fn runtime(family: &str) -> String {
    let path = std::env::var_os("PATH").unwrap();
    let table = RuntimeTable::discover(&path);
    let mut ids: Vec<_> = table
        .iter()
        .map(|runtime| runtime.id.clone())
        .filter(|id| id.starts_with(family) && casemate_lambda::api::RUNTIME_VALUES.contains(&id.as_str()))
        .collect();
    ids.sort();
    ids.pop().expect("an interpreter")
}

impl Bench {
    pub(crate) fn role_arn(name: &str) -> Document {
        text(&format!("arn:aws:iam::123456789012:role/{name}"))
    }

    pub(crate) async fn call(&self, operation: &str, input: Document) -> Response {
        self.world.call(&self.admin, "lambda", operation, input).await
    }

    /// Calls and expects success.
    pub(crate) async fn done(&self, operation: &str, input: Document) -> serde_json::Value {
        let answer = self.call(operation, input).await;
        assert!(answer.status.is_success(), "{operation}: {}", answer.text());
        if answer.text().is_empty() { serde_json::Value::Null } else { answer.json() }
    }

    pub(crate) fn definition(name: &str, runtime: &str, handler: &str, code: Document) -> Document {
        Document::structure([
            ("FunctionName", text(name)),
            ("Runtime", text(runtime)),
            ("Role", Self::role_arn("writer")),
            ("Handler", text(handler)),
            ("Code", Document::structure([("ZipFile", code)])),
        ])
    }

    /// A Python function of one file.
    pub(crate) async fn python(&self, name: &str, code: &str) {
        self.python_with(name, code, &[]).await;
    }

    pub(crate) async fn python_with(&self, name: &str, code: &str, more: &[(&str, Document)]) {
        let runtime = runtime("python3");
        let mut input = Self::definition(name, &runtime, "app.handler", archive(&[("app.py", code)]));
        for (key, value) in more {
            let _ = input.take(key);
            input.push(key, value.clone());
        }
        self.done("CreateFunction", input).await;
    }

    pub(crate) async fn node(&self, name: &str, file: &str, code: &str) {
        let input = Self::definition(name, &runtime("nodejs"), "index.handler", archive(&[(file, code)]));
        self.done("CreateFunction", input).await;
    }

    /// Invokes with a tail log; returns status, error header, body and log.
    pub(crate) async fn invoke(&self, name: &str, payload: &str) -> Invoked {
        let input = Document::structure([
            ("FunctionName", text(name)),
            ("LogType", text("Tail")),
            ("Payload", Document::Blob(payload.as_bytes().to_vec().into())),
        ]);
        Invoked::of(&self.call("Invoke", input).await)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.world.audit.records()
    }

    /// Waits, in real time, until the world shows what is expected of it.
    /// Of each connection to the AWS endpoint: from which environment, and whether that was at work.
    pub(crate) fn connections(&self) -> Vec<(String, bool)> {
        let connected = self.connected.lock().unwrap();
        let told = connected.iter().map(|(peer, _)| match peer {
            Peer::Environment { id, function, at_work } => {
                assert_eq!(function.as_str(), "arn:aws:lambda:us-east-1:123456789012:function:f");
                (id.clone(), *at_work)
            }
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    /// Waits until what the first environment that connected might send would not count as its work.
    pub(crate) async fn rests(&self) {
        let rests = |bench: &Self| {
            let connected = bench.connected.lock().unwrap();
            matches!(connected[0].1(), Peer::Environment { at_work: false, .. })
        };
        self.eventually("it rests", rests).await;
    }

    pub(crate) async fn eventually(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..1_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never: {what}");
    }
}

#[derive(Debug)]
pub(crate) struct Invoked {
    pub(crate) status: u16,
    pub(crate) error: Option<String>,
    pub(crate) body: String,
    pub(crate) log: String,
}

impl Invoked {
    pub(crate) fn of(answer: &Response) -> Self {
        use base64::Engine;
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let log = header("x-amz-log-result").unwrap_or_default();
        let log = base64::engine::general_purpose::STANDARD.decode(log).unwrap();
        Self {
            status: answer.status.as_u16(),
            error: header("x-amz-function-error"),
            body: answer.text(),
            log: String::from_utf8_lossy(&log).into_owned(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer of a function that did not fail.
    pub(crate) fn ok(&self) -> serde_json::Value {
        assert!(self.status == 200 && self.error.is_none(), "{self:?}");
        self.json()
    }

    /// The report of a function that failed.
    pub(crate) fn failed(&self) -> serde_json::Value {
        assert!(self.status == 200 && self.error.as_deref() == Some("Unhandled"), "{self:?}");
        self.json()
    }
}
