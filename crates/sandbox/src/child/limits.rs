//! Per-process limits, below those of the control groups.

use std::{fs, io, os::fd::AsFd};

use crate::{
    spawner::reap,
    spec::DESCRIPTORS_MAX,
    sys::{self, Cloned},
    wire::Start,
};

/// Sets them hard: without capabilities nothing inside can raise them.
pub(super) fn set(start: &Start) -> io::Result<()> {
    let tmp_bytes = start.tmp_mb.saturating_mul(1 << 20);
    limit(libc::RLIMIT_NOFILE, DESCRIPTORS_MAX)?;
    // One, not zero: zero still feeds a crash to the host's core handler where that is a program, run as root.
    limit(libc::RLIMIT_CORE, 1)?;
    limit(libc::RLIMIT_FSIZE, tmp_bytes)?;
    limit(libc::RLIMIT_MSGQUEUE, 0)?;
    // Queued signals are memory of the kernel.
    limit(libc::RLIMIT_SIGPENDING, SIGNALS_MAX)?;
    // A little above the control group's limit, where there is one, so that the group refuses first and counts it.
    let slack = if start.roles.processes { 0 } else { PROCESSES_SLACK };
    limit(libc::RLIMIT_NPROC, start.pids_max + slack)
}

/// For the probe: whether the limit on processes holds, and counts those of this environment alone. Kernels before 5.14 count
/// all of the same host user.
pub(super) fn try_processes() -> io::Result<()> {
    let allow = |count| {
        let limit = libc::rlimit { rlim_cur: count, rlim_max: 2 };
        // SAFETY: the struct outlives the call.
        sys::check(libc::c_long::from(unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) }))
    };
    let fork = || match sys::clone_process()? {
        Cloned::Child => sys::exit_now(0),
        Cloned::Parent { pidfd, .. } => reap(pidfd.as_fd(), 0).map(drop),
    };
    allow(1)?;
    match fork() {
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
        Err(error) => return Err(error),
        Ok(()) => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
    allow(2)?;
    fork()
}

/// For the probe: whether the limit on descriptors holds, and cannot be raised again.
pub(super) fn try_descriptors() -> io::Result<()> {
    limit(libc::RLIMIT_NOFILE, TRIED_DESCRIPTORS)?;
    let null = fs::File::open("/dev/null");
    let mut opened = Vec::new();
    let refused = null.and_then(|null| {
        while opened.len() as u64 <= TRIED_DESCRIPTORS {
            opened.push(null.try_clone()?);
        }
        Ok(())
    });
    match refused {
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {}
        Err(error) => return Err(error),
        Ok(()) => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
    let more = libc::rlimit { rlim_cur: TRIED_DESCRIPTORS + 1, rlim_max: TRIED_DESCRIPTORS + 1 };
    // SAFETY: the struct outlives the call.
    match sys::check(libc::c_long::from(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const more) })) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
}

/// Takes back what a favoured server would pass on: real-time scheduling, a low nice value, protection from being
/// killed. (A real-time process could not even join the cpu group.)
pub(super) fn reset_priority() -> io::Result<()> {
    let ordinary = libc::sched_param { sched_priority: 0 };
    // SAFETY: the struct outlives the call.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const ordinary) };
    sys::check(libc::c_long::from(set))?;
    // SAFETY: integers only. The value is 20 − nice, to tell it from an error.
    let nice = 20 - sys::check(unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) })?;
    if nice < 0 {
        // SAFETY: integers only.
        sys::check(unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 0) })?;
    }
    fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY_SCORE)
}

/// Between an ordinary process (0) and the first to go (1,000).
const OUT_OF_MEMORY_SCORE: &str = "500";

fn limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid rlimit.
    let mut now: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: the struct outlives the call.
    sys::check(libc::c_long::from(unsafe { libc::getrlimit(resource, &raw mut now) }))?;
    let value = value.min(now.rlim_max);
    let new = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the struct outlives the call.
    sys::check(libc::c_long::from(unsafe { libc::setrlimit(resource, &raw const new) })).map(drop)
}

/// More than the probe has when it tries.
const TRIED_DESCRIPTORS: u64 = 64;
const PROCESSES_SLACK: u64 = 16;
/// Ours: one for each process.
const SIGNALS_MAX: u64 = 1_024;
