//! Who dies with whom: environments with the spawner, the spawner with the server, and what is left is swept.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

use casemate_sandbox::{
    Bootstrap, Driver, EnvironmentSpec, ExecPolicy, ExitStatus, Layer, RuntimeTable, StartError, Status,
};
use tokio::io::AsyncReadExt;

use crate::harness::{driver, new_driver, prepare_custom, run, spec, static_package};

#[test]
fn killed_spawner_takes_environments_along_and_later_starts_say_so() {
    run(async {
        let spawner = casemate_sandbox::spawner::start().unwrap();
        let spawner_pid = spawner.pid();
        let driver = Driver::new(spawner, RuntimeTable::discover("".as_ref())).unwrap();
        let (template, code) = (prepare_custom(&driver).await, static_package());
        let spec = EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec(template, code.path()) };
        let environment = driver.start(spec.clone()).await.unwrap();
        // SAFETY: integers only; the number is that of a child of this process which nobody has waited for.
        assert_eq!(unsafe { libc::kill(spawner_pid.cast_signed(), libc::SIGKILL) }, 0);
        let exit = environment.exited().await;
        assert_eq!(exit.status, ExitStatus::Unknown);
        wait_until_gone(environment.pid()).await;
        let refused = driver.start(spec).await.unwrap_err();
        assert!(matches!(refused, StartError::SpawnerDown { .. }), "{refused:?}");
        assert!(refused.to_string().contains("restart the server"), "{refused}");
    });
}

#[test]
fn a_start_may_take_as_long_as_its_spawner_is_waited_for() {
    run(async {
        let patient = |limit| {
            let spawner = casemate_sandbox::spawner::start().unwrap().patient(limit);
            Driver::new(spawner, RuntimeTable::discover("".as_ref())).unwrap()
        };
        let argv = vec!["/var/task/bootstrap".to_owned()];
        let bootstrap = || Bootstrap { argv: argv.clone(), ..Bootstrap::default() };
        let refused = patient(Duration::ZERO).prepare("provided.al2023", bootstrap()).await;
        assert!(matches!(refused, Err(StartError::TimedOut)), "{refused:?}");
        let (driver, code) = (patient(Duration::from_mins(1)), static_package());
        let template = driver.prepare("provided.al2023", bootstrap()).await.unwrap();
        driver.start(spec(template, code.path())).await.unwrap().stop().await;
    });
}

#[test]
fn dropped_driver_takes_everything_along() {
    run(async {
        let driver = new_driver();
        let (template, code) = (prepare_custom(&driver).await, static_package());
        let spec = EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec(template, code.path()) };
        let mut environment = driver.start(spec).await.unwrap();
        let mut stdout = environment.take_stdout().unwrap();
        drop(driver);
        assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0);
        environment.exited().await;
    });
}

#[test]
fn groups_of_an_ended_environment_are_removed_and_those_of_dead_servers_swept() {
    run(async {
        let dead = std::process::Command::new("true").spawn().unwrap();
        let dead_pid = dead.id();
        dead.wait_with_output().unwrap();
        let left = Path::new("/sys/fs/cgroup/unified").join(format!("casemate-{dead_pid}-0"));
        fs::create_dir_all(left.join("env-1")).unwrap();
        let driver = new_driver();
        assert!(!left.exists(), "the folder of a dead server is still there");
        let (template, code) = (prepare_custom(&driver).await, static_package());
        let spec = EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec(template, code.path()) };
        let environment = driver.start(spec).await.unwrap();
        let membership = fs::read_to_string(format!("/proc/{}/cgroup", environment.pid())).unwrap();
        let below = membership.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
        let group = Path::new("/sys/fs/cgroup/unified").join(below);
        assert!(group.join("cgroup.freeze").exists());
        for controller in ["memory", "pids", "cpu"] {
            let line = membership.lines().find(|line| line.contains(&format!(":{controller}:"))).unwrap();
            assert!(line.contains("/casemate-"), "{line}");
        }
        environment.stop().await;
        for _ in 0..200 {
            if !group.exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} is still there", group.display());
    });
}

