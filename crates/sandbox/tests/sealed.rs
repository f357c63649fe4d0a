//! The spawner as the server has it: from a sealed copy of the program, started again when it is killed.
//!
//! A program of its own, because `main` must begin with `spawner::enter`, which the usual harness does not let it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::{Command, ExitCode, Stdio},
};

use casemate_sandbox::{
    Driver, EnvironmentSpec, ExecPolicy, ExitStatus, Incident, Layer, RuntimeTable, StartError, Status,
    spawner::{self, Spawner},
};
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::harness::{prepare_custom, run, spec, static_package};

#[path = "isolation/harness.rs"]
#[expect(dead_code, reason = "made for the larger suite")]
mod harness;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("spawner_is_a_sealed_copy_that_nobody_can_write", spawner_is_a_sealed_copy_that_nobody_can_write),
    ("spawner_has_one_thread_whatever_it_has_started", spawner_has_one_thread_whatever_it_has_started),
    ("spawner_holds_nothing_of_the_server", spawner_holds_nothing_of_the_server),
    ("killed_spawner_is_replaced_and_templates_go_on", killed_spawner_is_replaced_and_templates_go_on),
    (
        "starts_under_way_when_it_is_killed_are_done_by_the_next",
        starts_under_way_when_it_is_killed_are_done_by_the_next,
    ),
    (
        "signals_for_the_whole_service_leave_the_spawner_to_the_server",
        signals_for_the_whole_service_leave_the_spawner_to_the_server,
    ),
    ("spawner_killed_again_and_again_stays_down", spawner_killed_again_and_again_stays_down),
    ("program_file_written_over_changes_nothing", program_file_written_over_changes_nothing),
    (
        "dropped_driver_ends_the_spawner_and_is_no_incident",
        dropped_driver_ends_the_spawner_and_is_no_incident,
    ),
    ("killed_server_takes_a_replaced_spawner_along", killed_server_takes_a_replaced_spawner_along),
    ("started_by_hand_it_does_nothing", started_by_hand_it_does_nothing),
];

/// Speaks the harness's protocol as far as `cargo test` and nextest use it.
fn main() -> ExitCode {
    spawner::enter();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("as-server") {
        serve_a_little();
        return ExitCode::SUCCESS;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-') && *argument != "terse");
    let chosen = |name: &str| match wanted {
        Some(wanted) if has("--exact") => name == wanted,
        Some(wanted) => name.contains(wanted.as_str()),
        None => true,
    };
    for (name, test) in TESTS.iter().filter(|(name, _)| !has("--ignored") && chosen(name)) {
        if has("--list") {
            println!("{name}: test");
        } else {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn sealed() -> (Driver, u32) {
    let spawner = spawner::start_sealed().unwrap();
    let pid = spawner.pid();
    (driver(spawner), pid)
}

fn driver(spawner: Spawner) -> Driver {
    Driver::new(spawner, RuntimeTable::discover("".as_ref())).unwrap()
}

async fn package(driver: &Driver) -> (EnvironmentSpec, tempfile::TempDir) {
    let (template, code) = (prepare_custom(driver).await, static_package());
    (EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec(template, code.path()) }, code)
}

/// It works: its runtime asks for work. It ends by itself when the connection does.
async fn start(driver: &Driver, spec: &EnvironmentSpec) -> (casemate_sandbox::Environment, TcpStream) {
    let environment = driver.start(spec.clone()).await.unwrap();
    let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'G');
    (environment, stream)
}

fn kill(pid: u32) {
    // SAFETY: integers only; the number is that of a spawner which its keeper has not waited for, or has just.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
}

/// The process is there and the copy runs in it.
async fn settled(driver: &Driver) {
    let probe = driver.probe().await;
    assert!(matches!(probe.status(Layer::SealedSpawner), Some(Status::InForce(_))), "{probe}");
}

fn spawner_is_a_sealed_copy_that_nobody_can_write() {
    run(async {
        let (driver, pid) = sealed();
        settled(&driver).await;
        let path = format!("/proc/{pid}/exe");
        assert!(fs::read_link(&path).unwrap().starts_with("/memfd:casemate-spawner (deleted)"));
        let mut copy = File::open(&path).unwrap();
        // SAFETY: an open descriptor and an integer.
        let seals = unsafe { libc::fcntl(copy.as_raw_fd(), libc::F_GET_SEALS) };
        let all = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
        assert_eq!(seals & all, all);
        // As root, with every right over files; while it runs, and also when nothing runs it.
        let written = |path: &str| {
            let file = File::options().write(true).open(path);
            file.and_then(|mut file| file.write_all(b"\x7f")).unwrap_err().raw_os_error()
        };
        assert_eq!(written(&path), Some(libc::ETXTBSY));
        let again = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let handle = pidfd(pid);
        drop(driver);
        wait_for_end(&handle);
        assert_eq!(written(&again), Some(libc::EPERM));
        assert!(File::options().write(true).open(&again).and_then(|file| file.set_len(0)).is_err());
        let mut held = Vec::new();
        copy.read_to_end(&mut held).unwrap();
        let own = fs::read("/proc/self/exe").unwrap();
        assert!(held.len() > 1_000_000 && own.starts_with(&held));
    });
}

/// Bytes that are nowhere in the program's file.
fn marker() -> Vec<u8> {
    b"a secret of the server".iter().map(|byte| byte ^ 0x55).collect()
}

fn memory_holds(pid: u32, wanted: &[u8]) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    maps.lines().filter(|line| line.contains(" rw")).any(|line| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let at = |text| u64::from_str_radix(text, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(at(to) - at(from)).unwrap()];
        memory.seek(SeekFrom::Start(at(from))).unwrap();
        memory.read_exact(&mut bytes).is_ok() && bytes.windows(wanted.len()).any(|part| part == wanted)
    })
}

