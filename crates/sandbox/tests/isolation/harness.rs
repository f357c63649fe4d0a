//! One driver for all tests of the process; snippets in Python and Node that print what they met.

use std::{
    fs,
    future::Future,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use casemate_sandbox::{
    Bootstrap, Driver, Environment, EnvironmentSpec, Event, ExecPolicy, Exit, RuntimeTable, Template, spawner,
};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, runtime::Runtime, sync::OnceCell};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static DRIVER: OnceCell<Driver> = OnceCell::const_new();
static PYTHON: OnceCell<Template> = OnceCell::const_new();
static NODE: OnceCell<Template> = OnceCell::const_new();
static CUSTOM: OnceCell<Template> = OnceCell::const_new();

/// Runs a test in the runtime that all tests of this process share.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    });
    runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(50), test).await.unwrap() })
}

/// The driver of this process.
pub(crate) async fn driver() -> &'static Driver {
    DRIVER.get_or_init(|| async { new_driver() }).await
}

/// A driver of one's own, to be destroyed.
pub(crate) fn new_driver() -> Driver {
    let spawner = spawner::start().unwrap();
    Driver::new(spawner, RuntimeTable::discover(&std::env::var_os("PATH").unwrap())).unwrap()
}

/// The newest Python of this host, running `/var/task/main.py`.
pub(crate) async fn python() -> Template {
    let prepare = || async { prepare(driver().await, "python3.", "/var/task/main.py").await };
    PYTHON.get_or_init(prepare).await.clone()
}

/// The newest Node of this host, running `/var/task/main.js`.
pub(crate) async fn node() -> Template {
    NODE.get_or_init(|| async { prepare(driver().await, "nodejs", "/var/task/main.js").await }).await.clone()
}

/// The package's own program.
pub(crate) async fn custom() -> Template {
    CUSTOM.get_or_init(|| async { prepare_custom(driver().await).await }).await.clone()
}

pub(crate) async fn prepare_custom(driver: &Driver) -> Template {
    let bootstrap = Bootstrap { argv: vec!["/var/task/bootstrap".into()], ..Bootstrap::default() };
    driver.prepare("provided.al2023", bootstrap).await.unwrap()
}

pub(crate) async fn prepare(driver: &Driver, family: &str, script: &str) -> Template {
    let of_family = driver.runtimes().iter().filter(|runtime| runtime.id.starts_with(family));
    let runtime = of_family.max_by_key(|runtime| (runtime.id.len(), runtime.id.clone()));
    let runtime =
        runtime.expect("an interpreter on this host's PATH: the tests need Python and Node").clone();
    let interpreter = runtime.interpreter.unwrap().display().to_string();
    let argv = vec![interpreter, script.to_owned()];
    driver.prepare(&runtime.id, Bootstrap { argv, ..Bootstrap::default() }).await.unwrap()
}

/// A package of one file.
pub(crate) fn package(name: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join(name), text).unwrap();
    folder
}

/// A package with the statically linked custom runtime of `tests/fixtures`.
pub(crate) fn static_package() -> TempDir {
    static BINARY: OnceLock<Vec<u8>> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("bootstrap");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bootstrap.rs");
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-C", "opt-level=2", "-C", "target-feature=+crt-static", "-o"]);
        assert!(rustc.arg(&out).arg(source).status().unwrap().success());
        fs::read(out).unwrap()
    });
    let folder = package("bootstrap", "");
    let path = folder.path().join("bootstrap");
    fs::write(&path, binary).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

pub(crate) fn spec(template: Template, code_dir: &Path) -> EnvironmentSpec {
    EnvironmentSpec {
        template,
        code_dir: PathBuf::from(code_dir),
        layers_dir: None,
        env: vec![("GREETING".into(), "hello".into())],
        memory_mb: 256,
        tmp_mb: 16,
        pids_max: 64,
        exec_policy: ExecPolicy::Deny,
        egress: casemate_sandbox::EgressRules::default(),
        hostname: "casemate".into(),
        companions: casemate_sandbox::Companions::default(),
    }
}

/// What came of a program that ran to its end.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) events: Vec<Event>,
    pub(crate) exit: Exit,
}

impl Outcome {
    /// Lines `key value`.
    pub(crate) fn value(&self, key: &str) -> &str {
        let mut lines = self.stdout.lines();
        let found = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no `{key}` in {self:?}"))
    }

    pub(crate) fn executions_denied(&self) -> Vec<&str> {
        let path = |event: &'static Event| match event {
            Event::ExecDenied { path, .. } => Some(path.as_str()),
            _ => None,
        };
        // Shorter to leak in a test than to repeat the lifetime.
        Vec::leak(self.events.clone()).iter().filter_map(path).collect()
    }

    pub(crate) fn calls_refused(&self) -> Vec<String> {
        let call = |event: &Event| match event {
            Event::CallRefused { call, .. } => Some(call.clone()),
            _ => None,
        };
        self.events.iter().filter_map(call).collect()
    }

    pub(crate) fn connections_denied(&self) -> Vec<String> {
        let address = |event: &Event| match event {
            Event::ConnectDenied { address, .. } => Some(address.to_string()),
            _ => None,
        };
        self.events.iter().filter_map(address).collect()
    }
}

/// Runs an environment to its end.
pub(crate) async fn finish(mut environment: Environment) -> Outcome {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (environment.take_stdout().unwrap(), environment.take_stderr().unwrap());
    let mut received = environment.take_events().unwrap();
    let (out, err, exit) =
        tokio::join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr), environment.exited());
    out.unwrap();
    err.unwrap();
    drop(environment);
    let mut events = Vec::new();
    while let Some(event) = received.recv().await {
        events.push(event.event);
    }
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Outcome { stdout: text(&stdout), stderr: text(&stderr), events, exit }
}

/// Runs a Python snippet; `show(key, function)` prints `key` and what the function returned or raised.
pub(crate) async fn run_python(snippet: &str) -> Outcome {
    run_python_with(snippet, |spec| spec).await
}

pub(crate) async fn run_python_with(
    snippet: &str,
    change: impl FnOnce(EnvironmentSpec) -> EnvironmentSpec,
) -> Outcome {
    let package = package("main.py", &format!("{PYTHON_PRELUDE}{snippet}"));
    let spec = change(spec(python().await, package.path()));
    finish(driver().await.start(spec).await.unwrap()).await
}

pub(crate) async fn run_node(snippet: &str) -> Outcome {
    let package = package("main.js", snippet);
    finish(driver().await.start(spec(node().await, package.path())).await.unwrap()).await
}

pub(crate) const PYTHON_PRELUDE: &str = r#"
import ctypes, errno, os, socket, sys
def show(key, function):
    try:
        print(key, function(), flush=True)
    except OSError as error:
        print(key, errno.errorcode.get(error.errno, error.errno), flush=True)
    except Exception as error:
        print(key, type(error).__name__, flush=True)
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    value = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if value < 0:
        raise OSError(ctypes.get_errno(), "")
    return value
"#;

/// Forks until it is refused, and says how often and why it no longer could. After [`PYTHON_PRELUDE`].
pub(crate) const FORK_BOMB: &str = "
made = 0
try:
    while made < 5000:
        if os.fork() == 0:
            import signal; signal.pause()
        made += 1
except OSError as error:
    print('error', errno.errorcode[error.errno])
print('made', made, flush=True)
";