#[test]
fn killed_server_takes_spawner_and_environments_along() {
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifetime::child_server", "--ignored", "--nocapture"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    let pids = lines.find_map(|line| line.unwrap().strip_prefix("pids ").map(str::to_owned)).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    run(async {
        for pid in pids.split(' ') {
            wait_until_gone(pid.parse().unwrap()).await;
        }
    });
}

#[test]
#[ignore = "run by killed_server_takes_spawner_and_environments_along"]
fn child_server() {
    run(async {
        let spawner = casemate_sandbox::spawner::start().unwrap();
        let spawner_pid = spawner.pid();
        let driver = Driver::new(spawner, RuntimeTable::discover("".as_ref())).unwrap();
        let (template, code) = (prepare_custom(&driver).await, static_package());
        let spec = EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec(template, code.path()) };
        let (running, frozen) =
            (driver.start(spec.clone()).await.unwrap(), driver.start(spec).await.unwrap());
        frozen.freeze().await.unwrap();
        println!("pids {spawner_pid} {} {}", running.pid(), frozen.pid());
        std::future::pending::<()>().await;
    });
}

/// The same tests of stopping and ending, on a host as some are: limits of the old interface, and nothing that freezes.
#[test]
fn without_a_freezer_signals_stop_and_end_what_is_to_be_stopped_and_ended() {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root || !Path::new("/sys/fs/cgroup/memory").exists() {
        // Where limits are the new interface's, there is a freezer; only root can take it away.
        return;
    }
    let hidden = "umount -l /sys/fs/cgroup/unified; umount -l /sys/fs/cgroup/freezer; exec \"$0\" \"$@\"";
    let mut tests = std::process::Command::new("unshare");
    tests
        .args(["--mount", "--propagation", "private", "sh", "-c", hidden])
        .arg(std::env::current_exe().unwrap());
    tests.args(["--exact", "--include-ignored", "--test-threads=1", "lifetime::child_without_a_freezer"]);
    tests.args(WITHOUT_A_FREEZER);
    let done = tests.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("5 passed"),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

const WITHOUT_A_FREEZER: [&str; 4] = [
    "asking::what_forks_while_signals_stop_it_is_ended_or_too_many_to_tell",
    "functional::reset_kills_strays_and_empties_tmp_and_nothing_else",
    "functional::of_what_forks_without_pause_nothing_lives_when_it_has_been_ended",
    "functional::frozen_environment_can_be_killed",
];

#[test]
#[ignore = "run by without_a_freezer_signals_stop_and_end_what_is_to_be_stopped_and_ended"]
fn child_without_a_freezer() {
    run(async {
        let found = driver().await.probe().await;
        let freezer = found.status(Layer::Freezer).unwrap();
        assert!(matches!(freezer, Status::Degraded(why) if why.contains("SIGSTOP")), "{freezer:?}");
    });
}

#[test]
fn many_starts_at_once_leave_nothing_behind() {
    run(async {
        let spawner = casemate_sandbox::spawner::start().unwrap();
        let spawner_pid = spawner.pid();
        let driver = Driver::new(spawner, RuntimeTable::discover("".as_ref())).unwrap();
        let (template, code) = (prepare_custom(&driver).await, static_package());
        let spec = EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec(template, code.path()) };
        let first = driver.start(spec.clone()).await.unwrap();
        let membership = fs::read_to_string(format!("/proc/{}/cgroup", first.pid())).unwrap();
        let below = membership.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
        let base = Path::new("/sys/fs/cgroup/unified").join(below).parent().unwrap().to_path_buf();
        first.stop().await;
        let open = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        network_at_rest(spawner_pid).await;
        let before = open(spawner_pid);
        for _ in 0..3 {
            let starts: Vec<_> = (0..16)
                .map(|_| {
                    let (driver, spec) = (driver.clone(), spec.clone());
                    tokio::spawn(async move {
                        let environment = driver.start(spec).await.unwrap();
                        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
                        assert_eq!(stream.read_u8().await.unwrap(), b'G');
                        environment.stop().await.status
                    })
                })
                .collect();
            for start in starts {
                assert_eq!(start.await.unwrap(), ExitStatus::Signal(libc::SIGKILL));
            }
        }
        // What is left does not go: then this waits until the test's time is over.
        network_at_rest(spawner_pid).await;
        while open(spawner_pid) != before {
            tokio::task::yield_now().await;
        }
        while fs::read_dir(&base).unwrap().flatten().any(|entry| entry.path().is_dir()) {
            tokio::task::yield_now().await;
        }
    });
}

