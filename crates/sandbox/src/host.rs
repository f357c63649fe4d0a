//! What the host has for environments: memory, and whether it runs short; descriptors of this process. What follows from it
//! is the caller's.

use std::{fs, io};

use crate::sys;

/// The host's memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostMemory {
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// What could be had without pushing anything out, in bytes.
    pub available_bytes: u64,
    /// Share of the last ten seconds in which some process waited for memory, in per cent; `None` where the kernel does
    /// not tell.
    pub waiting_percent: Option<f32>,
}

impl HostMemory {
    /// Looks at the host.
    pub fn now() -> io::Result<Self> {
        let pressure = fs::read_to_string("/proc/pressure/memory").unwrap_or_default();
        Self::read(&fs::read_to_string("/proc/meminfo")?, &pressure)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/meminfo cannot be read"))
    }

    fn read(info: &str, pressure: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1_024)
        };
        let some = pressure.lines().find_map(|line| line.strip_prefix("some avg10="));
        let waiting_percent = some.and_then(|rest| rest.split(' ').next()?.parse().ok());
        Some(Self {
            total_bytes: bytes("MemTotal")?,
            available_bytes: bytes("MemAvailable")?,
            waiting_percent,
        })
    }
}

/// Descriptors that this process holds for one environment: two listeners, pipes, handles, the filter, an alarm, and the
/// runtime's connections; idle it is twelve. One that opens all the connections it may (to the AWS endpoint, the Runtime API,
/// outside) takes more; when there are none left, listeners wait for some to be closed.
pub const DESCRIPTORS_PER_ENVIRONMENT: u64 = 16;
/// The same with as many extensions as there may be: for each what it is watched with, and its connections.
pub const DESCRIPTORS_WITH_COMPANIONS: u64 = 45;
/// Descriptors left for everything else.
const DESCRIPTORS_ELSEWHERE: u64 = 512;

/// How many environments this process has descriptors for. Raises its own limit as far as it may; what runs inside
/// environments has limits of its own.
pub fn environments_by_descriptors() -> io::Result<u64> {
    Ok(raise_descriptors()?.saturating_sub(DESCRIPTORS_ELSEWHERE) / DESCRIPTORS_PER_ENVIRONMENT)
}

/// Raises this process's limit of descriptors as far as it may; what it is then.
pub(crate) fn raise_descriptors() -> io::Result<u64> {
    // SAFETY: all-zero bytes are a valid rlimit.
    let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: the struct outlives the call.
    sys::check(libc::c_long::from(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }))?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the struct outlives the call.
        sys::check(libc::c_long::from(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }))?;
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_enough_for_some_environments() {
        let first = environments_by_descriptors().unwrap();
        assert!(first > 0);
        assert_eq!(environments_by_descriptors().unwrap(), first);
    }

    #[test]
    fn a_limit_of_descriptors_that_was_lowered_is_raised_to_what_is_allowed() {
        let limit = || {
            // SAFETY: all-zero bytes are a valid rlimit.
            let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
            // SAFETY: the struct outlives the call.
            assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
            limit
        };
        let lowered = libc::rlimit { rlim_cur: limit().rlim_max / 2, ..limit() };
        // SAFETY: the struct outlives the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const lowered) }, 0);
        assert_eq!(limit().rlim_cur, lowered.rlim_cur);
        assert_eq!(raise_descriptors().unwrap(), lowered.rlim_max);
        assert_eq!(limit().rlim_cur, lowered.rlim_max);
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let info = "MemTotal:       24576000 kB\nMemFree:  1 kB\nMemAvailable:   1024 kB\n";
        let pressure =
            "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0 avg300=0 total=1\n";
        let read = HostMemory::read(info, pressure).unwrap();
        assert_eq!((read.total_bytes, read.available_bytes), (24_576_000 * 1_024, 1_048_576));
        assert_eq!(read.waiting_percent, Some(12.5));
        assert_eq!(HostMemory::read(info, "").unwrap().waiting_percent, None);
        assert_eq!(HostMemory::read("MemTotal: 1 kB\n", pressure), None);
        assert!(HostMemory::now().unwrap().total_bytes > 0);
    }
}
