//! Stopping processes where the kernel has no freezer: by signals, looked at until nothing can run any more.
//!
//! What has stopped forks nothing. What a list lacks was forked by something that ran while the list was read. So all have
//! stopped when every thread of every process in a list has, and a list that is read afterwards has the same processes.
//!
//! Whoever is listed may have ended, and somebody else, who is no member, may have his number by the time a signal is sent. So each is
//! taken hold of, and the list is read again: who has a number there then has had it since, or what was taken hold of has ended
//! and is signalled no more. Numbers of which it is not known whose they were are signalled to nobody.
//!
//! The old interface counts a group's threads first and then lists no more than it counted. Where all that is known has stopped,
//! any other process is one more than that: it, or what it has forked since, is in the list.
//!
//! Knows nothing of control groups.

use std::{fs, io, os::fd::AsFd};

use crate::{supervision::Listed, sys};

/// Stops what has not stopped yet. `true`: nothing had to be, and nothing can run until somebody outside lets it.
pub(super) fn stop_all(list: impl Fn() -> io::Result<Listed>) -> io::Result<bool> {
    let before = list()?;
    let running: Vec<_> = before.members.iter().copied().filter(|pid| !has_stopped(*pid)).collect();
    if !running.is_empty() {
        send(libc::SIGSTOP, &running, || list().map(|listed| listed.members))?;
        return Ok(false);
    }
    // What ended while it was listed may have forked what is in no list.
    let quiet = before.gone.is_empty();
    let after = if quiet { list()? } else { return Ok(false) };
    Ok(after.gone.is_empty() && sorted(after.members) == sorted(before.members))
}

/// A signal to those of `to` that are members, and to nobody else.
pub(super) fn send(
    signal: libc::c_int,
    to: &[libc::pid_t],
    members: impl Fn() -> io::Result<Vec<libc::pid_t>>,
) -> io::Result<()> {
    for some in to.chunks(HELD_AT_ONCE_MAX) {
        // One that is gone needs none; of what cannot be held for another reason, the caller sees that nothing came of it.
        let held: Vec<_> = some.iter().filter_map(|pid| Some((*pid, sys::pidfd(*pid).ok()?))).collect();
        let members = sorted(members()?);
        for (_, process) in held.iter().filter(|(pid, _)| members.binary_search(pid).is_ok()) {
            let _ = sys::pidfd_signal(process.as_fd(), signal);
        }
    }
    Ok(())
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
    matches!(sys::state(format!("/proc/{pid}/task/{thread}/stat")), Some('T' | 'Z' | 'X'))
}

/// Descriptors.
const HELD_AT_ONCE_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        process::{Child, Command},
    };

    use super::*;

    fn state(pid: libc::pid_t) -> char {
        sys::state(format!("/proc/{pid}/stat")).unwrap()
    }

    fn sleeping() -> (Child, libc::pid_t) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        (child, pid)
    }

    fn ended(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Was sent a signal that stops or ends? What is sent is pending before the call is over.
    fn is_signalled(pid: libc::pid_t) -> bool {
        let status = sys::process_table(format!("/proc/{pid}/status")).unwrap();
        let pending =
            |name| status.lines().any(|line| line.starts_with(name) && !line.ends_with("0000000000000000"));
        matches!(state(pid), 'T' | 'Z') || pending("SigPnd") || pending("ShdPnd")
    }

    #[test]
    fn who_has_the_number_of_one_that_was_listed_and_is_no_member_is_not_signalled() {
        let ((stranger, pid), (member, other)) = (sleeping(), sleeping());
        // As if a member of this number had ended after it was listed, and a process of the host had its number now.
        let lists = Cell::new(0);
        let list = || {
            let stale = lists.replace(lists.get() + 1) == 0;
            Ok(Listed { members: if stale { vec![other, pid] } else { vec![other] }, gone: Vec::new() })
        };
        assert!(!stop_all(list).unwrap());
        assert!(lists.get() > 1 && !is_signalled(pid));
        while state(other) != 'T' {
            std::thread::yield_now();
        }
        assert!(stop_all(list).unwrap());
        send(libc::SIGKILL, &[pid], || Ok(vec![other])).unwrap();
        assert!(!is_signalled(pid));
        // The same number, and it is a member's.
        send(libc::SIGSTOP, &[pid], || Ok(vec![other, pid])).unwrap();
        while state(pid) != 'T' {
            std::thread::yield_now();
        }
        ended(stranger);
        ended(member);
    }

    #[test]
    fn numbers_of_which_it_is_not_known_whose_they_were_are_waited_for_and_not_signalled() {
        let (stranger, pid) = sleeping();
        for members in [vec![], vec![0x3fff_ffff]] {
            let list = || Ok(Listed { members: members.clone(), gone: vec![pid] });
            assert!(!stop_all(list).unwrap());
        }
        assert!(!is_signalled(pid));
        let (nobody, lists) = (|| Ok(Listed::default()), Cell::new(0));
        assert!(stop_all(nobody).unwrap());
        // One that ended while only one of the two lists was read may have forked as well.
        for which in [0, 1] {
            lists.set(0);
            let once = || {
                let gone = if lists.replace(lists.get() + 1) == which { vec![pid] } else { vec![] };
                Ok(Listed { members: Vec::new(), gone })
            };
            assert!(!stop_all(once).unwrap());
        }
        ended(stranger);
    }
}
