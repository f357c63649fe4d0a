//! Descriptors: what the spawner has of them is what it may have, however few its server was given.

use std::{fs, process::Command};

use casemate_sandbox::{Driver, RuntimeTable};

use crate::harness::run;

/// In a process of its own: the limit is that of a process.
fn in_a_process(test: &str) {
    let arguments = ["--exact", test, "--ignored", "--nocapture"];
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
}

fn limit() -> libc::rlimit {
    // SAFETY: all-zero bytes are a valid rlimit.
    let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: the struct outlives the call.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    limit
}

fn lower_to(descriptors: u64) {
    let lowered = libc::rlimit { rlim_cur: descriptors, ..limit() };
    // SAFETY: the struct outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const lowered) }, 0);
}

#[test]
fn a_spawner_has_all_descriptors_it_may_have() {
    in_a_process("descriptors::child_with_a_low_limit");
}

#[test]
#[ignore = "run by a_spawner_has_all_descriptors_it_may_have"]
fn child_with_a_low_limit() {
    run(async {
        lower_to(limit().rlim_max / 2);
        let spawner = casemate_sandbox::spawner::start().unwrap();
        let pid = spawner.pid();
        let driver = Driver::new(spawner, RuntimeTable::discover("".as_ref())).unwrap();
        // When it answers, it has set itself up.
        drop(driver.probe().await);
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers, [limit().rlim_max; 2], "{line}");
    });
}
