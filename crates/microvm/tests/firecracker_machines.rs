//! The driver with Firecracker as its monitor, against a stub of it: the same state machine as with QEMU, in the same
//! confinement. What a stub cannot show: see `docs/isolation-microvm.md`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use casemate_microvm::{
    Acceleration, Aside, CodeDisk, Config, Connection, Disk, Driver, Error, Fresh, FunctionSpec, Hardware,
    Image, KernelSource, Limits, Machine, Monitor, Pending, Stock, Stream, Template, Whose,
};
use casemate_sandbox::{Companions, ExecPolicy, ExitStatus, MemberEnd, PlannedRoot, RuntimeTable};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// A folder that others may pass: unlike Firecracker, the stub's interpreter wants its program by its whole path.
fn state() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// The stub, with another behaviour.
fn stub(folder: &Path, behaviour: &str) -> PathBuf {
    let text = include_str!("fixtures/firecracker.py");
    let changed = text.replace("BEHAVIOUR = \"ordinary\"", &format!("BEHAVIOUR = \"{behaviour}\""));
    assert!(behaviour == "ordinary" || changed != text);
    let path = folder.join("stub");
    fs::write(&path, changed).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn config(state: &Path, behaviour: &str) -> Config {
    let machines = state.join("machines");
    fs::create_dir(&machines).unwrap();
    fs::set_permissions(&machines, fs::Permissions::from_mode(0o711)).unwrap();
    let own = PathBuf::from(env!("CARGO_BIN_EXE_casemate-machine"));
    Config {
        monitor: Monitor::Firecracker(stub(state, behaviour)),
        // Any ELF file: the stub looks at its first bytes.
        kernel: KernelSource::Image("/bin/true".into()),
        agent: own.clone(),
        launcher: own,
        state: machines,
        acceleration: Acceleration::HardwareOnly,
        // A device that everybody may open, so that this runs where there is no other.
        device: "/dev/null".into(),
        groups: None,
    }
}

fn spec() -> FunctionSpec {
    FunctionSpec {
        argv: vec!["/var/task/bootstrap".into()],
        working_dir: "/var/task".into(),
        env: vec![("GREETING".into(), "hello".into())],
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
    Fresh { unix_ns: 1_700_000_000_000_000_000, entropy: [number; 64] }
}

fn root() -> PlannedRoot {
    RuntimeTable::discover(OsStr::new("")).find("provided.al2023").unwrap().planned().unwrap()
}

fn package(folder: &Path) -> CodeDisk {
    let code_dir = folder.join("task");
    fs::create_dir(&code_dir).unwrap();
    fs::write(code_dir.join("bootstrap"), "code").unwrap();
    CodeDisk { code_dir, ..CodeDisk::default() }
}

/// The runtime's connection, after its question, with the bytes of that.
async fn asked(machine: &mut Machine) -> (Connection, Vec<u8>) {
    let mut connection = machine.accept().await.unwrap();
    assert_eq!(connection.port, 9001);
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(connection.stream.read_u8().await.unwrap());
    }
    (connection, read)
}

async fn ask(runtime: &mut BufReader<Stream>, what: u8) -> String {
    runtime.write_all(&[what]).await.unwrap();
    let mut line = String::new();
    runtime.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

/// Folders of machines, each with its process.
fn machines(state: &Path) -> usize {
    let entries = fs::read_dir(state.join("machines")).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("vm-")).count()
}

async fn booted(driver: &Driver, state: &Path) -> (casemate_microvm::Booted, Image) {
    let image = driver.prepare("function-1", root(), package(state)).await.unwrap();
    (driver.boot(&image, &spec(), &fresh(1)).await.unwrap(), image)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clones_go_on_from_one_memory_with_fresh_randomness_and_cannot_write_what_they_share() {
    let folder = state();
    let driver = Driver::new(config(folder.path(), "ordinary")).await.unwrap();
    assert!(matches!(driver.probe().hardware, Hardware::Usable { .. }));
    assert!(driver.probe().monitor.starts_with("Firecracker v1.13.0 (SHA-256 "), "{}", driver.probe());
    assert!(!driver.is_emulating());
    let (mut first, _) = booted(&driver, folder.path()).await;
    driver.start(&mut first.machine, spec()).await.unwrap();
    let (connection, read) = asked(&mut first.machine).await;
    let template = driver.snapshot(first, vec![Pending::of(&connection, read)]).await.unwrap();
    assert!(template.device_bytes() > 0);
    assert_eq!(machines(folder.path()), 0, "the machine that became a template has ended");

    let mut seen = Vec::new();
    for number in 2..5 {
        let mut machine = driver.clone_of(&template, &fresh(number)).await.unwrap();
        let (connection, _) = asked(&mut machine).await;
        let mut runtime = BufReader::new(connection.stream);
        assert_eq!(ask(&mut runtime, b'e').await, r#"[["GREETING", "hello"]]"#);
        assert_eq!(ask(&mut runtime, b'n').await, "2", "once at the boot and once in each clone");
        machine.freeze().await.unwrap();
        machine.thaw(1).await.unwrap();
        seen.push((ask(&mut runtime, b'i').await, ask(&mut runtime, b'r').await));
        machine.stop().await;
    }
    assert!(seen.iter().all(|(drawn, _)| *drawn == seen[0].0), "one process: {seen:?}");
    assert!(seen[0].1 != seen[1].1 && seen[1].1 != seen[2].1 && seen[0].1 != seen[2].1, "{seen:?}");
    drop(template);
    let left = fs::read_dir(folder.path().join("machines")).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("template-")), "{left:?}");
}

fn limits(driver: &Driver) -> Limits {
    Limits { failed: Duration::from_mins(10), ..Limits::of(driver) }
}

/// A stock over the stub, and how often it asked for randomness: once for each machine that began to run.
async fn stock(state: &Path, behaviour: &str, start: Duration) -> (Stock, Arc<AtomicU8>) {
    let driver = Driver::new(config(state, behaviour)).await.unwrap();
    let limits = Limits { start, ..limits(&driver) };
    (Stock::with_limits(driver, limits).unwrap(), Arc::default())
}

type Draw = Arc<dyn Fn() -> Fresh + Send + Sync>;

async fn code_and_draw(stock: &Stock, state: &Path, begun: &Arc<AtomicU8>) -> (Arc<Disk>, Draw) {
    let name = format!("code-{}", begun.load(Ordering::SeqCst));
    let code_dir = state.join(&name);
    fs::create_dir_all(&code_dir).unwrap();
    let code = CodeDisk { code_dir, ..CodeDisk::default() };
    let code = stock.driver().code_disk(&name, code).await.unwrap();
    let begun = Arc::clone(begun);
    (code, Arc::new(move || fresh(begun.fetch_add(1, Ordering::SeqCst))))
}

async fn started(stock: &Stock, state: &Path, begun: &Arc<AtomicU8>) -> Result<Machine, Error> {
    let (code, draw) = code_and_draw(stock, state, begun).await;
    stock.start(root(), code, spec(), draw).await
}

/// A machine that has asked for its event becomes this one's template.
async fn kept(stock: &Stock, state: &Path, begun: &Arc<AtomicU8>, whose: Whose) -> Result<Template, Error> {
    let (code, draw) = code_and_draw(stock, state, begun).await;
    let (mut machine, basis) = stock.start_for_template(root(), code, spec(), draw).await.unwrap();
    let mut connection = machine.accept().await.unwrap();
    let tap = connection.tap();
    while !tap.pending().unwrap().read().ends_with(b"\r\n\r\n") {
        connection.stream.read_u8().await.unwrap();
    }
    let aside = Aside::new("what is known of it".to_owned());
    let template = stock.keep((&machine, basis), vec![tap.pending().unwrap()], (whose, aside)).await;
    machine.over().await;
    assert!(machine.has_ended(), "nothing but the template is left of it");
    template
}

fn whose(function: &str, state: [&str; 2]) -> Whose {
    Whose { function: function.to_owned(), state: state.map(str::to_owned).to_vec() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn template_of_a_function_is_used_for_its_machines_and_for_nobody_elses() {
    let folder = state();
    let (stock, begun) = stock(folder.path(), "ordinary", Duration::from_mins(2)).await;
    let own = || whose("arn:1:f:1", ["revision", "role"]);
    let found = async |whose| stock.initialised(&root(), whose).await.unwrap();
    assert!(found(own()).await.is_none());
    kept(&stock, folder.path(), &begun, own()).await.unwrap();
    for other in [
        whose("arn:1:f:2", ["revision", "role"]),
        whose("arn:2:f:1", ["revision", "role"]),
        whose("arn:1:f:1", ["other", "role"]),
        whose("arn:1:f:1", ["revision", "other"]),
        whose("arn:1:f:1", ["role", "revision"]),
    ] {
        assert!(found(other.clone()).await.is_none(), "{other:?}");
    }
    let template = found(own()).await.unwrap();
    assert_eq!(template.aside::<String>().unwrap(), "what is known of it");
    assert!(template.aside::<u32>().is_none() && !format!("{template:?}").contains("is known"));
    let mut drawn = Vec::new();
    for number in 90..92 {
        let mut machine = stock.go_on(&template, &fresh(number)).await.unwrap();
        // The question that was read before comes again.
        let mut runtime = BufReader::new(asked(&mut machine).await.0.stream);
        drawn.push((ask(&mut runtime, b'i').await, ask(&mut runtime, b'r').await));
    }
    assert!(drawn[0].0 == drawn[1].0 && drawn[0].1 != drawn[1].1, "{drawn:?}");
    stock.forget("arn:1:f:2");
    assert!(found(own()).await.is_some());
    stock.forget("arn:1:f:1");
    assert!(found(own()).await.is_none());
    let used = begun.load(Ordering::SeqCst);
    started(&stock, folder.path(), &begun).await.unwrap();
    assert_eq!(begun.load(Ordering::SeqCst), used + 1, "the runtime's template has stayed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn template_of_a_function_goes_when_a_file_of_its_runtime_has_changed() {
    let folder = state();
    let (stock, begun) = stock(folder.path(), "ordinary", Duration::from_mins(2)).await;
    let own = || whose("f", ["revision", "role"]);
    kept(&stock, folder.path(), &begun, own()).await.unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    let other = root().with_task(folder.path().join("more"));
    assert!(stock.initialised(&other, own()).await.unwrap().is_none());
    assert!(stock.initialised(&root(), own()).await.unwrap().is_none(), "it went, and is not hidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machine_with_another_open_connection_becomes_no_template_and_ends() {
    let folder = state();
    let (stock, begun) = stock(folder.path(), "ordinary", Duration::from_mins(2)).await;
    let (code, draw) = code_and_draw(&stock, folder.path(), &begun).await;
    let (mut machine, basis) = stock.start_for_template(root(), code, spec(), draw).await.unwrap();
    // Its one connection is not named.
    let (_connection, _) = asked(&mut machine).await;
    let own = whose("f", ["revision", "role"]);
    let refused = stock.keep((&machine, basis), Vec::new(), (own.clone(), Aside::new(()))).await;
    assert!(matches!(&refused, Err(Error::Refused(why)) if why.contains("waits for nothing")), "{refused:?}");
    machine.exited().await;
    assert!(stock.initialised(&root(), own).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn function_that_cannot_be_stopped_becomes_no_template_and_its_machine_ends() {
    let folder = state();
    let (stock, begun) = stock(folder.path(), "unstoppable", Duration::from_mins(2)).await;
    let own = || whose("f", ["revision", "role"]);
    let refused = kept(&stock, folder.path(), &begun, own()).await.unwrap_err();
    assert!(matches!(&refused, Error::NotStopped(why) if why == "a thread of it waits"), "{refused:?}");
    assert!(stock.initialised(&root(), own()).await.unwrap().is_none());
    started(&stock, folder.path(), &begun).await.expect("without a template of its own it runs all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clone_whose_function_is_not_let_go_on_is_not_used() {
    let folder = state();
    let (stock, begun) = stock(folder.path(), "stiff", Duration::from_mins(2)).await;
    let template = kept(&stock, folder.path(), &begun, whose("f", ["revision", "role"])).await.unwrap();
    let refused = stock.go_on(&template, &fresh(9)).await.unwrap_err();
    assert!(matches!(&refused, Error::Guest(why) if why == "it stays where it is"), "{refused:?}");
    assert_eq!(machines(folder.path()), 0, "it has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_boot_serves_every_function_of_a_runtime_each_in_a_machine_of_its_own() {
    let folder = state();
    let (stock, begun) = stock(folder.path(), "ordinary", Duration::from_mins(2)).await;
    let mut one = started(&stock, folder.path(), &begun).await.unwrap();
    let mut other = started(&stock, folder.path(), &begun).await.unwrap();
    assert_eq!(begun.load(Ordering::SeqCst), 3, "one boot, two clones");
    let mut drawn = Vec::new();
    for machine in [&mut one, &mut other] {
        let mut runtime = BufReader::new(asked(machine).await.0.stream);
        drawn.push((ask(&mut runtime, b'i').await, ask(&mut runtime, b'r').await));
    }
    assert!(drawn[0].0 != drawn[1].0 && drawn[0].1 != drawn[1].1, "{drawn:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machine_whose_start_takes_too_long_is_ended() {
    let folder = state();
    let (stock, begun) = stock(folder.path(), "deaf", Duration::from_secs(5)).await;
    // The template is made whether somebody waits for it or not; how long that takes here is not what is tried.
    let mut outcome = started(&stock, folder.path(), &begun).await;
    while begun.load(Ordering::SeqCst) < 2 {
        assert!(matches!(outcome, Err(Error::TookTooLong(_))), "{outcome:?}");
        outcome = started(&stock, folder.path(), &begun).await;
    }
    assert!(matches!(outcome, Err(Error::TookTooLong(_))), "{outcome:?}");
    assert_eq!(machines(folder.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boot_that_fails_is_not_repeated_for_every_request_and_callers_do_not_see_the_console() {
    let folder = state();
    let (stock, begun) = stock(folder.path(), "silent", Duration::from_mins(2)).await;
    let first = started(&stock, folder.path(), &begun).await.unwrap_err();
    assert!(first.to_string().contains("console words"), "the operator is told: {first}");
    assert!(!first.is_remembered() && !first.for_callers().contains("console"), "{}", first.for_callers());
    let folders = || fs::read_dir(folder.path().join("machines")).unwrap().count();
    for _ in 0..5 {
        let before = folders();
        let again = started(&stock, folder.path(), &begun).await.unwrap_err();
        assert!(again.is_remembered(), "{again}");
        assert!(again.for_callers().contains("not tried again yet"));
        assert!(folders() <= before + 1 && machines(folder.path()) == 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_that_is_not_what_it_should_be_is_refused() {
    let folder = state();
    let driver = Driver::new(config(folder.path(), "short")).await.unwrap();
    let (machine, _) = booted(&driver, folder.path()).await;
    let refused = driver.snapshot(machine, Vec::new()).await.unwrap_err();
    assert!(refused.to_string().contains("not what it should be"), "{refused}");
    assert_eq!(machines(folder.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hardware_that_is_not_there_or_boots_nothing_is_refused_and_so_is_emulation() {
    let folder = state();
    let whole = config(folder.path(), "ordinary");
    let refused = Driver::new(Config { acceleration: Acceleration::EmulationAllowed, ..whole.clone() }).await;
    assert!(matches!(refused, Err(Error::Refused(why)) if why.contains("does not emulate")), "{refused:?}");
    let refused = Driver::new(Config { device: "/nowhere/kvm".into(), ..whole.clone() }).await;
    assert!(matches!(&refused, Err(Error::Absent { what: "hardware virtualisation", .. })), "{refused:?}");
    let missing = Monitor::Firecracker("/nowhere/firecracker".into());
    let refused = Driver::new(Config { monitor: missing, ..whole.clone() }).await;
    assert!(matches!(&refused, Err(Error::Absent { what: "Firecracker", .. })), "{refused:?}");
    let kernel = KernelSource::Image("/etc/passwd".into());
    let refused = Driver::new(Config { kernel, ..whole }).await;
    assert!(matches!(&refused, Err(Error::Absent { what: "guest kernel", .. })), "{refused:?}");

    for (behaviour, what) in [("stuck", "hardware virtualisation"), ("stranger", "Firecracker")] {
        let folder = state();
        let refused = Driver::new(config(folder.path(), behaviour)).await.unwrap_err();
        assert!(matches!(&refused, Error::Absent { what: absent, .. } if *absent == what), "{refused}");
        assert_eq!(machines(folder.path()), 0);
    }
}

fn beside(programs: &[&str]) -> FunctionSpec {
    let programs = programs.iter().map(|program| (*program).to_owned()).collect();
    FunctionSpec { companions: Companions { programs, env: Vec::new() }, ..spec() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_beside_a_runtime_is_reached_by_its_outlets_and_tells_of_its_end() {
    let folder = state();
    let driver = Driver::new(config(folder.path(), "ordinary")).await.unwrap();
    let (mut booted, _) = booted(&driver, folder.path()).await;
    let machine = &mut booted.machine;
    driver.start(machine, beside(&["/opt/extensions/one"])).await.unwrap();
    assert!(
        machine.take_outputs().await.is_some() && machine.take_companion_output().await.unwrap().is_some()
    );
    let mut outlets = machine.take_outlets();
    assert_eq!((outlets.len(), machine.take_outlets().len()), (1, 0));
    let outlet = outlets.first_mut().unwrap();
    let refused = outlet.connect(8_081).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    for _ in 0..2 {
        let mut line = String::new();
        BufReader::new(outlet.connect(8_080).await.unwrap()).read_line(&mut line).await.unwrap();
        assert_eq!(line, "8080\n");
    }
    machine.run_runtime().await.unwrap();
    assert!(machine.runtime_not_executed().is_none());
    machine.end_all_but_companions().await.unwrap();
    assert_eq!(machine.companion_ended(&[]).await, (0, MemberEnd::Exited(ExitStatus::Code(7))));
    assert_eq!(machine.exited().await.unwrap().status, ExitStatus::Signal(9));
    assert!(machine.has_told_exit());
    assert_eq!(machine.runtime_not_executed().unwrap().kind(), std::io::ErrorKind::NotFound);
    machine.over().await;
    assert!(!machine.has_ended(), "what it has said is believed, and it is its user's to end");
    let refused = driver.snapshot(booted, Vec::new()).await.unwrap_err();
    assert!(refused.to_string().contains("no part of a template"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machine_without_companions_has_no_ways_in_and_is_over_with_its_process() {
    let folder = state();
    let driver = Driver::new(config(folder.path(), "ordinary")).await.unwrap();
    let (mut booted, _) = booted(&driver, folder.path()).await;
    let machine = &mut booted.machine;
    driver.start(machine, spec()).await.unwrap();
    assert!(machine.take_companion_output().await.unwrap().is_none() && machine.take_outlets().is_empty());
    machine.run_runtime().await.unwrap();
    machine.kill();
    machine.over().await;
    assert!(machine.has_ended());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machine_that_does_not_hear_of_a_request_is_ended_and_has_said_nothing_of_its_function() {
    let folder = state();
    let driver = Driver::new(config(folder.path(), "absent")).await.unwrap();
    let (mut booted, _) = booted(&driver, folder.path()).await;
    let machine = &mut booted.machine;
    driver.start(machine, spec()).await.unwrap();
    let deaf = machine.begin_invocation().await;
    assert!(matches!(deaf, Err(Error::TimedOut(_))), "{deaf:?}");
    assert_eq!(machine.exited().await, None);
    assert!(!machine.has_told_exit(), "whoever asks must not take it for the function's end");
}