/// Network namespaces that a process holds by descriptors.
fn held_networks(pid: u32) -> BTreeSet<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter_map(|path| path.to_str().filter(|name| name.starts_with("net:[")).map(str::to_owned))
        .collect()
}

fn network_of(pid: u32) -> String {
    fs::read_link(format!("/proc/{pid}/ns/net")).unwrap().to_str().unwrap().to_owned()
}

/// A spawner's network when it has made all it makes ahead: eight, besides its own. While it makes one, it is in that.
async fn network_at_rest(spawner: u32) -> String {
    while held_networks(spawner).len() < 9 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(held_networks(spawner).len(), 9, "more than the pool may have");
    }
    network_of(spawner)
}

#[test]
fn networks_made_ahead_are_used_once_and_end_with_the_spawner() {
    run(async {
        let spawner = casemate_sandbox::spawner::start().unwrap();
        let spawner_pid = spawner.pid();
        let driver = Driver::new(spawner, RuntimeTable::discover("".as_ref())).unwrap();
        let (template, code) = (prepare_custom(&driver).await, static_package());
        let spec = EnvironmentSpec { exec_policy: ExecPolicy::Allow, ..spec(template, code.path()) };
        assert_eq!(held_networks(spawner_pid), BTreeSet::new(), "made before there was any start");
        let first = driver.start(spec.clone()).await.unwrap();
        let own = network_at_rest(spawner_pid).await;
        assert_ne!(own, network_of(std::process::id()), "the spawner has the server's network");
        let alone = BTreeSet::from([own.clone()]);
        let (mut used, mut seen) = (BTreeSet::from([network_of(first.pid())]), BTreeSet::new());
        let mut environments = vec![first];
        for round in 0..24 {
            // Some at once, so that the pool runs empty, then one after another.
            if round > 12 {
                while held_networks(spawner_pid) == alone {
                    tokio::task::yield_now().await;
                }
            }
            let ahead = held_networks(spawner_pid);
            seen.extend(ahead.iter().cloned());
            let environment = driver.start(spec.clone()).await.unwrap();
            let network = network_of(environment.pid());
            assert!(used.insert(network.clone()), "{network} was given to two environments");
            assert!(network != own && !held_networks(spawner_pid).contains(&network));
            environments.push(environment);
        }
        // INVARIANT of the test: some of them had been made ahead.
        assert!(used.iter().any(|network| seen.contains(network)), "none was made ahead");
        let at_rest = network_at_rest(spawner_pid).await;
        assert_eq!(at_rest, own, "the spawner is in an environment's network");
        drop(driver);
        for environment in environments {
            environment.exited().await;
        }
        wait_until_gone(spawner_pid).await;
        seen.remove(&own);
        let processes = fs::read_dir("/proc").unwrap();
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let left: BTreeSet<String> = pids.flat_map(held_networks).collect();
        assert_eq!(left.intersection(&seen).collect::<Vec<_>>(), Vec::<&String>::new());
    });
}

async fn wait_until_gone(pid: u32) {
    let path = format!("/proc/{pid}/exe");
    for _ in 0..500 {
        // A zombie has no program any more.
        if fs::read_link(&path).is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("process {pid} lives on");
}
