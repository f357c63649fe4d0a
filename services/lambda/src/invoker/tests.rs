//! What only shows with the invoker's own parts in hand: environments kept ready, and a host that is full.

use std::{
    io::{Cursor, Write},
    time::Duration,
};

use casemate_kernel::Assembly;
use casemate_names::{Secret, Timestamp, hex_id};
use casemate_sandbox::RuntimeTable;
use casemate_testkit::{World, WorldBuilder};
use tokio::time::Instant;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::{
    function::Settings,
    machines,
    process::{Followers, Purpose},
    provisioned,
    snapshot::State,
    variables::Variables,
};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}}"#;

pub(crate) struct Host {
    pub(crate) invoker: Arc<Invoker>,
    packages: Arc<Packages>,
    pub(crate) env: Env,
    /// The spawner's process.
    spawner: u32,
    /// Held only; its tasks are not shareable.
    _world: Mutex<World>,
    _folder: tempfile::TempDir,
}

pub(crate) fn host(places_max: usize) -> Host {
    host_serving(places_max, Arc::new(|_| Box::new(|_, _| {})))
}

/// With this as the AWS endpoint of its environments.
fn host_serving(places_max: usize, serve_connection: crate::ServeConnection) -> Host {
    host_in_turns(places_max, Turns::default(), serve_connection)
}

