//! How fast functions start and answer, with every layer in force: `cargo xtask bench functions [rounds]`; and what many idle
//! environments hold: `cargo xtask bench functions idle [python3|nodejs] [count]`; or only requests to environments that have
//! served others: `cargo xtask bench functions warm [python3|nodejs] [rounds]`; or one function beside a flood of another's
//! requests: `cargo xtask bench functions flood [events]`.
//!
//! A request is a signed `Invoke` through the whole request path of an in-memory system: gate, environment, answer, audit. The
//! static program is started through the driver alone. Plain starts of the same interpreters are measured in the same run.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program"
)]
#![cfg_attr(test, allow(dead_code, clippy::allow_attributes, reason = "benches are also built as tests"))]

#[path = "functions/flood.rs"]
mod flood;
#[path = "../tests/it/logs.rs"]
mod logs;
#[path = "../tests/it/outside.rs"]
mod outside;
#[path = "../tests/it/support.rs"]
#[expect(dead_code, reason = "what the tests need is more than what is measured")]
mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use casemate_sandbox::{Bootstrap, Driver, EgressRules, EnvironmentSpec, ExecPolicy, RuntimeTable, spawner};
use casemate_schema::Document;
use tokio::{io::AsyncReadExt, time::Instant};

use support::{Bench, archive, runtime, sandboxed, text};

const PYTHON: &str = "def handler(event, context):\n  return 1\n";
const NODE: &str = "exports.handler = async () => 1;";
/// Environments held at once for the figure of memory.
const HELD: usize = 60;
/// How long it takes at most until a process waits again.
const STOCKED: Duration = Duration::from_millis(600);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = arguments.iter().find_map(|text| text.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if arguments.iter().any(|argument| argument == "idle") {
        let node = arguments.iter().any(|argument| argument == "nodejs");
        return runtime.block_on(idle(if node { "nodejs" } else { "python3" }, number.unwrap_or(1_000)));
    }
    if arguments.iter().any(|argument| argument == "flood") {
        return runtime.block_on(flood::flood(number.unwrap_or(2_000)));
    }
    let rounds = number.unwrap_or(20);
    if arguments.iter().any(|argument| argument == "warm") {
        let node = arguments.iter().any(|argument| argument == "nodejs");
        return runtime.block_on(warm_alone(if node { "nodejs" } else { "python3" }, rounds * 20));
    }
    runtime.block_on(async {
        println!("| what | fastest | p50 | p99 |\n|---|---|---|---|");
        static_program(rounds).await;
        for (family, nothing) in [("python3", ["-c", "pass"]), ("nodejs", ["-e", "0"])] {
            plain(family, nothing, rounds);
            let bench = sandboxed();
            function(&bench, "warm", family, "warm").await;
            whole_processor(&bench, family).await;
            function(&bench, "once", family, "per-invocation").await;
            // No process that waits becomes one of another time zone.
            zoned(&bench, "zoned", family).await;
            cold(&bench, family, ("zoned", "request that starts an environment"), Duration::ZERO, rounds)
                .await;
            let waits = ("warm", "request that starts an environment, a process waits for it");
            cold(&bench, family, waits, STOCKED, rounds).await;
            once(&bench, family, rounds).await;
            warm(&bench, family, ("warm", ""), Duration::ZERO, rounds * 20).await;
            warm(&bench, family, ("large", WHOLE), Duration::ZERO, rounds * 20).await;
            warm(&bench, family, ("large", APART), PAUSE, rounds * 20).await;
        }
        for (family, reuse) in [("python3", "warm"), ("python3", "per-invocation"), ("nodejs", "warm")] {
            memory(family, reuse).await;
        }
    });
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    println!("| {what} | {:.2} ms | {:.2} ms | {:.2} ms |", at(0), at(50), at(99));
}

/// A function that does nothing.
fn definition(name: &str, family: &str) -> Document {
    let (file, code, handler) = if family == "nodejs" {
        ("index.js", NODE, "index.handler")
    } else {
        ("app.py", PYTHON, "app.handler")
    };
    Bench::definition(name, &runtime(family), handler, archive(&[(file, code)]))
}

