//! What the kernel says of processes that a test has had started: which there are, whether they have stopped, and how often they
//! have run. A test that asks waits for no clock.

use std::{collections::BTreeMap, fs, path::Path};

/// The processes below this one that were started with this variable. Those of others of the same user cannot be seen by who is
/// not root.
pub fn with_variable(name: &str, value: &str) -> Vec<u32> {
    let wanted = format!("{name}={value}\0").into_bytes();
    let begins_so = |variables: &[u8]| variables.windows(wanted.len()).any(|part| part == wanted);
    let pids = entries("/proc").into_iter().filter_map(|name| name.parse().ok());
    pids.filter(|pid| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|variables| begins_so(&variables)))
        .filter(|pid| {
            std::iter::successors(Some(*pid), |pid| parent(*pid)).any(|pid| pid == std::process::id())
        })
        .collect()
}

/// Who has started a process, or has taken it over since; `None`: it is gone.
pub fn parent(pid: u32) -> Option<u32> {
    stat(&format!("/proc/{pid}/stat"))?.split(' ').nth(1)?.parse().ok()
}

/// How long each thread of a process has run, in nanoseconds, and how often it has been given a processor.
pub fn turns(pid: u32) -> BTreeMap<String, (u64, u64)> {
    let of = |thread: &String| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        let (ran, _waited, turns) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some((ran, turns))
    };
    entries(&format!("/proc/{pid}/task"))
        .into_iter()
        .filter_map(|thread| Some((thread.clone(), of(&thread)?)))
        .collect()
}

/// Whether a process cannot run until somebody else lets it: its control group is frozen, or each of its threads has been stopped.
pub fn has_stopped(pid: u32) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let folders =
        groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).filter(|folder| *folder != "/");
    let is_frozen = |folder: &str| {
        ["", "/unified", "/freezer"].iter().any(|place| {
            let folder = format!("/sys/fs/cgroup{place}{folder}");
            let said = |file| fs::read_to_string(Path::new(&folder).join(file)).unwrap_or_default();
            said("cgroup.events").lines().any(|line| line == "frozen 1")
                || said("freezer.state") == "FROZEN\n"
        })
    };
    let states = || {
        entries(&format!("/proc/{pid}/task"))
            .into_iter()
            .map(|thread| stat(&format!("/proc/{pid}/task/{thread}/stat")))
    };
    folders.into_iter().any(is_frozen)
        || states().all(|state| state.is_some_and(|fields| fields.starts_with('T')))
}

/// What follows the name, which may hold anything.
fn stat(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.rsplit_once(") ")?.1.to_owned())
}

fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    struct Loop(Child);

    impl Drop for Loop {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn signal(pid: u32, name: &str) {
        assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
    }

    #[test]
    fn a_process_is_found_and_stops_and_runs_on() {
        let value = std::process::id().to_string();
        let program =
            Command::new("sh").args(["-c", "while :; do :; done"]).env("TESTKIT_LOOP", &value).spawn();
        let child = Loop(program.unwrap());
        let pid = child.0.id();
        while with_variable("TESTKIT_LOOP", &value) != [pid] {
            std::thread::yield_now();
        }
        assert_eq!(parent(pid), Some(std::process::id()));
        assert!(with_variable("TESTKIT_LOOP", "another").is_empty() && !has_stopped(pid));
        signal(pid, "-STOP");
        while !has_stopped(pid) {
            std::thread::yield_now();
        }
        let stopped = turns(pid);
        assert!(!stopped.is_empty() && turns(pid) == stopped);
        signal(pid, "-CONT");
        while turns(pid) == stopped {
            std::thread::yield_now();
        }
        assert!(!has_stopped(pid));
    }
}