/// What will be so soon, and then stays so.
fn eventually<E: std::fmt::Debug>(holds: impl Fn() -> Result<(), E>) {
    let begun = tokio::time::Instant::now();
    while let Err(why) = holds() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{why:?}");
        std::thread::yield_now();
    }
}

/// What forks must have no other thread, whose locks would be held in the child for ever.
fn spawner_has_one_thread_whatever_it_has_started() {
    run(async {
        let (driver, pid) = sealed();
        let threads = || fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
        settled(&driver).await;
        let (spec, _code) = package(&driver).await;
        let (first, second) = (start(&driver, &spec).await, start(&driver, &spec).await);
        assert_eq!(threads(), 1);
        for (environment, stream) in [first, second] {
            drop(stream);
            environment.stop().await;
        }
        assert_eq!(threads(), 1);
    });
}

fn spawner_holds_nothing_of_the_server() {
    let secret = marker();
    run(async {
        let (driver, pid) = sealed();
        settled(&driver).await;
        assert!(!memory_holds(pid, &secret));
        // The search finds it where it is: in a fork.
        let fork = spawner::start().unwrap();
        // Its heap may shrink between the reading of its map and of its memory.
        eventually(|| memory_holds(fork.pid(), &secret).then_some(()).ok_or("not found"));
        assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
        // The answer to the probe comes before the spawner closes the descriptors that the question came with.
        eventually(|| {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
            let open = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
            let (null, others): (Vec<_>, Vec<_>) =
                open.map(|path| path.display().to_string()).partition(|file| file == "/dev/null");
            let fine = matches!(&others[..], [socket] if socket.starts_with("socket:")) && null.len() == 3;
            if fine { Ok(()) } else { Err(format!("{null:?} {others:?}")) }
        });
        assert_eq!(fs::read_dir(format!("/proc/{pid}/task")).unwrap().count(), 1);
    });
    drop(secret);
}

fn killed_spawner_is_replaced_and_templates_go_on() {
    run(async {
        let (driver, first) = sealed();
        let mut incidents = driver.take_incidents().unwrap();
        let (spec, _code) = package(&driver).await;
        let (environment, _stream) = start(&driver, &spec).await;
        kill(first);
        assert_eq!(environment.exited().await.status, ExitStatus::Unknown);
        let ended = Incident::SpawnerEnded { pid: first, status: ExitStatus::Signal(libc::SIGKILL) };
        assert_eq!(incidents.recv().await, Some(ended));
        let Some(Incident::SpawnerStarted { pid: second }) = incidents.recv().await else {
            panic!("no other")
        };
        assert_ne!(first, second);
        // From the same template: its root is made again.
        start(&driver, &spec).await.0.stop().await;
        assert!(
            fs::read_link(format!("/proc/{second}/exe"))
                .unwrap()
                .starts_with("/memfd:casemate-spawner (deleted)")
        );
        assert!(driver.take_incidents().is_none());
    });
}

fn starts_under_way_when_it_is_killed_are_done_by_the_next() {
    run(async {
        let (driver, mut pid) = sealed();
        let mut incidents = driver.take_incidents().unwrap();
        let (spec, _code) = package(&driver).await;
        for _ in 0..3 {
            let starts: Vec<_> = (0..8)
                .map(|_| {
                    let (driver, spec) = (driver.clone(), spec.clone());
                    tokio::spawn(async move {
                        loop {
                            let environment = driver.start(spec.clone()).await.unwrap();
                            // One that was made may die with the spawner that made it.
                            let asked = async {
                                let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
                                stream.read_u8().await.is_ok()
                            };
                            tokio::select! {
                                true = asked => return,
                                exit = environment.exited() => assert_eq!(exit.status, ExitStatus::Unknown),
                            }
                        }
                    })
                })
                .collect();
            tokio::task::yield_now().await;
            kill(pid);
            for start in starts {
                start.await.unwrap();
            }
            assert!(matches!(incidents.recv().await, Some(Incident::SpawnerEnded { .. })));
            let Some(Incident::SpawnerStarted { pid: next }) = incidents.recv().await else {
                panic!("no other")
            };
            pid = next;
        }
    });
}

