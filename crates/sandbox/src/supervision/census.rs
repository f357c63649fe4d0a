//! What `/proc` says of processes: whose children they are, what memory they hold, what processor time they have had.
//!
//! Everything that is relied on here every process may read of every other, whatever that has executed.
//!
//! Knows nothing of environments and limits.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::fd::AsFd,
};

use crate::{residents::Process, sys};

/// All processes, by their parents.
#[derive(Debug, Default)]
pub(super) struct Census {
    children: BTreeMap<libc::pid_t, Vec<libc::pid_t>>,
    /// Who they are: numbers are used again.
    found: BTreeMap<libc::pid_t, Process>,
    /// Those that ended before they were looked at: whose children they would have been nobody knows.
    gone: Vec<libc::pid_t>,
}

impl Census {
    /// Looks at all that can be seen. What is forked meanwhile may be missing.
    pub(super) fn take() -> io::Result<Self> {
        let (mut parents, mut found, mut gone) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Some((process, parent)) = Process::with_parent(pid) else {
                gone.push(pid);
                continue;
            };
            parents.insert(pid, parent);
            found.insert(pid, process);
        }
        let mut children: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (pid, parent) in &parents {
            // Whose parent has just ended has another now.
            let known = *parent == 0 || parents.contains_key(parent);
            let parent = if known { *parent } else { parent_of(*pid).unwrap_or(0) };
            children.entry(parent).or_default().push(*pid);
        }
        Ok(Self { children, found, gone })
    }

    /// A signal to those of these that are still whom this census found; no other process has its number and its start.
    pub(super) fn signal(&self, members: &[libc::pid_t], signal: libc::c_int) {
        for pid in members {
            // Taken hold of first: who has the number after that has had it since, or nobody is signalled.
            let Ok(held) = sys::pidfd(*pid) else { continue };
            if Process::find(*pid).is_some_and(|process| self.found.get(pid) == Some(&process)) {
                let _ = sys::pidfd_signal(held.as_fd(), signal);
            }
        }
    }

    /// Those of which it is not known.
    pub(super) fn gone(&self) -> &[libc::pid_t] {
        &self.gone
    }

    /// A process and all that descend from it. Where it is the first of a pid namespace, these are that namespace's: who has
    /// lost his parent there becomes its child.
    pub(super) fn family(&self, first: libc::pid_t) -> Vec<libc::pid_t> {
        let (mut family, mut waiting) = (BTreeSet::new(), vec![first]);
        while let Some(pid) = waiting.pop() {
            if family.insert(pid) {
                waiting.extend(self.children.get(&pid).into_iter().flatten());
            }
        }
        family.into_iter().collect()
    }
}

/// Who has forked a process, or has taken it over since. `None`: it is gone.
pub(super) fn parent_of(pid: libc::pid_t) -> Option<libc::pid_t> {
    let stat = sys::process_table(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(") ")?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Memory of one process or several, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Holds {
    /// Its own pages, in memory or swapped out, and the tables they are found by.
    pub(super) private: u64,
    /// Pages that several may have: shared memory, and files of `/tmp` that are mapped.
    pub(super) shared: u64,
    /// Processes and threads.
    pub(super) threads: u64,
    /// Of a single process: who has forked it, and whether it has memory at all.
    pub(super) parent: libc::pid_t,
    pub(super) has_memory: bool,
}

impl Holds {
    /// What a process holds, each shared page counted whole. One that is gone holds nothing.
    pub(super) fn of(pid: libc::pid_t) -> Self {
        let holds = Self::read(&status(&format!("/proc/{pid}")));
        // INVARIANT: the memory of a process is all its threads', and stays when the first of them has ended.
        if holds.has_memory || holds.threads < 2 {
            return holds;
        }
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let mut others = threads.map(|thread| Self::read(&status(&thread.path().display().to_string())));
        others.find(|other| other.has_memory).unwrap_or(holds)
    }

    fn read(status: &str) -> Self {
        let (mut holds, kib) = (Self::default(), |text: &str| number(text).saturating_mul(1_024));
        holds.has_memory = status.contains("\nRssAnon:");
        for (name, value) in status.lines().filter_map(|line| line.split_once(':')) {
            match name {
                "RssAnon" | "VmSwap" | "VmPTE" => holds.private = holds.private.saturating_add(kib(value)),
                "RssShmem" => holds.shared = kib(value),
                "Threads" => holds.threads = number(value),
                "PPid" => holds.parent = libc::pid_t::try_from(number(value)).unwrap_or(0),
                _ => {}
            }
        }
        holds
    }

    /// The same with each page divided among those who share it. `None`: it cannot be told.
    pub(super) fn in_proportion(pid: libc::pid_t) -> Option<Self> {
        Self::read_proportion(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
    }

    fn read_proportion(rollup: &str) -> Option<Self> {
        let of = |wanted: &str| {
            let mut lines = rollup.lines().filter_map(|line| line.split_once(':'));
            let value = lines.find_map(|(name, value)| (name == wanted).then_some(value))?;
            Some(number(value).saturating_mul(1_024))
        };
        // Kernels before 5.10 do not tell private from shared pages.
        Some(Self { private: of("Pss_Anon")? + of("SwapPss")?, shared: of("Pss_Shmem")?, ..Self::default() })
    }
}

impl std::ops::Add for Holds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            private: self.private.saturating_add(other.private),
            shared: self.shared.saturating_add(other.shared),
            threads: self.threads.saturating_add(other.threads),
            ..Self::default()
        }
    }
}

