//! Real machines under emulation: one boot, one template, and clones of it. See `docs/isolation-microvm.md`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "the machines' clocks and speed are the real ones")]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use casemate_microvm::{
    Acceleration, CodeDisk, Config, Connection, Driver, Error, Fresh, FunctionSpec, Hardware, Image, KVM,
    KernelSource, Machine, Monitor, Pending, Stream, Template,
};
use casemate_sandbox::{Companions, Event, ExecPolicy, ExitStatus, RuntimeTable};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

const GREETING: &str = "a greeting that is easily found";
const CREDENTIAL: &str = "a-credential-of-one-clone-only";
/// Clones that are timed have the numbers 2 to this, exclusive.
const CLONES: u8 = 8;
const INSTALL: &str = "run `. .ci/install.sh && need_qemu` in the repository's root";

/// A folder that nobody else may pass, QEMU's user included.
fn state() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn config(state: &Path, acceleration: Acceleration) -> Config {
    let qemu = PathBuf::from("/usr/bin/qemu-system-x86_64");
    assert!(qemu.exists(), "QEMU is missing: {INSTALL}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/kernel");
    let packages = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let package = packages.filter(|path| path.extension().is_some_and(|end| end == "deb")).max();
    Config {
        monitor: Monitor::Qemu(qemu),
        kernel: KernelSource::Package(package.unwrap_or_else(|| panic!("the kernel is missing: {INSTALL}"))),
        agent: PathBuf::from(env!("CARGO_BIN_EXE_casemate-machine")),
        launcher: PathBuf::from(env!("CARGO_BIN_EXE_casemate-machine")),
        state: state.to_path_buf(),
        acceleration,
        device: KVM.into(),
        groups: None,
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
        working_dir: "/var/task".into(),
        env: vec![("GREETING".into(), GREETING.into())],
        memory_mb: 128,
        tmp_mb: 16,
        pids_max: 32,
        exec_policy: ExecPolicy::Deny,
        hostname: "guest".into(),
        way_out: false,
        companions: Companions::default(),
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
    let image = driver.prepare("function-1", runtime.planned().unwrap(), package(state)).await.unwrap();
    (driver, image)
}

/// Whether the guest's memory holds these bytes; pages that were never touched are skipped.
fn holds(template: &Template, needle: &[u8]) -> bool {
    let mut memory = template.memory().unwrap();
    let (mut page, mut before) = (vec![0; 4096], Vec::new());
    while memory.read_exact(&mut page).is_ok() {
        if page.iter().all(|byte| *byte == 0) {
            before.clear();
            continue;
        }
        before.extend_from_slice(&page);
        if before.windows(needle.len()).any(|part| part == needle) {
            return true;
        }
        before.drain(..before.len() - needle.len());
    }
    false
}

/// A clone whose runtime has asked for its event.
async fn clone_of(driver: &Driver, template: &Template, number: u8) -> (Machine, BufReader<Stream>) {
    let mut machine = driver.clone_of(template, &fresh(number)).await.unwrap();
    let Connection { port, mut stream, .. } = machine.accept().await.unwrap();
    assert_eq!(port, 9001);
    question(&mut stream).await;
    (machine, BufReader::new(stream))
}

/// The clock inside goes as fast as the host's, as far as the host can tell from when it asked and had its answer.
async fn clock_keeps_time(runtime: &mut BufReader<Stream>) {
    async fn read(runtime: &mut BufReader<Stream>) -> (Instant, Duration, Instant) {
        let asked = Instant::now();
        let inside = Duration::from_nanos(ask(runtime, b'm').await.parse().unwrap());
        (asked, inside, Instant::now())
    }
    let (asked, first, answered) = read(runtime).await;
    let (asked_again, last, answered_again) = loop {
        let again = read(runtime).await;
        if again.0 - answered >= Duration::from_millis(500) {
            break again;
        }
    };
    let (least, most) = (asked_again - answered, answered_again - asked);
    let (inside, tolerance) = (last.checked_sub(first).unwrap(), least / 50);
    assert!(inside + tolerance >= least && inside <= most + tolerance, "{least:?} {inside:?} {most:?}");
}

/// What one clone may and may not do, through every way in and out of it.
async fn everyday_life(mut machine: Machine, mut runtime: BufReader<Stream>) {
    let mut events = machine.take_events().unwrap();
    assert_eq!(ask(&mut runtime, b'v').await, GREETING);
    clock_keeps_time(&mut runtime).await;
    let inside: u64 = ask(&mut runtime, b't').await.parse().unwrap();
    let outside = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(inside.abs_diff(outside) <= 60, "the clock of a clone is the host's: {inside} {outside}");

    let (mut stdout, _stderr) = machine.take_outputs().await.unwrap();
    assert_eq!(ask(&mut runtime, b'o').await, "printed");
    let mut line = [0; 17];
    stdout.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"a line of output\n");

    runtime.write_all(b"a").await.unwrap();
    let mut endpoint = machine.accept().await.unwrap();
    assert_eq!(endpoint.port, 4566);
    let mut question = [0; 9];
    endpoint.stream.read_exact(&mut question).await.unwrap();
    endpoint.stream.write_all(CREDENTIAL.as_bytes()).await.unwrap();
    drop(endpoint);
    let mut answer = String::new();
    runtime.read_line(&mut answer).await.unwrap();
    assert_eq!(answer.trim_end(), CREDENTIAL);

    assert_eq!(ask(&mut runtime, b'e').await, "Err(PermissionDenied)");
    let denied = |(event, _): &(Event, u64)| matches!(event, Event::ExecDenied { path, .. } if path == "/var/task/bootstrap");
    while !denied(&events.recv().await.unwrap()) {}
    let files = ask(&mut runtime, b'f').await;
    assert_eq!(files, "Err(NotFound) Err(NotFound) Err(ReadOnlyFilesystem) Ok(())");

    machine.freeze().await.unwrap();
    runtime.write_all(b"v").await.unwrap();
    let mut answer = String::new();
    let silent = tokio::time::timeout(Duration::from_millis(300), runtime.read_line(&mut answer)).await;
    assert!(silent.is_err(), "a frozen machine answers nothing");
    machine.thaw(fresh(0).unix_ns).await.unwrap();
    runtime.read_line(&mut answer).await.unwrap();
    assert_eq!(answer.trim_end(), GREETING);

    runtime.write_all(b"q").await.unwrap();
    assert_eq!(machine.exited().await.unwrap().status, ExitStatus::Code(0));
    let _ = machine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn function_runs_in_a_machine_and_clones_of_its_template_answer_with_fresh_state() {
    let folder = state();
    let (driver, image) = driver(folder.path()).await;
    println!("{}", driver.probe());
    let began = Instant::now();
    let mut booted = driver.boot(&image, &spec(), &fresh(1)).await.unwrap();
    println!("agent after {:?}, which reports\n{}", began.elapsed(), booted.machine.layers());
    let layers = booted.machine.layers();
    assert!(!layers.contains("ABSENT"), "{layers}");
    // What its kernel has not, and what the agent, which nothing inside can kill, has no need of.
    let known = ["landlock scopes ", "sealed spawner "];
    let weaker =
        |line: &&str| line.contains("degraded") && !known.iter().any(|layer| line.starts_with(layer));
    assert_eq!(layers.lines().find(weaker), None, "{layers}");
    // Memory, processes, processor and freezer.
    assert_eq!(layers.matches("cgroup v2").count(), 4, "{layers}");
    driver.start(&mut booted.machine, spec()).await.unwrap();
    let mut asked = booted.machine.accept().await.unwrap();
    let read = question(&mut asked.stream).await;
    println!("function's first question after {:?}", began.elapsed());
    let template = driver.snapshot(booted, vec![Pending::of(&asked, read)]).await.unwrap();
    println!("template after {:?}, {} bytes of device state", began.elapsed(), template.device_bytes());

    let (mut drawn, mut times) = (Vec::new(), Vec::new());
    for number in 2..CLONES {
        let began = Instant::now();
        let (machine, mut runtime) = clone_of(&driver, &template, number).await;
        let random = ask(&mut runtime, b'r').await;
        times.push(began.elapsed());
        drawn.push((ask(&mut runtime, b'i').await, random));
        let _ = machine.stop().await;
    }
    times.sort();
    println!("restore to first answer: {times:?}");
    assert!(drawn.iter().all(|(init, _)| *init == drawn[0].0), "clones go on from one process: {drawn:?}");
    let mut fresh_numbers: Vec<&str> = drawn.iter().map(|(_, random)| random.as_str()).collect();
    fresh_numbers.sort_unstable();
    fresh_numbers.dedup();
    assert_eq!(fresh_numbers.len(), drawn.len(), "clones draw different numbers: {drawn:?}");

    let (machine, runtime) = clone_of(&driver, &template, 99).await;
    everyday_life(machine, runtime).await;
    assert!(holds(&template, GREETING.as_bytes()), "the search finds what is there");
    assert!(!holds(&template, CREDENTIAL.as_bytes()), "a clone's secrets are not in the template");
    let left = fs::read_dir(folder.path()).unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("vm-")).collect();
    assert!(left.is_empty(), "folders of machines are gone: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn function_with_credentials_in_its_environment_becomes_no_template() {
    let folder = state();
    let (driver, image) = driver(folder.path()).await;
    let mut booted = driver.boot(&image, &spec(), &fresh(1)).await.unwrap();
    let env = vec![("AWS_SESSION_TOKEN".to_owned(), CREDENTIAL.to_owned())];
    driver.start(&mut booted.machine, FunctionSpec { env, ..spec() }).await.unwrap();
    let refused = driver.snapshot(booted, Vec::new()).await;
    assert!(matches!(refused, Err(Error::Refused("a template must not hold credentials"))), "{refused:?}");
}

/// How many draws had begun when the machine stopped: in its memory, in the page that the function knows its own by.
fn begun_draws(template: &Template) -> u64 {
    let mut memory = template.memory().unwrap();
    let (mut page, mut found) = (vec![0; 4096], Vec::new());
    while memory.read_exact(&mut page).is_ok() {
        let mut words = page.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
        let known = [words.next(), words.next()];
        if known == [Some(!0x6361_7365_6d61_7465), Some(!0x6472_6177_735f_6f6e)] {
            found.extend(words.next());
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// What a clone's thread has drawn, by number, and the number of the first since its clock was set to its own day.
async fn draws_of(driver: &Driver, template: &Template, number: u8) -> (BTreeMap<u64, String>, u64) {
    let Fresh { unix_ns, entropy } = fresh(number);
    let own_day = Fresh { unix_ns: unix_ns + u64::from(number) * 10 * 86_400_000_000_000, entropy };
    let mut machine = driver.clone_of(template, &own_day).await.unwrap();
    let mut stream = machine.accept().await.unwrap().stream;
    question(&mut stream).await;
    let answer = ask(&mut BufReader::new(stream), b'd').await;
    let mut words = answer.split(' ');
    let mut count = || words.next().unwrap().parse::<u64>().unwrap();
    let (first, begin) = (count(), count());
    ((begin..).zip(words.map(str::to_owned)).collect(), first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thread_of_a_template_draws_nothing_in_a_clone_that_another_clone_draws() {
    let folder = state();
    let (driver, image) = driver(folder.path()).await;
    let spec = FunctionSpec { env: vec![("DRAWS".into(), "on".into())], ..spec() };
    let mut booted = driver.boot(&image, &spec, &fresh(1)).await.unwrap();
    driver.start(&mut booted.machine, spec).await.unwrap();
    let mut asked = booted.machine.accept().await.unwrap();
    let read = question(&mut asked.stream).await;
    let template = driver.snapshot(booted, vec![Pending::of(&asked, read)]).await.unwrap();
    let begun = begun_draws(&template);
    let (one, first_of_one) = draws_of(&driver, &template, 2).await;
    let (other, first_of_other) = draws_of(&driver, &template, 3).await;
    println!("{begun} draws before, the first with a clock of its own: {first_of_one}, {first_of_other}");
    let since: Vec<u64> = one.range(begun + 1..).map(|(number, _)| *number).collect();
    let same: Vec<&u64> = since.iter().filter(|number| one.get(number) == other.get(number)).collect();
    assert!(since.len() >= 16 && same.is_empty(), "{} of {} draws are the same", same.len(), since.len());
    assert!(one.get(&(begun - 1)) == other.get(&(begun - 1)), "what was drawn before is");
    let early = begun + 1;
    assert!(first_of_one <= early && first_of_other <= early, "nothing is drawn before the clock is set");
}

const SCRIPT: &str = r#"
import os, socket, ssl, sys, json
runtime = socket.create_connection(("127.0.0.1", 9001))
runtime.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n")
runtime.recv(1)
told = open("/opt/told").read()
shell = os.path.exists("/bin/sh")
runtime.sendall((json.dumps([sys.version_info[0], told, shell, os.getuid()]) + "\n").encode())
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_that_was_initialised_in_the_template_answers_in_a_clone() {
    let folder = state();
    let driver = Driver::new(config(folder.path(), Acceleration::EmulationAllowed)).await.unwrap();
    let table = RuntimeTable::discover(&std::env::var_os("PATH").unwrap());
    let pythons = table.iter().filter(|runtime| runtime.id.starts_with("python3."));
    let python = pythons.max_by_key(|runtime| (runtime.id.len(), runtime.id.clone())).unwrap();
    let code_dir = folder.path().join("task");
    fs::create_dir(&code_dir).unwrap();
    fs::write(code_dir.join("main.py"), SCRIPT).unwrap();
    let layers = folder.path().join("layers");
    fs::create_dir(&layers).unwrap();
    fs::write(layers.join("told"), "a file of a layer").unwrap();
    let code = CodeDisk { code_dir, layers_dir: Some(layers) };
    let image = driver.prepare("python-1", python.planned().unwrap(), code).await.unwrap();
    let interpreter = python.interpreter.clone().unwrap().display().to_string();
    let spec = FunctionSpec { argv: vec![interpreter, "/var/task/main.py".into()], ..spec() };
    let began = Instant::now();
    let mut booted = driver.boot(&image, &spec, &fresh(1)).await.unwrap();
    driver.start(&mut booted.machine, spec).await.unwrap();
    let mut asked = booted.machine.accept().await.unwrap();
    let read = question(&mut asked.stream).await;
    println!("Python's first question after {:?}", began.elapsed());
    let template = driver.snapshot(booted, vec![Pending::of(&asked, read)]).await.unwrap();
    let began = Instant::now();
    let (_machine, mut runtime) = clone_of(&driver, &template, 2).await;
    let answer = ask(&mut runtime, b'!').await;
    println!("restored Python answers after {:?}", began.elapsed());
    assert_eq!(answer, r#"[3, "a file of a layer", false, 993]"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hardware_virtualisation_counts_only_if_a_guest_really_boots() {
    let folder = state();
    let outcome = Driver::new(config(folder.path(), Acceleration::HardwareOnly)).await;
    match outcome {
        Ok(driver) => assert!(matches!(driver.probe().hardware, Hardware::Usable { .. })),
        Err(Error::Absent { what, why }) => {
            assert_eq!(what, "hardware virtualisation");
            let opens = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
            assert_eq!(opens, !why.starts_with("/dev/kvm:"), "{why}");
            println!("{why}");
        }
        Err(other) => panic!("{other}"),
    }
}

/// With the stub, which looks whether it is given an ELF file: a distribution's kernel is compressed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distributions_kernel_is_unpacked_for_firecracker_with_its_channels_modules() {
    let folder = state();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let program = folder.path().join("stub");
    fs::write(&program, include_str!("fixtures/firecracker.py")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let whole = config(folder.path(), Acceleration::HardwareOnly);
    let config = Config { monitor: Monitor::Firecracker(program), device: "/dev/null".into(), ..whole };
    let driver = Driver::new(config).await.unwrap();
    assert!(driver.probe().kernel.contains("cloud"), "{}", driver.probe());
    let first_root = fs::read(folder.path().join("initramfs")).unwrap();
    let holds = |name: &[u8]| first_root.windows(name.len()).any(|part| part == name);
    assert!(holds(b"vmw_vsock_virtio_transport.ko") && !holds(b"virtio_console.ko"));
}

#[tokio::test]
async fn missing_programs_and_kernels_are_named() {
    let folder = state();
    let whole = config(folder.path(), Acceleration::EmulationAllowed);
    let refused =
        Driver::new(Config { monitor: Monitor::Qemu("/nowhere/qemu".into()), ..whole.clone() }).await;
    assert!(matches!(refused, Err(Error::Absent { what: "QEMU", .. })), "{refused:?}");
    let kernel = KernelSource::Image("/etc/passwd".into());
    let refused = Driver::new(Config { kernel, ..whole }).await;
    assert!(matches!(refused, Err(Error::Absent { what: "guest kernel", .. })), "{refused:?}");
}
