//! Stopping processes where the kernel has no freezer: by signals, looked at until nothing can run any more.
//!
//! What has stopped forks nothing. What a list lacks was forked by something that ran while the list was read. So all have
//! stopped when every thread of every process in a list has, and a list that is read afterwards has the same processes.
//!
//! The old interface counts a group's threads first and then lists no more than it counted. Where all that is known has stopped,
//! any other process is one more than that: it, or what it has forked since, is in the list.
//!
//! Knows nothing of control groups.

use std::{fs, io};

use crate::sys;

/// Stops what has not stopped yet. `true`: nothing had to be, and nothing can run until somebody outside lets it.
pub(super) fn stop_all(members: impl Fn() -> io::Result<Vec<libc::pid_t>>) -> io::Result<bool> {
    let (before, mut quiet) = (sorted(members()?), true);
    for pid in &before {
        if !has_stopped(*pid) {
            quiet = false;
            // One that is gone is missing in the next list.
            let _ = sys::kill(*pid, libc::SIGSTOP);
        }
    }
    Ok(quiet && sorted(members()?) == before)
}

fn sorted(mut members: Vec<libc::pid_t>) -> Vec<libc::pid_t> {
    members.sort_unstable();
    members
}

/// Have all of its threads?
fn has_stopped(pid: libc::pid_t) -> bool {
    let Ok(before) = threads(pid) else { return false };
    before.iter().all(|thread| is_at_rest(pid, *thread))
        && threads(pid).is_ok_and(|after| sorted(after) == sorted(before))
}

fn threads(pid: libc::pid_t) -> io::Result<Vec<libc::pid_t>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
    let number =
        |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
    entries.filter_map(|entry| number(entry).transpose()).collect()
}

/// Stopped by a signal, or dead and not waited for yet.
fn is_at_rest(pid: libc::pid_t, thread: libc::pid_t) -> bool {
    let stat = sys::process_table(format!("/proc/{pid}/task/{thread}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
    matches!(state, Some('T' | 'Z' | 'X'))
}