fn status(folder: &str) -> String {
    sys::process_table(format!("{folder}/status")).unwrap_or_default()
}

impl Holds {
    /// Whether this is what the process's parent holds: so it is after `vfork`, until the child has executed its program.
    pub(super) fn is_its_parents(&self, pid: libc::pid_t) -> bool {
        let none: libc::c_ulong = 0;
        // SAFETY: integers only. Zero: the same memory; anything else, an error too: not known to be.
        self.parent != 0
            && unsafe { libc::syscall(libc::SYS_kcmp, pid, self.parent, KCMP_VM, none, none) } == 0
    }
}

/// `linux/kcmp.h`.
const KCMP_VM: libc::c_int = 1;

/// The number at the beginning of such a value.
fn number(value: &str) -> u64 {
    value.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Processor time of a process and its threads so far, in nanoseconds. `None`: it is gone.
pub(super) fn processor_ns(pid: libc::pid_t) -> Option<u64> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the integer outlives the call. The answer is an error number, or zero.
    if unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct outlives the call.
    sys::check(libc::c_long::from(unsafe { libc::clock_gettime(clock, &raw mut time) })).ok()?;
    let (seconds, rest) = (u64::try_from(time.tv_sec).ok()?, u64::try_from(time.tv_nsec).ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let status = "Name:\tRssAnon: 7 kB\nVmPTE:\t 4 kB\nVmSwap:\t 2 kB\nRssAnon:\t 100 kB\nRssFile:\t 900 kB\n\
                      RssShmem:\t 30 kB\nThreads:\t3\nPPid:\t9\n";
        let holds = Holds { private: 106 << 10, shared: 30 << 10, threads: 3, parent: 9, has_memory: true };
        assert_eq!(Holds::read(status), holds);
        assert_eq!(Holds::read("Name:\tzombie\nThreads:\t1\n").private, 0);
        let rollup = "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss: 500 kB\nPss_Anon: 50 kB\nPss_File: 440 kB\n\
                      Pss_Shmem: 10 kB\nSwapPss: 2 kB\n";
        let proportional = Holds { private: 52 << 10, shared: 10 << 10, ..Holds::default() };
        assert_eq!(Holds::read_proportion(rollup), Some(proportional));
        assert_eq!(Holds::read_proportion("Pss: 500 kB\n"), None);
    }

    #[test]
    fn a_name_that_is_no_text_hides_nothing() {
        let named = std::thread::spawn(|| {
            // SAFETY: always succeeds.
            let thread = unsafe { libc::gettid() };
            // SAFETY: the name outlives the call and ends with a zero byte.
            assert_eq!(unsafe { libc::prctl(libc::PR_SET_NAME, c"\xff) T 1".as_ptr()) }, 0);
            (parent_of(thread), Holds::of(thread))
        });
        let (parent, holds) = named.join().unwrap();
        assert!(
            parent.is_some() && parent == parent_of(sys::own_pid()) && holds.private > 0 && holds.threads > 0,
            "{parent:?} {holds:?}"
        );
    }

    fn state(pid: libc::pid_t) -> char {
        sys::state(format!("/proc/{pid}/stat")).unwrap()
    }

    #[test]
    fn who_has_the_number_of_another_by_now_is_not_signalled() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let census = Census::take().unwrap();
        // As if somebody who started at another time had been found, or nobody.
        let mut stale = Census::take().unwrap();
        stale.found.insert(pid, Process::find(1).unwrap());
        for other in [&stale, &Census::default()] {
            other.signal(&[pid], libc::SIGKILL);
        }
        census.signal(&[pid], libc::SIGSTOP);
        // The kernel would have ended it at once, and what is ended does not stop.
        while state(pid) != 'T' {
            assert_ne!(state(pid), 'Z');
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        census.signal(&[pid], libc::SIGKILL);
    }

    #[test]
    fn this_process_is_in_the_census_and_uses_processor_time() {
        let own = sys::own_pid();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let census = Census::take().unwrap();
        assert!(census.family(own).contains(&pid) && census.family(own).contains(&own));
        assert_eq!((census.family(pid), parent_of(pid)), (vec![pid], Some(own)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(parent_of(pid), None);
        assert!(Holds::of(own).private > 0 && Holds::in_proportion(own).unwrap().private > 0);
        assert!(processor_ns(own).unwrap() > 0);
        assert_eq!((processor_ns(pid), Holds::of(pid)), (None, Holds::default()));
    }
}