async fn function(bench: &Bench, name: &str, family: &str, reuse: &str) {
    let mut input = definition(name, family);
    let variables = Document::Map(vec![("CASEMATE_REUSE".to_owned(), text(reuse))]);
    input.push("Environment", Document::structure([("Variables", variables)]));
    input.push("Timeout", Document::Integer(30));
    bench.done("CreateFunction", input).await;
    // The first start of a runtime also assembles its root.
    bench.invoke(name, "{}").await.ok();
}

/// A request as most are: nobody waits for its log.
async fn timed(bench: &Bench, name: &str) -> Duration {
    let payload = Document::Blob("{}".into());
    let input = Document::structure([("FunctionName", text(name)), ("Payload", payload)]);
    let began = Instant::now();
    let answer = bench.call("Invoke", input).await;
    let took = began.elapsed();
    support::Invoked::of(&answer).ok();
    took
}

/// How long the runtime had each request of a function, by the lines in its log.
fn durations(bench: &Bench) -> Vec<Duration> {
    let delivered = bench.delivered.lock().unwrap();
    let own = delivered.iter().filter_map(|(_, line)| {
        let (_, rest) = line.strip_prefix("REPORT ")?.split_once("\tDuration: ")?;
        rest.split(' ').next()?.parse::<f64>().ok()
    });
    own.map(|own| Duration::from_secs_f64(own / 1_000.0)).collect()
}

async fn zoned(bench: &Bench, name: &str, family: &str) {
    let mut input = definition(name, family);
    let variables = Document::Map(vec![("TZ".to_owned(), text("UTC"))]);
    input.push("Environment", Document::structure([("Variables", variables)]));
    bench.done("CreateFunction", input).await;
    bench.invoke(name, "{}").await.ok();
}

async fn cold(bench: &Bench, family: &str, (name, what): (&str, &str), pause: Duration, rounds: usize) {
    let mut times = Vec::new();
    for round in 0..rounds {
        let description = text(&round.to_string());
        let change = Document::structure([("FunctionName", text(name)), ("Description", description)]);
        bench.done("UpdateFunctionConfiguration", change).await;
        tokio::time::sleep(pause).await;
        times.push(timed(bench, name).await);
    }
    row(&format!("{family}: {what}"), times);
}

/// Requests that get a process of their own: some time apart, and at once after one another.
async fn once(bench: &Bench, family: &str, rounds: usize) {
    let (mut apart, mut at_once) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(250)).await;
        apart.push(timed(bench, "once").await);
        if family == "python3" {
            at_once.push(timed(bench, "once").await);
        }
    }
    row(&format!("{family}: request with a process of its own, ready ahead"), apart);
    if !at_once.is_empty() {
        row(&format!("{family}: the same at once after another: clearing, fork and request"), at_once);
    }
}

/// A function that has a whole processor, which is never made to wait for its share of one.
async fn whole_processor(bench: &Bench, family: &str) {
    let (file, code) = if family == "nodejs" { ("index.js", NODE) } else { ("app.py", PYTHON) };
    let handler = if family == "nodejs" { "index.handler" } else { "app.handler" };
    let mut input = Bench::definition("large", &runtime(family), handler, archive(&[(file, code)]));
    input.push("MemorySize", Document::Integer(1_769));
    input.push("Timeout", Document::Integer(30));
    bench.done("CreateFunction", input).await;
    bench.invoke("large", "{}").await.ok();
}

const WHOLE: &str = ", function with a whole processor";
const APART: &str = ", function with a whole processor, 5 ms after the answer to another";
/// Between two requests: the environment is frozen by then.
const PAUSE: Duration = Duration::from_millis(5);

async fn warm_alone(family: &str, rounds: usize) {
    let bench = sandboxed();
    function(&bench, "warm", family, "warm").await;
    whole_processor(&bench, family).await;
    println!("| what | fastest | p50 | p99 |\n|---|---|---|---|");
    warm(&bench, family, ("warm", ""), Duration::ZERO, rounds).await;
    warm(&bench, family, ("large", WHOLE), Duration::ZERO, rounds).await;
    warm(&bench, family, ("large", APART), PAUSE, rounds).await;
}

