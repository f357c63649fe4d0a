//! Limits without control groups: this test binary runs itself again as an ordinary user to whom none are delegated.

use std::{fs, os::unix::fs::MetadataExt};

use casemate_sandbox::{
    Driver, Environment, EnvironmentSpec, Event, ExitStatus, Layer, OuterLimits, RuntimeTable, StartError,
    Status, spawner,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    harness::{FORK_BOMB, Outcome, PYTHON_PRELUDE, finish, package, prepare, run, spec},
    rootless::{as_nobody, public_copy, text},
};

/// Runs the ignored test of this name as that user.
fn without_groups(child: &str) {
    let (_folder, copy) = public_copy();
    let output = as_nobody(&copy, &format!("supervised::{child}"), &[]);
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}{complained}");
}

fn driver() -> Driver {
    Driver::new(spawner::start().unwrap(), RuntimeTable::discover("/usr/bin".as_ref())).unwrap()
}

async fn start(
    driver: &Driver,
    snippet: &str,
    change: impl FnOnce(&mut EnvironmentSpec),
) -> (Environment, TempDir) {
    let code = package("main.py", &format!("{PYTHON_PRELUDE}{snippet}"));
    let template = prepare(driver, "python3.", "/var/task/main.py").await;
    let mut spec = spec(template, code.path());
    change(&mut spec);
    (driver.start(spec).await.unwrap(), code)
}

async fn outcome(driver: &Driver, snippet: &str, change: impl FnOnce(&mut EnvironmentSpec)) -> Outcome {
    let (environment, _code) = start(driver, snippet, change).await;
    finish(environment).await
}

fn namespace(pid: u32) -> u64 {
    fs::metadata(format!("/proc/{pid}/ns/pid")).unwrap().ino()
}

/// Processes of a namespace, and what each does.
fn processes(namespace: u64) -> Vec<(u32, char)> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let inside =
        |pid: &u32| fs::metadata(format!("/proc/{pid}/ns/pid")).is_ok_and(|found| found.ino() == namespace);
    let state = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, stat.rsplit_once(") ")?.1.chars().next()?))
    };
    pids.filter(inside).filter_map(state).collect()
}

#[test]
fn limits_that_nothing_of_the_kernel_holds_are_told_as_degraded() {
    without_groups("child_is_told");
}

#[test]
#[ignore = "run by limits_that_nothing_of_the_kernel_holds_are_told_as_degraded"]
fn child_is_told() {
    run(async {
        let driver = driver();
        let probe = driver.probe().await;
        for layer in [Layer::MemoryLimit, Layer::ProcessLimit, Layer::CpuLimit, Layer::Freezer] {
            assert!(matches!(probe.status(layer), Some(Status::Degraded(_))), "{probe}");
        }
        assert_eq!(probe.absent().collect::<Vec<_>>(), [], "{probe}");
        let (layer, why) = driver.limits_by_groups().unwrap_err();
        assert!(layer == Layer::MemoryLimit && why.contains("`memory`"), "{why}");
        // A machine's process has no pid namespace in which it could be looked at.
        let refused = driver.outer_group(OuterLimits { memory_mb: 512, pids_max: 64 }).unwrap_err();
        assert!(matches!(refused, StartError::Layer { layer: Layer::MemoryLimit, .. }), "{refused:?}");
    });
}

#[test]
fn memory_without_groups_is_bounded_in_all_processes_together() {
    without_groups("child_takes_memory");
}

#[test]
#[ignore = "run by memory_without_groups_is_bounded_in_all_processes_together"]
fn child_takes_memory() {
    run(async {
        let driver = driver();
        let small = |spec: &mut EnvironmentSpec| (spec.memory_mb, spec.tmp_mb) = (128, 256);
        let wait = "socket.create_connection(('127.0.0.1', 9001)).recv(1)\n";
        // One after the other, each below the limit.
        let several = "
import time
for _ in range(6):
    if os.fork() == 0:
        kept = bytearray(40 << 20)
        time.sleep(1000)
";
        // The first thread of a process may end before the others.
        let headless = "
import threading, time
def take():
    time.sleep(0.1)
    hog = []
    while True: hog.append(bytearray(b'x') * (4 << 20))
if os.fork() == 0:
    threading.Thread(target=take).start()
    libc.syscall(60, 0)
";
        for hog in ["hog = []\nwhile True: hog.append(bytearray(b'x') * (4 << 20))\n", several, headless] {
            let ended = outcome(&driver, &format!("{hog}{wait}"), small).await;
            assert_eq!(ended.exit.status, ExitStatus::Signal(libc::SIGKILL), "{ended:?}");
            assert!(ended.exit.out_of_memory && ended.events.contains(&Event::OutOfMemory), "{ended:?}");
            assert!(ended.exit.usage.memory_peak_bytes > 128 << 20, "{ended:?}");
        }
        // What is shared counts once, what lies in /tmp not at all, and there is no memory that belongs to no process.
        let honest = "
import time
kept = bytearray(70 << 20)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        time.sleep(1)
        os._exit(0)
    children.append(child)
with open('/tmp/big', 'wb') as f:
    for _ in range(150): f.write(bytes(1 << 20))
for child in children: os.waitpid(child, 0)
import subprocess
for _ in range(50):
    try: subprocess.run(['/nothing'])
    except OSError: pass
show('memfd', lambda: os.memfd_create('m'))
show('kept', lambda: len(kept) >> 20)
";
        let (environment, _code) = start(&driver, &format!("{honest}{wait}"), small).await;
        // Whoever is ended never says that it is ready: then that is told, and not waited for.
        tokio::select! {
            accepted = environment.runtime_api().accept() => {
                environment.usage();
                drop(accepted.unwrap());
            }
            _ = environment.exited() => {}
        }
        let ended = finish(environment).await;
        assert_eq!((ended.value("kept"), ended.value("memfd")), ("70", "ENOSYS"), "{ended:?}");
        assert!(!ended.exit.out_of_memory, "{ended:?}");
        let peak = ended.exit.usage.memory_peak_bytes >> 20;
        assert!((200..=300).contains(&peak), "{peak}");
    });
}

