//! Who dies with whom: environments with the spawner, the spawner with the server, and what is left is swept.

use std::{fs, path::Path, time::Duration};

use casemate_sandbox::{Driver, EnvironmentSpec, ExecPolicy, ExitStatus, RuntimeTable, StartError};
use tokio::io::AsyncReadExt;

use crate::harness::{new_driver, prepare_custom, run, spec, static_package};

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
        assert!(matches!(refused, StartError::SpawnerGone), "{refused:?}");
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