async fn warm(bench: &Bench, family: &str, (name, what): (&str, &str), pause: Duration, rounds: usize) {
    // What others have written is delivered before.
    bench.invoke(name, "{}").await.ok();
    tokio::time::sleep(STOCKED).await;
    bench.delivered.lock().unwrap().clear();
    let (mut whole, throttled) = (Vec::new(), throttled());
    for _ in 0..rounds {
        tokio::time::sleep(pause).await;
        whole.push(timed(bench, name).await);
    }
    let paused = self::throttled() - throttled;
    bench.eventually("all are reported", |bench| durations(bench).len() == rounds).await;
    let own = durations(bench);
    let beyond = whole.iter().zip(own).map(|(took, own)| took.saturating_sub(own)).collect();
    row(&format!("{family}: warm request{what} ({paused} of {rounds} times its share was used up)"), whole);
    row(&format!("{family}: of that beyond the runtime's own round trip"), beyond);
}

/// How often environments of this process had to wait for their share of the processor.
fn throttled() -> usize {
    let own = format!("casemate-{}-", std::process::id());
    let named = |base: &std::ffi::OsStr| base.to_str().is_some_and(|name| name.starts_with(&own));
    let entries =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let groups = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points =
        groups.lines().filter(|line| line.contains(" - cgroup")).filter_map(|line| line.split(' ').nth(4));
    let bases = points.flat_map(|point| {
        entries(Path::new(point)).filter(|path| path.file_name().is_some_and(named)).collect::<Vec<_>>()
    });
    let files = bases.flat_map(|base| entries(&base).map(|group| group.join("cpu.stat")).collect::<Vec<_>>());
    let count = |text: String| {
        text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<usize>().ok())
    };
    files.filter_map(|file| count(fs::read_to_string(file).ok()?)).sum()
}

async fn memory(family: &str, reuse: &str) {
    let bench = sandboxed();
    function(&bench, "held", family, reuse).await;
    memory_of(&bench, family, HELD).await;
    let (processes, kib) = environments();
    let log = bench.invoke("held", "0").await.log;
    let (_, rest) = log.rsplit_once("Max Memory Used: ").expect("a REPORT line");
    println!(
        "{family}, {reuse}: {HELD} idle environments, {processes} processes, hold {} KiB each (proportional set size); one \
         is charged at most {}",
        kib / HELD,
        rest.split('\t').next().unwrap().trim()
    );
}

/// Has so many environments of the function `held` serve a request each.
async fn memory_of(bench: &Bench, family: &str, count: usize) {
    let sleeping = if family == "nodejs" {
        archive(&[(
            "index.js",
            "exports.handler = async (event) => new Promise((done) => setTimeout(() => done(1), event * 1000));",
        )])
    } else {
        archive(&[("app.py", "import time\ndef handler(event, context):\n  time.sleep(event)\n  return 1\n")])
    };
    let update = Document::structure([("FunctionName", text("held")), ("ZipFile", sleeping)]);
    bench.done("UpdateFunctionCode", update).await;
    // All at once, so that none is used for two.
    let all = (0..count).map(|_| bench.invoke("held", "8"));
    let answers = futures(all).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(answers, count);
}

/// Most that may be provisioned.
// AWS: 1,000 less the 100 that stay unreserved.
const PROVISIONED_MAX: usize = 900;