#[test]
fn processes_without_groups_are_bounded_and_gone_with_their_environment() {
    without_groups("child_forks");
}

#[test]
#[ignore = "run by processes_without_groups_are_bounded_and_gone_with_their_environment"]
fn child_forks() {
    run(async {
        let driver = driver();
        let bomb = format!("{FORK_BOMB}socket.create_connection(('127.0.0.1', 9001)).recv(1)\n");
        // Another of the same user: its processes do not count here.
        let (other, _code) = start(&driver, "import signal; signal.pause()", |spec| spec.pids_max = 20).await;
        let (environment, _code) = start(&driver, &bomb, |spec| spec.pids_max = 20).await;
        let namespace = namespace(environment.pid());
        let (stream, _) = environment.runtime_api().accept().await.unwrap();
        assert_eq!(processes(namespace).len(), 20);
        environment.freeze().await.unwrap();
        environment.thaw().await.unwrap();
        drop(stream);
        let ended = finish(environment).await;
        assert_eq!((ended.value("error"), ended.value("made")), ("EAGAIN", "19"));
        let told = ended.events.iter().any(|event| matches!(event, Event::ProcessLimit { refused: 1.. }));
        assert!(told, "{ended:?}");
        assert_eq!(processes(namespace), []);
        other.stop().await;
    });
}

#[test]
fn what_forks_without_pause_is_stopped_or_told_without_a_freezer() {
    without_groups("child_forks_on");
}

#[test]
#[ignore = "run by what_forks_without_pause_is_stopped_or_told_without_a_freezer"]
fn child_forks_on() {
    run(async {
        let driver = driver();
        let chain = "
import signal
stream = socket.create_connection(('127.0.0.1', 9001))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if os.fork() == 0:
    while True:
        if os.fork(): os._exit(0)
while stream.recv(1): stream.send(b'x')
";
        let (environment, _code) = start(&driver, chain, |_| {}).await;
        let namespace = namespace(environment.pid());
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        stream.write_all(b"g").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        // Whoever forks as fast as one can look may not be caught. Then that is said, and the environment is ended.
        if environment.freeze().await.is_ok() {
            let before = processes(namespace);
            assert!(
                before.len() > 1 && before.iter().all(|(_, state)| matches!(state, 'T' | 'Z')),
                "{before:?}"
            );
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            assert_eq!(processes(namespace), before);
            environment.thaw().await.unwrap();
        }
        environment.stop().await;
        assert_eq!(processes(namespace), []);
    });
}

#[test]
fn processor_time_without_groups_is_held_to_its_share() {
    without_groups("child_burns");
}

#[test]
#[ignore = "run by processor_time_without_groups_is_held_to_its_share"]
fn child_burns() {
    run(async {
        let driver = driver();
        let burn = "
stream = socket.create_connection(('127.0.0.1', 9001))
while True: pass
";
        // Seven hundredths of a processor.
        let (environment, _code) = start(&driver, burn, |spec| spec.memory_mb = 128).await;
        let namespace = namespace(environment.pid());
        let (_stream, _) = environment.runtime_api().accept().await.unwrap();
        environment.end_init().unwrap();
        let (begun, before) = (tokio::time::Instant::now(), environment.usage().cpu_us);
        let (mut stops, mut was) = (0, 'R');
        while stops < 5 || begun.elapsed() < std::time::Duration::from_secs(3) {
            let now = processes(namespace).first().unwrap().1;
            stops += u32::from(now == 'T' && was != 'T');
            was = now;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let used = environment.usage().cpu_us - before;
        let passed = u64::try_from(begun.elapsed().as_micros()).unwrap();
        // Wide: the last time it ran may not be made up for yet, and looks are late on a busy machine.
        assert!(used > passed / 100 && used < passed / 3, "{used} of {passed} us, {stops} stops");
        environment.stop().await;
    });
}