/// The same where requests' starts have these turns.
fn host_in_turns(places_max: usize, turns: Turns, serve_connection: crate::ServeConnection) -> Host {
    let spawner = casemate_sandbox::spawner::start().unwrap();
    let spawner_pid = spawner.pid();
    let runtimes = RuntimeTable::discover(&std::env::var_os("PATH").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let extras = Extras {
        driver: Ok(Driver::new(spawner, runtimes).unwrap()),
        serve_connection,
        python_sdk: None,
        functions_dir: folder.path().join("functions"),
        signing_profiles: folder.path().join("signing-profiles"),
        farewells: crate::Farewells::default(),
    };
    let mut made = None;
    let world = WorldBuilder::new()
        .service("lambda", "lambda.amazonaws.com", |env| {
            let packages = Arc::new(Packages::open(env, &extras.functions_dir)?);
            let mut invoker = Invoker::new(env, extras, Arc::clone(&packages));
            invoker.host.as_mut().unwrap().room = Room::new(places_max);
            invoker.turns = turns;
            made = Some((env.clone(), Arc::new(invoker), packages));
            Ok(Assembly::default())
        })
        .start();
    world.identities().role("worker", &[], Some(TRUST));
    let (env, invoker, packages) = made.unwrap();
    Host { invoker, packages, env, spawner: spawner_pid, _world: Mutex::new(world), _folder: folder }
}

impl Host {
    /// Kills the spawner, and with it every environment. There is no other one in these tests.
    pub(crate) fn kill_spawner(&self) {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-KILL", &self.spawner.to_string()]).status().unwrap().success());
    }

    /// Puts a Python function of one file into the store.
    pub(crate) async fn function(&self, name: &str, code: &str, variables: &[(&str, &str)]) -> Arc<Function> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("app.py", SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
        archive.write_all(code.as_bytes()).unwrap();
        let archive = archive.finish().unwrap().into_inner();
        let at = FunctionRef::within(name, None, self.env.site.scope.clone());
        let runtimes = self.invoker.driver().unwrap().runtimes();
        let runtime =
            runtimes.iter().map(|runtime| runtime.id.clone()).filter(|id| id.starts_with("python3")).max();
        let secret = |(name, value): &(&str, &str)| ((*name).to_owned(), Secret::new((*value).to_owned()));
        let received = self.packages.receive(archive.into()).await.unwrap();
        let function = Function {
            arn: at.arn(),
            version: crate::version::Version::Latest,
            unpacked_bytes: 0,
            loops_allowed: false,
            creation_id: String::new(),
            image: None,
            name: name.to_owned(),
            code: received.id,
            code_bytes: received.bytes,
            architecture: "x86_64".to_owned(),
            modified_at: self.env.clock.now(),
            revision_id: hex_id(&*self.env.entropy, "test.revision", 32),
            tags: std::collections::BTreeMap::new(),
            reserved: None,
            state: crate::snapshot::State::Active,
            settings: Settings {
                sealed: None,
                runtime: runtime.unwrap(),
                role: Arn::parse("arn:aws:iam::123456789012:role/worker").unwrap(),
                handler: "app.handler".to_owned(),
                description: String::new(),
                timeout_s: 20,
                memory_mb: 128,
                tmp_mb: 512,
                variables: Some(variables.iter().map(secret).collect::<Variables>()),
                tracing: "PassThrough".to_owned(),
                log_group: None,
                logging: crate::logging::Logging::default(),
                dead_letters: None,
                layers: Vec::new(),
                snap_start: false,
            },
        };
        let row = function.clone();
        self.packages
            .adopt(received, move |tx| {
                tx.put(&at.key(), &row)?;
                Ok((None, ()))
            })
            .await
            .unwrap();
        Arc::new(function)
    }

    async fn invoke(&self, function: &Arc<Function>, payload: &str) -> Result<String, Error> {
        let request = Request {
            id: hex_id(&*self.env.entropy, "test.request", 32),
            invoked: function.arn.clone(),
            payload: payload.to_owned().into(),
            client_context: None,
            principal: None,
            trace: String::new(),
            sink: None,
        };
        let finished = self.invoker.invoke(Arc::clone(function), request).await?;
        match finished.outcome {
            Outcome::Answer(body) => Ok(String::from_utf8(body.to_vec()).unwrap()),
            Outcome::Failure(body) => panic!("{body:?}"),
        }
    }

    /// The first version of a function, whose snapshot has still to be made.
    async fn version(&self, code: &str) -> Arc<Function> {
        self.version_with(code, &[]).await
    }

    async fn version_with(&self, code: &str, variables: &[(&str, &str)]) -> Arc<Function> {
        let latest = self.function("f", code, variables).await;
        let mut version = Function::clone(&latest);
        version.arn = crate::resource::qualified(&latest.arn, "1");
        version.version = version::Version::Published(1);
        version.revision_id = hex_id(&*self.env.entropy, "test.revision", 32);
        version.settings.snap_start = true;
        version.state = State::Pending;
        let (key, row) = (first(&version), version::Published(version.clone()));
        self.env.store.write(move |tx| tx.put(&key, &row)).await.unwrap();
        Arc::new(version)
    }

    /// The same with its snapshot.
    async fn active(&self, code: &str) -> Arc<Function> {
        self.active_with(code, &[]).await
    }

    async fn active_with(&self, code: &str, variables: &[(&str, &str)]) -> Arc<Function> {
        let version = self.version_with(code, variables).await;
        self.invoker.make_snapshot(&version);
        self.made(&version).await;
        let found = self.now(&version);
        assert_eq!(found.state, State::Active);
        found
    }

    /// A version as it now is.
    fn now(&self, version: &Function) -> Arc<Function> {
        let at = FunctionRef::of_arn(&version.arn).unwrap();
        Arc::new(self.env.store.read(|tx| version::resolve(tx, &at, None)).unwrap().unwrap())
    }

    /// Waits until no snapshot is being made.
    async fn made(&self, version: &Function) {
        while !self.invoker.making.begin(&version.revision_id) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.invoker.making.end(&version.revision_id);
    }

    /// The version is gone, and whoever deleted it found nothing in the pool.
    async fn delete(&self, version: &Function) {
        let key = first(version);
        self.env.store.write(move |tx| tx.delete::<version::Published>(&key)).await.unwrap();
    }

    /// The only snapshot, as soon as it is idle.
    async fn idle(&self) -> Arc<Environment> {
        loop {
            if let Some(environment) = self.invoker.pool.snapshots().pop() {
                return environment;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn later(&self, seconds: i64) -> Timestamp {
        self.env.clock.now().plus_seconds(seconds)
    }

    /// Waits, in real time, until so many environments that have served nobody are idle.
    async fn fresh(&self, function: &Function, count: usize) {
        for _ in 0..1_000 {
            if self.invoker.pool.fresh(function) == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {count}, but {}", self.invoker.pool.fresh(function));
    }
}

fn first(version: &Function) -> casemate_store::Key {
    FunctionRef::of_arn(&version.arn).unwrap().key().number(1)
}

const KIND: &str =
    "import os\ndef handler(event, context):\n  return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n";

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_environments_are_there_before_the_request_and_stay() {
    let host = host(8);
    let f = host.function("f", KIND, &[]).await;
    host.invoker.keep_ready(Arc::clone(&f), 2);
    host.invoker.start_missing();
    host.fresh(&f, 2).await;
    // Looked at again, nothing more is started.
    host.invoker.start_missing();
    let room = host.invoker.host.as_ref().unwrap().room.clone();
    assert_eq!(room.held(&f.arn), 2);
    let kept = |function: &str| host.invoker.ready.kept(function);
    host.invoker.pool.reclaim(host.later(3_000), kept);
    assert_eq!(host.invoker.pool.fresh(&f), 2);
    assert_eq!(host.invoke(&f, "{}").await.unwrap(), "\"provisioned-concurrency\"");
    host.invoker.keep_ready(Arc::clone(&f), 0);
    host.invoker.pool.reclaim(host.later(3_000), |function| host.invoker.ready.kept(function));
    assert_eq!(host.invoker.pool.fresh(&f), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_start_has_longer_than_a_requests_ten_seconds() {
    let host = host(8);
    let f = host.function("f", &format!("import time\ntime.sleep(11)\n{KIND}"), &[]).await;
    // Begun again within the time of a request it would be too late each time.
    let settings = Settings { timeout_s: 3, ..f.settings.clone() };
    let f = Arc::new(Function { settings, ..(*f).clone() });
    host.invoker.keep_ready(Arc::clone(&f), 1);
    host.invoker.start_missing();
    for _ in 0..3_000 {
        if host.invoker.pool.fresh(&f) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_started_ahead_is_started_a_few_at_a_time() {
    let host = host(8);
    let (f, ready) = (host.function("f", KIND, &[]).await, Ready::default());
    ready.provision(Arc::clone(&f), 100);
    let missing = || ready.missing(host.later(0), |_| 0, |_| 0).len();
    assert_eq!((missing(), missing()), (8, 0));
    for _ in 0..3 {
        ready.started(&f.arn);
    }
    assert_eq!((missing(), missing()), (3, 0));
    // Another function does not wait for them.
    let g = host.function("g", KIND, &[]).await;
    ready.provision(g, 2);
    assert_eq!((missing(), missing()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_environments_are_replaced_before_their_credentials_end() {
    let host = host(8);
    let f = host.function("f", KIND, &[]).await;
    host.invoker.keep_ready(Arc::clone(&f), 1);
    host.invoker.start_missing();
    host.fresh(&f, 1).await;
    // Less is left of the hour than a request may take.
    host.invoker.pool.reclaim(host.later(3_590), |function| host.invoker.ready.kept(function));
    assert_eq!(host.invoker.pool.fresh(&f), 0);
    for _ in 0..1_000 {
        // As the invoker's own task does; the first environment is still counted until it is frozen.
        host.invoker.start_missing();
        if host.invoker.pool.fresh(&f) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_environments_of_an_old_revision_are_stopped_and_not_started_again() {
    let host = host(8);
    let f = host.function("f", KIND, &[]).await;
    host.invoker.keep_ready(Arc::clone(&f), 1);
    host.invoker.start_missing();
    host.fresh(&f, 1).await;
    host.invoker.retire(&f.arn);
    host.invoker.start_missing();
    assert_eq!(host.invoker.pool.fresh(&f), 0);
    let changed = host.function("f", KIND, &[]).await;
    assert_eq!(host.invoke(&changed, "{}").await.unwrap(), "\"on-demand\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_python_of_one_request_each_is_a_template_and_holds_no_credentials() {
    let code = "import os\nkey = os.environ['AWS_ACCESS_KEY_ID']\ndef handler(event, context):\n  return [key, os.getpid() == 1]\n";
    let host = host(8);
    let f = host.function("f", code, &[("CASEMATE_REUSE", "per-invocation")]).await;
    host.invoker.keep_ready(Arc::clone(&f), 1);
    host.invoker.start_missing();
    host.fresh(&f, 1).await;
    assert_eq!(host.invoke(&f, "{}").await.unwrap(), "[\"none-before-the-request\", false]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_function_does_not_starve_another() {
    let host = Arc::new(host(2));
    let code = "import time\ndef handler(event, context):\n  time.sleep(event)\n  return event\n";
    let (flood, quiet) = (host.function("flood", code, &[]).await, host.function("quiet", code, &[]).await);
    // Both have been used: no template of a runtime's root is to be made below.
    host.invoke(&flood, "0").await.unwrap();
    host.invoke(&quiet, "0").await.unwrap();
    let done = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let began = Instant::now();
    let requests: Vec<_> = (0..FLOOD)
        .map(|_| {
            let (host, flood, done) = (Arc::clone(&host), Arc::clone(&flood), Arc::clone(&done));
            tokio::spawn(async move {
                host.invoke(&flood, "0.05").await.unwrap();
                done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            })
        })
        .collect();
    while done.load(std::sync::atomic::Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    let asked = Instant::now();
    host.invoke(&quiet, "0").await.unwrap();
    let (waited, left) = (asked.elapsed(), FLOOD - done.load(std::sync::atomic::Ordering::SeqCst));
    for request in requests {
        request.await.unwrap();
    }
    println!(
        "the quiet function's request took {waited:?}; the flood of {FLOOD} requests {:?}",
        began.elapsed()
    );
    assert!(left > FLOOD / 2, "{left} of {FLOOD} requests were left when the other function was served");
}

const FLOOD: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_on_is_of_the_same_revision() {
    let host = Arc::new(host(1));
    let code = "import time\ndef handler(event, context):\n  time.sleep(event)\n  return 'old'\n";
    let old = host.function("f", code, &[]).await;
    let running = tokio::spawn({
        let (host, old) = (Arc::clone(&host), Arc::clone(&old));
        async move { host.invoke(&old, "0.3").await }
    });
    let room = host.invoker.host.as_ref().unwrap().room.clone();
    while room.held(&old.arn) == 0 {
        tokio::task::yield_now().await;
    }
    // It runs as long as it runs; the next request is for the new one and waits for the only place.
    let new = host.function("f", &code.replace("old", "new"), &[]).await;
    host.invoker.retire(&old.arn);
    assert_eq!(host.invoke(&new, "0").await.unwrap(), "\"new\"");
    assert_eq!(running.await.unwrap().unwrap(), "\"old\"");
}

/// Counts its requests.
const COUNT: &str = r"
import os, threading
count = 0
def handler(event, context):
    global count
    count += 1
    if event: threading.Timer(event, os._exit, (3,)).start()
    return count
";

#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_a_snapshot_that_has_had_its_time_serves_nobody() {
    let host = host(2);
    let f = host.active(COUNT).await;
    assert_eq!(host.invoke(&f, "0").await.unwrap(), "1");
    let mut expected = 1;
    for (restored, unused, goes_on) in [(3_590, 290, true), (3_600, 0, false), (400, 300, false)] {
        let (restored, unused) = (Duration::from_secs(restored), Duration::from_secs(unused));
        host.idle().await.age_child(restored, unused);
        expected = if goes_on { expected + 1 } else { 1 };
        assert_eq!(host.invoke(&f, "0").await.unwrap(), expected.to_string(), "{restored:?} {unused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_a_snapshot_that_died_while_it_was_idle_is_given_no_request() {
    let host = host(2);
    let f = host.active(COUNT).await;
    assert_eq!(host.invoke(&f, "0.1").await.unwrap(), "1");
    drop(host.idle().await);
    let idle = host.invoker.pool.take(&f, Wanted::Any, host.later(0)).unwrap();
    assert!(idle.wake().await);
    while !idle.is_childless().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    host.invoker.pool.put(Arc::clone(&idle), FitFor::Reuse, host.later(0));
    drop(idle);
    assert_eq!(host.invoke(&f, "0").await.unwrap(), "1");
    assert_eq!(host.invoke(&f, "0").await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_deleted_version_goes_wherever_it_was_meanwhile() {
    let host = host(2);
    let room = host.invoker.host.as_ref().unwrap().room.clone();
    let f = host.active(COUNT).await;
    host.invoker.reclaim_snapshots().await;
    assert_eq!((host.invoker.pool.snapshots().len(), room.held(&f.arn)), (1, 1));
    host.delete(&f).await;
    host.invoker.reclaim_snapshots().await;
    assert_eq!((host.invoker.pool.snapshots().len(), room.held(&f.arn)), (0, 0));

    let f = host.active(COUNT).await;
    drop(host.idle().await);
    let used = host.invoker.pool.take(&f, Wanted::Any, host.later(0)).unwrap();
    host.delete(&f).await;
    host.invoker.put(&used, FitFor::Reuse);
    assert!(host.invoker.pool.snapshots().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_to_make_a_snapshot_leaves_the_one_there_is() {
    let host = host(2);
    let pending = host.version(COUNT).await;
    for _ in 0..2 {
        host.invoker.make_snapshot(&pending);
        host.made(&pending).await;
        assert_eq!(host.invoker.pool.snapshots().len(), 1);
    }
    let room = host.invoker.host.as_ref().unwrap().room.clone();
    assert_eq!(room.held(&pending.arn), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_ready_of_versions_with_snapshots_nor_started_before_they_may_be_invoked() {
    let host = host(2);
    let f = host.version(COUNT).await;
    let own = host.invoker.host.clone().unwrap();
    assert!(!host.invoker.start_ahead(&own, &f, Purpose::Provisioned).await);
    assert_eq!(own.room.held(&f.arn), 0);
    let (at, modified_at) = (FunctionRef::of_arn(&f.arn).unwrap(), host.later(0));
    let (key, row) =
        (at.qualified_key(), provisioned::Provisioned { function: f.arn.clone(), count: 1, modified_at });
    host.env.store.write(move |tx| tx.put(&key, &row)).await.unwrap();
    let wanted = host.env.store.read(|tx| provisioned::wanted(tx, &at)).unwrap();
    assert_eq!(wanted.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_template_is_one_revisions_versions_roles_accounts_and_kind_of_starts_and_goes_with_its_function()
 {
    let host = host(8);
    let f = host.function("f", KIND, &[]).await;
    let whose = |change: &dyn Fn(&mut Function), purpose| {
        let mut function = (*f).clone();
        change(&mut function);
        machines::whose(&function, purpose)
    };
    let own = whose(&|_| {}, Purpose::OnDemand);
    assert_eq!(own, whose(&|_| {}, Purpose::Forerunner(Followers::OnDemand)));
    let arn = |text: &str| Arn::parse(text).unwrap();
    let others = [
        whose(&|_| {}, Purpose::Provisioned),
        whose(&|_| {}, Purpose::Forerunner(Followers::Provisioned)),
        whose(&|function| function.revision_id.push('x'), Purpose::OnDemand),
        whose(&|function| function.settings.runtime.push('x'), Purpose::OnDemand),
        whose(
            &|function| function.settings.role = arn("arn:aws:iam::123456789012:role/other"),
            Purpose::OnDemand,
        ),
        whose(
            &|function| function.arn = arn("arn:aws:lambda:us-east-1:210987654321:function:f"),
            Purpose::OnDemand,
        ),
        whose(&|function| function.arn = arn(&format!("{}:1", function.arn.as_str())), Purpose::OnDemand),
        whose(&|_| {}, Purpose::Snapshot { once: false }),
    ];
    let snapshots = whose(&|_| {}, Purpose::Forerunner(Followers::Snapshots));
    assert!(
        others.last() == Some(&snapshots) && snapshots == whose(&|_| {}, Purpose::Snapshot { once: true })
    );
    for other in &others {
        assert_ne!(own, *other);
    }
    let all = &host.invoker.machines.initialised;
    let (turn, other) = (all.turn(&own), all.turn(&others[5]));
    assert!(Arc::ptr_eq(&turn, &all.turn(&own)) && !Arc::ptr_eq(&turn, &other));
    all.note_unfit(own.clone());
    assert!(all.is_unfit(&own) && !all.is_unfit(&others[5]) && all.is_current(&own, &turn));
    host.invoker.retire(&f.arn);
    assert!(!all.is_unfit(&own) && !all.is_current(&own, &turn), "what is made meanwhile is not kept");
    assert!(all.is_current(&others[5], &other), "nobody else's goes");
    assert!(!all.is_current(&own, &all.turn(&others[5])));
}

mod lost;
mod measured;
mod snapshots;
pub(crate) mod starts;
mod turns;
mod unused;