/// Many idle environments: so many as may be are provisioned, the rest has served requests.
async fn idle(family: &str, count: usize) {
    let began = Instant::now();
    let bench = sandboxed();
    function(&bench, "held", family, "warm").await;
    bench.done("PublishVersion", Document::structure([("FunctionName", text("held"))])).await;
    let provisioned = count.min(PROVISIONED_MAX);
    let wanted = Document::Integer(i64::try_from(provisioned).unwrap());
    let put = [
        ("FunctionName", text("held")),
        ("Qualifier", text("1")),
        ("ProvisionedConcurrentExecutions", wanted),
    ];
    bench.done("PutProvisionedConcurrencyConfig", Document::structure(put)).await;
    loop {
        let get = Document::structure([("FunctionName", text("held")), ("Qualifier", text("1"))]);
        let state = bench.done("GetProvisionedConcurrencyConfig", get).await;
        let ready = state["AvailableProvisionedConcurrentExecutions"].as_u64().unwrap();
        if ready >= u64::try_from(provisioned).unwrap() {
            break;
        }
        eprintln!("{ready} after {:.0} s", began.elapsed().as_secs_f64());
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    if count > provisioned {
        memory_of(&bench, family, count - provisioned).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (processes, kib) = environments();
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let field =
        |name: &str| own.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
    println!(
        "{family}: {count} idle environments after {:.0} s: {processes} processes, {} MiB in all, {} KiB each; this process: \
         resident {}, {} threads, {open} descriptors",
        began.elapsed().as_secs_f64(),
        kib >> 10,
        kib / count,
        field("VmRSS:"),
        field("Threads:"),
    );
}

/// Processes below the newest spawner of this process, and their proportional set sizes together, in KiB.
fn environments() -> (usize, usize) {
    let parent = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1).map(str::to_owned)
    };
    let all: Vec<String> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let own = std::process::id().to_string();
    let below = |above: &[String]| -> Vec<String> {
        all.iter().filter(|pid| parent(pid).is_some_and(|parent| above.contains(&parent))).cloned().collect()
    };
    let environments = below(&below(&[own]));
    let children = below(&environments);
    let size = |pid: &String| -> usize {
        let table = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = table.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    };
    let counted: Vec<usize> = environments.iter().chain(&children).map(size).collect();
    (counted.len(), counted.iter().sum())
}

async fn futures(all: impl Iterator<Item = impl Future<Output = support::Invoked>>) -> usize {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done = 0;
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(invoked) => {
                done += usize::from(invoked.status == 200 && invoked.error.is_none());
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

async fn static_program(rounds: usize) {
    let driver = Driver::new(spawner::start().unwrap(), RuntimeTable::discover("".as_ref())).unwrap();
    let code = tempfile::tempdir().unwrap();
    fs::set_permissions(code.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = code.path().join("bootstrap");
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/sandbox/tests/fixtures/bootstrap.rs");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-C", "opt-level=2", "-C", "target-feature=+crt-static", "-o"]);
    assert!(rustc.arg(&program).arg(source).status().unwrap().success());
    let argv = vec!["/var/task/bootstrap".to_owned()];
    let template =
        driver.prepare("provided.al2023", Bootstrap { argv, ..Bootstrap::default() }).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..rounds * 5 {
        let address = casemate_sandbox::RUNTIME_API_ADDRESS.to_owned();
        let spec = EnvironmentSpec {
            template: template.clone(),
            code_dir: code.path().to_owned(),
            layers_dir: None,
            env: vec![("AWS_LAMBDA_RUNTIME_API".to_owned(), address)],
            memory_mb: 256,
            tmp_mb: 512,
            pids_max: 1_024,
            exec_policy: ExecPolicy::Allow,
            egress: EgressRules::default(),
            hostname: "function".to_owned(),
            companions: casemate_sandbox::Companions::default(),
        };
        let began = Instant::now();
        let environment = driver.start(spec).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        stream.read_u8().await.unwrap();
        times.push(began.elapsed());
        environment.stop().await;
    }
    row("static program: start to first poll", times);
}

/// The interpreter with an empty program, outside: the floor on this machine at this moment.
fn plain(family: &str, nothing: [&str; 2], rounds: usize) {
    let table = RuntimeTable::discover(&std::env::var_os("PATH").unwrap());
    let id = runtime(family);
    let program = table.find(&id).and_then(|runtime| runtime.interpreter.clone()).unwrap();
    let times = (0..rounds).map(|_| {
        let began = Instant::now();
        let status = Command::new(&program).args(nothing).stdin(Stdio::null()).status().unwrap();
        assert!(status.success());
        began.elapsed()
    });
    row(&format!("{family}: plain start of an empty program, no sandbox"), times.collect());
}