fn signals_for_the_whole_service_leave_the_spawner_to_the_server() {
    run(async {
        let (driver, pid) = sealed();
        let mut incidents = driver.take_incidents().unwrap();
        let (spec, _code) = package(&driver).await;
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            // SAFETY: integers only; the number is that of a child of this process which nobody has waited for.
            assert_eq!(unsafe { libc::kill(pid.cast_signed(), signal) }, 0);
            start(&driver, &spec).await.0.stop().await;
        }
        assert!(incidents.try_recv().is_err());
    });
}

fn spawner_killed_again_and_again_stays_down() {
    run(async {
        let (driver, mut pid) = sealed();
        let mut incidents = driver.take_incidents().unwrap();
        let (spec, _code) = package(&driver).await;
        for _ in 0..5 {
            kill(pid);
            assert!(matches!(incidents.recv().await, Some(Incident::SpawnerEnded { .. })));
            let Some(Incident::SpawnerStarted { pid: next }) = incidents.recv().await else {
                panic!("no other")
            };
            pid = next;
        }
        start(&driver, &spec).await.0.stop().await;
        kill(pid);
        assert!(matches!(incidents.recv().await, Some(Incident::SpawnerEnded { .. })));
        assert!(matches!(incidents.recv().await, Some(Incident::SpawnerDown { .. })));
        let refused = driver.start(spec).await.unwrap_err();
        assert!(matches!(refused, StartError::SpawnerDown { .. }), "{refused:?}");
        assert!(
            refused.to_string().contains("more than 5 times within 60 seconds; restart the server"),
            "{refused}"
        );
        assert!(driver.probe().await.absent().any(|(_, why)| why.contains("restart the server")));
        assert_eq!(incidents.recv().await, None);
    });
}

/// Says `spawner PID` for each spawner; kills one and starts an environment for each line it reads.
fn serve_a_little() {
    let spawner = spawner::start_sealed().unwrap();
    let mut pid = spawner.pid();
    run(async {
        let driver = driver(spawner);
        let mut incidents = driver.take_incidents().unwrap();
        let (spec, _code) = package(&driver).await;
        let (environment, _stream) = start(&driver, &spec).await;
        println!("ready {pid} {}", environment.pid());
        for _ in std::io::stdin().lines() {
            kill(pid);
            incidents.recv().await;
            let Some(Incident::SpawnerStarted { pid: next }) = incidents.recv().await else {
                panic!("no other")
            };
            pid = next;
            let (environment, stream) = start(&driver, &spec).await;
            println!("ready {pid} {}", environment.pid());
            // Lives until the server is killed.
            std::mem::forget((environment, stream));
        }
    });
}

struct Server(std::process::Child, BufReader<std::process::ChildStdout>);

impl Server {
    fn start(program: &std::path::Path) -> Self {
        let mut command = Command::new(program);
        let mut child =
            command.arg("as-server").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self(child, lines)
    }

    fn pids(&mut self) -> Vec<u32> {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        let pids = line.strip_prefix("ready ").unwrap_or_else(|| panic!("{line:?}"));
        pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    fn replace_spawner(&mut self) -> Vec<u32> {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.pids()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program_file_written_over_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    fs::copy("/proc/self/exe", &program).unwrap();
    let mut server = Server::start(&program);
    server.pids();
    let evil = folder.path().join("evil");
    fs::write(&evil, "#!/bin/sh\necho ready 1 1\n").unwrap();
    fs::rename(&evil, &program).unwrap();
    let [spawner, _] = server.replace_spawner()[..] else { panic!("two processes") };
    let copy = fs::read(format!("/proc/{spawner}/exe")).unwrap();
    assert!(fs::read("/proc/self/exe").unwrap().starts_with(&copy));
}

fn killed_server_takes_a_replaced_spawner_along() {
    let mut server = Server::start("/proc/self/exe".as_ref());
    server.pids();
    let pids = server.replace_spawner();
    let handles: Vec<_> = pids.iter().map(|pid| pidfd(*pid)).collect();
    drop(server);
    handles.iter().for_each(wait_for_end);
}

fn dropped_driver_ends_the_spawner_and_is_no_incident() {
    run(async {
        let (driver, pid) = sealed();
        let mut incidents = driver.take_incidents().unwrap();
        settled(&driver).await;
        let handle = pidfd(pid);
        drop(driver);
        wait_for_end(&handle);
        // The watchman ends, and says nothing.
        assert_eq!(incidents.recv().await, None);
    });
}

fn started_by_hand_it_does_nothing() {
    for arguments in [&[][..], &["x", "y"], &["1", "3"], &["1", "99"], &["1", "-1"]] {
        let mut command = Command::new("/proc/self/exe");
        let output = command.arg0("casemate-spawner").args(arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()));
    }
}

fn pidfd(pid: u32) -> File {
    // SAFETY: integers only; the descriptor is new and ours.
    unsafe {
        let raw = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        assert!(raw >= 0);
        std::os::fd::FromRawFd::from_raw_fd(i32::try_from(raw).unwrap())
    }
}

/// A pidfd can be read when its process has ended.
fn wait_for_end(handle: &File) {
    let mut polled = libc::pollfd { fd: handle.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut polled, 1, 20_000) };
    assert_eq!(ready, 1, "the process lives on");
}
