//! Measures starting environments: from the request to the runtime's first connection to the Runtime API.
//!
//! `cargo run --release -p casemate-sandbox --example cold_start [-- rounds]` — as root, on a quiet machine. Every
//! layer is in force: there is no switch to leave one out. Plain starts of the same programs are printed beside.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use casemate_sandbox::{Bootstrap, Driver, EnvironmentSpec, ExecPolicy, RuntimeTable, Template, spawner};
use tokio::io::AsyncReadExt;

const PYTHON: &str = "import http.client
c = http.client.HTTPConnection('127.0.0.1', 9001)
c.request('GET', '/2018-06-01/runtime/invocation/next'); c.getresponse()";
const NODE: &str = "require('http').get('http://127.0.0.1:9001/2018-06-01/runtime/invocation/next')";

fn main() {
    let spawner = spawner::start().unwrap();
    let rounds = std::env::args().nth(1).map_or(50, |text| text.parse().expect("number of rounds"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let driver =
            Driver::new(spawner, RuntimeTable::discover(&std::env::var_os("PATH").unwrap())).unwrap();
        println!("{:<34} {:>8} {:>8} {:>8}", "milliseconds", "min", "median", "p90");
        let code = tempfile::tempdir().unwrap();
        fs::set_permissions(code.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(code.path().join("main.py"), PYTHON).unwrap();
        fs::write(code.path().join("main.js"), NODE).unwrap();
        compile(&code.path().join("bootstrap"));
        let bootstrap = vec!["/var/task/bootstrap".to_owned()];
        measure(&driver, "provided.al2023", "provided.al2023", bootstrap, code.path(), rounds).await;
        for (family, script) in [("python3.", "main.py"), ("nodejs", "main.js")] {
            let Some(found) = driver
                .runtimes()
                .iter()
                .filter(|r| r.id.starts_with(family))
                .max_by_key(|r| (r.id.len(), r.id.clone()))
            else {
                continue;
            };
            let (id, program) = (found.id.clone(), found.interpreter.clone().unwrap());
            let argv = vec![program.display().to_string(), format!("/var/task/{script}")];
            measure(&driver, &id, &id, argv, code.path(), rounds).await;
            let nothing = if family == "nodejs" { ["-e", "0"] } else { ["-c", "pass"] };
            plain(&format!("plain {id}, no sandbox, empty"), &program, nothing, rounds);
        }
    });
}

fn compile(to: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bootstrap.rs");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-C", "opt-level=2", "-C", "target-feature=+crt-static", "-o"]);
    assert!(rustc.arg(to).arg(source).status().unwrap().success());
}

async fn measure(driver: &Driver, id: &str, label: &str, argv: Vec<String>, code: &Path, rounds: usize) {
    let template = driver.prepare(id, Bootstrap { argv, ..Bootstrap::default() }).await.unwrap();
    let policy = if id.starts_with("provided") { ExecPolicy::Allow } else { ExecPolicy::Deny };
    let (mut first, mut executed, mut frozen, mut stopped) = (vec![], vec![], vec![], vec![]);
    let mut memory = 0;
    for _ in 0..rounds {
        let begun = Instant::now();
        let environment = driver.start(spec(template.clone(), code, policy.clone())).await.unwrap();
        executed.push(begun.elapsed());
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        stream.read_u8().await.unwrap();
        first.push(begun.elapsed());
        let begun = Instant::now();
        environment.freeze().await.unwrap();
        frozen.push(begun.elapsed());
        memory = environment.usage().memory_peak_bytes;
        let begun = Instant::now();
        environment.stop().await;
        stopped.push(begun.elapsed());
    }
    line(&format!("{label}: runtime executed"), executed);
    line(&format!("{label}: first request"), first);
    line(&format!("{label}: freeze"), frozen);
    line(&format!("{label}: stop"), stopped);
    println!("{label}: {} KiB peak memory of the group", memory / 1024);
}

fn spec(template: Template, code: &Path, exec_policy: ExecPolicy) -> EnvironmentSpec {
    EnvironmentSpec {
        template,
        code_dir: code.into(),
        layers_dir: None,
        env: vec![("AWS_LAMBDA_RUNTIME_API".into(), casemate_sandbox::RUNTIME_API_ADDRESS.into())],
        memory_mb: 256,
        tmp_mb: 512,
        pids_max: 1_024,
        exec_policy,
        egress: casemate_sandbox::EgressRules::default(),
        hostname: "casemate".into(),
        companions: casemate_sandbox::Companions::default(),
    }
}

/// The interpreter with an empty program, outside: the floor on this machine at this moment.
fn plain(label: &str, program: &Path, nothing: [&str; 2], rounds: usize) {
    let times = (0..rounds).map(|_| {
        let begun = Instant::now();
        let status = Command::new(program).args(nothing).stdin(Stdio::null()).status().unwrap();
        assert!(status.success());
        begun.elapsed()
    });
    line(label, times.collect());
}

fn line(label: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "small"
        )]
        let index = ((times.len() - 1) as f64 * share) as usize;
        times[index].as_secs_f64() * 1_000.0
    };
    println!("{label:<34} {:>8.2} {:>8.2} {:>8.2}", at(0.0), at(0.5), at(0.9));
}
