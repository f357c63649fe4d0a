//! The memory limit of an environment, and `/tmp` beside it.
//!
//! `/tmp` is a tmpfs, whose pages the kernel counts like any other memory of the group. A function's memory size does
//! not include `/tmp`, so the hard limit is the sum of both, and the supervisor looks from time to time, while the
//! environment runs, whether the function's own memory has passed its size. (The old interface could wake us instead,
//! but each threshold takes some 10 ms to set, and the new one cannot.)

use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    sync::PoisonError,
};

use crate::{
    cgroup::{Group, Limits, Place, Version, counter, number, put, put_if_there},
    sys,
};

impl Group {
    pub(super) fn set_memory_limit(&self, limits: Limits) -> io::Result<()> {
        let Some(Place { path: folder, version }) = &self.memory else { return Ok(()) };
        let bytes = ((limits.memory_mb + limits.tmp_mb) << 20).to_string();
        match version {
            Version::One => {
                put(folder, "memory.limit_in_bytes", &bytes)?;
                // Swap accounting may be switched off in the kernel; then there is no such file.
                put_if_there(folder, "memory.memsw.limit_in_bytes", &bytes)
            }
            Version::Two => {
                put(folder, "memory.max", &bytes)?;
                put_if_there(folder, "memory.swap.max", "0")?;
                put(folder, "memory.oom.group", "1")
            }
        }
    }

    /// Gives a group that was made for the smallest function what its function may have. Never less than it has: nothing
    /// that is in use has to be taken away.
    pub(crate) fn grow(&self, memory_mb: u64) -> io::Result<()> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if memory_mb < limits.memory_mb {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let bytes = ((memory_mb + limits.tmp_mb) << 20).to_string();
        let Some(Place { path: folder, version }) = &self.memory else {
            limits.memory_mb = memory_mb;
            self.supervision.iter().for_each(|held| held.set_memory_max(memory_mb << 20));
            return Ok(());
        };
        if *version == Version::One {
            // The wider of the two limits first: the kernel refuses one that is narrower than the other.
            put_if_there(folder, "memory.memsw.limit_in_bytes", &bytes)?;
            put(folder, "memory.limit_in_bytes", &bytes)?;
        } else {
            put(folder, "memory.max", &bytes)?;
        }
        limits.memory_mb = memory_mb;
        Ok(())
    }

    /// The function's memory size.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.limits().memory_mb << 20
    }

    /// What the function itself holds: everything but what can be dropped (files read) and what lies in `/tmp`.
    ///
    /// The total is read first: what is dropped or written while we look can then only make the result smaller.
    pub(crate) fn own_memory_bytes(&self, tmp_bytes: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
        let Some(Place { path: folder, version }) = &self.memory else {
            return self.supervision.as_ref().map_or(Ok(0), |held| held.own_memory_bytes());
        };
        let (total, cache) = match version {
            Version::One => ("memory.usage_in_bytes", "cache "),
            Version::Two => ("memory.current", "file "),
        };
        let all = number(folder, total)?;
        let cached = counter(folder, "memory.stat", cache)?;
        let shared = counter(folder, "memory.stat", "shmem ")?;
        Ok(all.saturating_sub(cached.saturating_sub(shared)).saturating_sub(tmp_bytes()?))
    }

    /// How many processes the kernel has killed at the hard limit.
    pub(crate) fn memory_kills(&self) -> u64 {
        let Some(Place { path, version }) = &self.memory else {
            return self.supervision.as_ref().map_or(0, |held| held.kills());
        };
        let file = match version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        counter(path, file, "oom_kill ").unwrap_or(0)
    }

    /// A counter that becomes readable when the hard limit is hit; only the old interface has such.
    pub(crate) fn memory_alarm(&self) -> io::Result<Option<OwnedFd>> {
        let Some(Place { path, version: Version::One }) = &self.memory else { return Ok(None) };
        let alarm = sys::event_counter()?;
        let watched = fs::File::open(path.join("memory.oom_control"))?;
        let line = format!("{} {}", alarm.as_raw_fd(), watched.as_raw_fd());
        put(path, "cgroup.event_control", &line)?;
        Ok(Some(alarm))
    }
}
