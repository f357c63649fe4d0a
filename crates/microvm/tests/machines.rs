//! Real machines under emulation: one boot, one template, and clones of it. See `docs/isolation-microvm.md`.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use casemate_microvm::{
    Acceleration, CodeDisk, Config, Connection, Driver, Error, Fresh, FunctionSpec, Hardware, Image,
    KernelSource, Pending, Stream,
};
use casemate_sandbox::{Event, ExecPolicy, RuntimeTable};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

const INSTALL: &str = "run `. .ci/install.sh && need_qemu` in the repository's root";

/// A folder that QEMU's user may pass.
fn state() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

fn config(state: &Path, acceleration: Acceleration) -> Config {
    let qemu = PathBuf::from("/usr/bin/qemu-system-x86_64");
    assert!(qemu.exists(), "QEMU is missing: {INSTALL}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/kernel");
    let packages = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let package = packages.filter(|path| path.extension().is_some_and(|end| end == "deb")).max();
    Config {
        qemu,
        kernel: KernelSource::Package(package.unwrap_or_else(|| panic!("the kernel is missing: {INSTALL}"))),
        agent: PathBuf::from(env!("CARGO_BIN_EXE_casemate-guest")),
        confine: PathBuf::from(env!("CARGO_BIN_EXE_casemate-confine")),
        state: state.to_path_buf(),
        acceleration,
    }
}

fn package(folder: &Path) -> CodeDisk {
    let code_dir = folder.join("task");
    fs::create_dir(&code_dir).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/function.rs");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-C", "opt-level=2", "-C", "target-feature=+crt-static", "-o"]);
    assert!(rustc.arg(code_dir.join("bootstrap")).arg(source).status().unwrap().success());
    CodeDisk { code_dir, ..CodeDisk::default() }
}

fn spec() -> FunctionSpec {
    FunctionSpec {
        argv: vec!["/var/task/bootstrap".into()],
        env: vec![("GREETING".into(), "hello".into())],
        memory_mb: 128,
        tmp_mb: 16,
        pids_max: 32,
        exec_policy: ExecPolicy::Deny,
        hostname: "guest".into(),
    }
}

fn fresh(number: u8) -> Fresh {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Fresh { unix_ns: u64::try_from(now.as_nanos()).unwrap(), entropy: [number; 64] }
}

/// Reads the runtime's question for the next event: the bytes.
async fn question(stream: &mut Stream) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    assert!(read.starts_with(b"GET /2018-06-01/runtime/invocation/next"));
    read
}

async fn ask(runtime: &mut BufReader<Stream>, what: u8) -> String {
    runtime.write_all(&[what]).await.unwrap();
    let mut line = String::new();
    runtime.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

async fn driver(state: &Path) -> (Driver, Image) {
    let driver = Driver::new(config(state, Acceleration::EmulationAllowed)).await.unwrap();
    let table = RuntimeTable::discover(OsStr::new(""));
    let runtime = table.find("provided.al2023").unwrap();
    let image = driver.prepare("function-1", runtime, package(state)).await.unwrap();
    (driver, image)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn function_runs_in_a_machine_and_clones_of_its_template_answer_with_fresh_state() {
    let folder = state();
    let (driver, image) = driver(folder.path()).await;
    eprintln!("{}", driver.probe());
    let began = Instant::now();
    let mut booted = driver.boot(&image, &spec(), &fresh(1)).await.unwrap();
    eprintln!("boot: {:?}\n{}", began.elapsed(), booted.machine.layers());
    driver.start(&mut booted.machine, &image, spec()).await.unwrap();
    let mut asked = booted.machine.accept().await.unwrap();
    assert_eq!(asked.port, 9001);
    let read = question(&mut asked.stream).await;
    eprintln!("first question after {:?}", began.elapsed());
    let template = driver.snapshot(booted, vec![Pending { connection: asked, read }]).await.unwrap();
    eprintln!("template after {:?}, {} bytes of devices", began.elapsed(), template.device_bytes());

    let mut drawn = Vec::new();
    for number in 2..4 {
        let began = Instant::now();
        let mut machine = driver.clone_of(&template, &image, &fresh(number)).await.unwrap();
        let Connection { port, mut stream, .. } = machine.accept().await.unwrap();
        assert_eq!(port, 9001);
        question(&mut stream).await;
        let mut runtime = BufReader::new(stream);
        let random = ask(&mut runtime, b'r').await;
        eprintln!("clone {number}: first answer after {:?}", began.elapsed());
        drawn.push((ask(&mut runtime, b'i').await, random));
        let _ = machine.stop().await;
    }
    eprintln!("{drawn:?}");
    assert_eq!(drawn[0].0, drawn[1].0, "clones go on from one process");
    assert_ne!(drawn[0].1, drawn[1].1, "clones draw different numbers");
}
