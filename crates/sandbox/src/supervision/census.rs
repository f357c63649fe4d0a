//! What `/proc` says of processes: to which pid namespace each belongs, what memory it holds, what processor time it has had.
//!
//! Knows nothing of environments and limits.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt};

use crate::sys;

/// Processes by the namespace in which they are numbered.
pub(super) type Census = BTreeMap<u64, Vec<libc::pid_t>>;

/// All processes that can be seen. What is forked meanwhile may be missing.
pub(super) fn take() -> io::Result<Census> {
    let mut census = Census::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Gone, or somebody else's: no environment's, whose namespaces this server's spawner has made.
        if let Ok(namespace) = namespace_of(pid) {
            census.entry(namespace).or_default().push(pid);
        }
    }
    Ok(census)
}

/// The pid namespace of a process.
pub(super) fn namespace_of(pid: libc::pid_t) -> io::Result<u64> {
    Ok(fs::metadata(format!("/proc/{pid}/ns/pid"))?.ino())
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
}

impl Holds {
    /// What a process holds, each shared page counted whole. One that is gone holds nothing.
    pub(super) fn of(pid: libc::pid_t) -> Self {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default())
    }

    fn read(status: &str) -> Self {
        let (mut holds, kib) = (Self::default(), |text: &str| number(text).saturating_mul(1_024));
        for (name, value) in status.lines().filter_map(|line| line.split_once(':')) {
            match name {
                "RssAnon" | "VmSwap" | "VmPTE" => holds.private = holds.private.saturating_add(kib(value)),
                "RssShmem" => holds.shared = kib(value),
                "Threads" => holds.threads = number(value),
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
        Some(Self { private: of("Pss_Anon")? + of("SwapPss")?, shared: of("Pss_Shmem")?, threads: 0 })
    }
}

impl std::ops::Add for Holds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            private: self.private.saturating_add(other.private),
            shared: self.shared.saturating_add(other.shared),
            threads: self.threads.saturating_add(other.threads),
        }
    }
}

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
                      RssShmem:\t 30 kB\nThreads:\t3\n";
        let holds = Holds { private: 106 << 10, shared: 30 << 10, threads: 3 };
        assert_eq!(Holds::read(status), holds);
        assert_eq!(Holds::read("Name:\tzombie\nThreads:\t1\n").private, 0);
        let rollup = "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss: 500 kB\nPss_Anon: 50 kB\nPss_File: 440 kB\n\
                      Pss_Shmem: 10 kB\nSwapPss: 2 kB\n";
        let proportional = Holds { private: 52 << 10, shared: 10 << 10, threads: 0 };
        assert_eq!(Holds::read_proportion(rollup), Some(proportional));
        assert_eq!(Holds::read_proportion("Pss: 500 kB\n"), None);
    }

    #[test]
    fn this_process_is_in_the_census_and_uses_processor_time() {
        let own = sys::own_pid();
        let namespace = namespace_of(own).unwrap();
        assert!(take().unwrap()[&namespace].contains(&own));
        assert!(Holds::of(own).private > 0 && Holds::in_proportion(own).unwrap().private > 0);
        assert!(processor_ns(own).unwrap() > 0);
        assert_eq!((processor_ns(libc::pid_t::MAX), Holds::of(libc::pid_t::MAX)), (None, Holds::default()));
    }
}
