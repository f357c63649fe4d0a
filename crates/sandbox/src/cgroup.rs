//! Control groups: limits, freezing, killing and accounting of one environment.
//!
//! Both versions of the interface, in any mixture: each role (memory, processes, cpu, freezing) is found where the
//! host has it. Knows nothing of namespaces or of what runs inside.

mod layout;
mod memory;
mod signals;
mod unified;

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

pub(crate) use layout::Cgroups;

use crate::{
    layer::Layer,
    spec::{MEMORY_MB_PER_VCPU, Usage},
    supervision::{Listed, Roles, Supervision},
};

/// Which interface a directory speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    One,
    Two,
}

/// A directory and the interface it speaks.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
}

/// How processes are stopped between invocations.
#[derive(Clone, Debug)]
pub(crate) enum Freezing {
    /// `cgroup.freeze`.
    Two(PathBuf),
    /// The old freezer controller.
    One(PathBuf),
    /// SIGSTOP to each process, until nothing runs: they can notice it afterwards.
    Signals,
}

/// Limits of one environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) memory_mb: u64,
    /// Size of `/tmp`, which lies in memory and is counted by the kernel, but is not the function's to pay for.
    pub(crate) tmp_mb: u64,
    pub(crate) pids_max: u64,
}

/// How much processor time a group may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CpuShare {
    /// While the runtime and the function's code are loaded.
    Init,
    /// While invocations run.
    Invocation,
}

/// The control groups of one environment.
#[derive(Debug)]
pub(crate) struct Group {
    /// Every distinct directory of this environment.
    pub(crate) folders: Vec<Place>,
    /// `None`, here and in the next two: the host gives this server none.
    pub(crate) memory: Option<Place>,
    pub(crate) pids: Option<Place>,
    pub(crate) cpu: Option<Place>,
    /// What holds the limits that no directory holds.
    pub(crate) supervision: Option<Arc<Supervision>>,
    pub(crate) freezing: Freezing,
    /// The v2 directory, into which processes can be cloned.
    pub(crate) unified: Option<PathBuf>,
    /// The memory limit grows once where the function is told late.
    pub(crate) limits: Mutex<Limits>,
    pub(crate) held: Held,
}

/// Files of the freezer that are kept open: opening one takes longer than using it, and each request uses them.
#[derive(Debug, Default)]
pub(crate) struct Held {
    freeze: OnceLock<fs::File>,
    events: OnceLock<fs::File>,
}

/// The file of this name, opened when it is first used.
fn held<'a>(
    slot: &'a OnceLock<fs::File>,
    folder: &Path,
    file: &str,
    write: bool,
) -> io::Result<&'a fs::File> {
    if let Some(open) = slot.get() {
        return Ok(open);
    }
    let opened = fs::OpenOptions::new().read(!write).write(write).open(folder.join(file))?;
    Ok(slot.get_or_init(|| opened))
}

/// A control group operation that the host refused, and the layer that is missing for it.
pub(crate) type Refused = (Layer, io::Error);

impl Group {
    pub(crate) fn set_limits(&self) -> Result<(), Refused> {
        let limits = self.limits();
        self.set_memory_limit(limits).map_err(|error| (Layer::MemoryLimit, error))?;
        let pids = |error| (Layer::ProcessLimit, error);
        if let Some(place) = &self.pids {
            put(&place.path, "pids.max", &limits.pids_max.to_string()).map_err(pids)?;
        }
        let cpu = |error| (Layer::CpuLimit, error);
        if let Some(Place { path, version: Version::One }) = &self.cpu {
            put(path, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string()).map_err(cpu)?;
        }
        self.set_cpu(CpuShare::Init).map_err(cpu)
    }

    /// What no directory holds.
    pub(crate) fn roles(&self) -> Roles {
        self.supervision.as_ref().map(|held| held.roles()).unwrap_or_default()
    }

    /// Begins to look at what no directory holds.
    pub(crate) fn supervise(&self, pid: u32, handles: (&Arc<OwnedFd>, &Arc<OwnedFd>)) -> io::Result<()> {
        self.supervision.as_ref().map_or(Ok(()), |held| held.begin(pid, handles))
    }

    pub(crate) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Limits processor time to the share that belongs to the memory size.
    pub(crate) fn set_cpu(&self, share: CpuShare) -> io::Result<()> {
        let quota_us = quota_us(self.limits().memory_mb, share);
        let Some(Place { path, version }) = &self.cpu else {
            self.supervision.iter().for_each(|held| held.set_share(quota_us, CPU_PERIOD_US));
            return Ok(());
        };
        match version {
            // The period stays as it was set at the start.
            Version::One => put(path, "cpu.cfs_quota_us", &quota_us.to_string()),
            Version::Two => put(path, "cpu.max", &format!("{quota_us} {CPU_PERIOD_US}")),
        }?;
        if share == CpuShare::Init { self.allow_burst(path, *version) } else { Ok(()) }
    }

    /// What of its share it left unused in one period it may use in a later one, up to a period's worth: the mean stays. A
    /// request that needs little more than one period's share, or whose threads wake on two processors, between which the
    /// kernel divides the share, then does not pause for a period in the middle.
    fn allow_burst(&self, path: &Path, version: Version) -> io::Result<()> {
        let file = match version {
            Version::One => "cpu.cfs_burst_us",
            Version::Two => "cpu.max.burst",
        };
        // Kernels before 5.14 have none. Never above the quota, which is at least this at this moment.
        let burst_us = quota_us(self.limits().memory_mb, CpuShare::Invocation);
        put_if_there(path, file, &burst_us.to_string())
    }

    /// The directory for `CLONE_INTO_CGROUP`.
    pub(crate) fn open_unified(&self) -> io::Result<Option<OwnedFd>> {
        let open = |path: &PathBuf| {
            fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path).map(OwnedFd::from)
        };
        self.unified.as_ref().map(open).transpose()
    }

    /// The `tasks` files of the old interface, which cannot be cloned into.
    ///
    /// Not `cgroup.procs`: a process that moves its only thread itself needs no machine-wide lock, for which others
    /// wait some 10 ms.
    pub(crate) fn open_tasks(&self) -> io::Result<Vec<OwnedFd>> {
        let old = self.folders.iter().filter(|place| place.version == Version::One);
        old.map(|place| fs::OpenOptions::new().write(true).open(place.path.join("tasks")).map(OwnedFd::from))
            .collect()
    }

    /// Tells the kernel to stop everything; it may not have happened yet.
    pub(crate) fn begin_freeze(&self) -> io::Result<()> {
        self.supervision.iter().for_each(|held| held.freeze());
        match &self.freezing {
            Freezing::Two(folder) => self.set_frozen(folder, b"1"),
            Freezing::One(folder) => put(folder, "freezer.state", "FROZEN"),
            Freezing::Signals => signals::stop_all(|| self.members_or_gone()).map(drop),
        }
    }

    fn set_frozen(&self, folder: &Path, value: &[u8]) -> io::Result<()> {
        held(&self.held.freeze, folder, "cgroup.freeze", true)?.write_all_at(value, 0)
    }

    /// Whether what is killed dies while it is frozen.
    pub(crate) fn kills_frozen(&self) -> bool {
        matches!(self.freezing, Freezing::Two(_) | Freezing::Signals)
    }

    /// Whether what is frozen may run again because something else dies: the kernel continues stopped processes whose last
    /// relative outside of their process group has gone.
    pub(crate) fn thaws_by_deaths(&self) -> bool {
        matches!(self.freezing, Freezing::Signals)
    }

    /// Whether the list of members has every process that is there when it is read, whatever is forked meanwhile. The old
    /// interface counts first and lists no more than it counted.
    pub(crate) fn lists_surely(&self) -> bool {
        self.unified.is_some()
    }

    /// Whether everything has stopped. Where that is done by signals, what has not is told so once more.
    pub(crate) fn is_frozen(&self) -> io::Result<bool> {
        match &self.freezing {
            Freezing::Two(folder) => {
                let file = held(&self.held.events, folder, "cgroup.events", false)?;
                let mut text = [0; EVENTS_BYTES_MAX];
                let length = file.read_at(&mut text, 0)?;
                let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
                Ok(value_of(&text, "frozen")? == 1)
            }
            Freezing::One(folder) => Ok(fs::read_to_string(folder.join("freezer.state"))?.trim() == "FROZEN"),
            Freezing::Signals => signals::stop_all(|| self.members_or_gone()),
        }
    }

    pub(crate) fn thaw(&self) -> io::Result<()> {
        self.supervision.iter().for_each(|held| held.thaw());
        match &self.freezing {
            Freezing::Two(folder) => self.set_frozen(folder, b"0"),
            Freezing::One(folder) => put(folder, "freezer.state", "THAWED"),
            Freezing::Signals => self.continue_members(),
        }
    }

    /// Kills every process of the group, as far as the interface can.
    pub(crate) fn kill(&self) {
        if let Some(folder) = &self.unified {
            let _ = put(folder, "cgroup.kill", "1");
        }
        if matches!(self.freezing, Freezing::One(_)) {
            // The old freezer keeps the dead from dying.
            let _ = self.thaw();
        }
    }

    /// The processes, and those that may have been members and are gone.
    fn members_or_gone(&self) -> io::Result<Listed> {
        match &self.supervision {
            Some(held) if self.pids.is_none() => held.members_or_gone(),
            _ => Ok(Listed { members: self.members()?, gone: Vec::new() }),
        }
    }

    /// Processes of the group, as the host numbers them.
    pub(crate) fn members(&self) -> io::Result<Vec<libc::pid_t>> {
        let folder = self.unified.as_deref().or(self.pids.as_ref().map(|place| place.path.as_path()));
        let Some(folder) = folder else {
            return self.supervision.as_ref().map_or_else(|| Ok(Vec::new()), |held| held.members());
        };
        Ok(fs::read_to_string(folder.join("cgroup.procs"))?
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect())
    }

    pub(crate) fn usage(&self) -> Usage {
        let seen = self.supervision.as_ref().map(|held| held.usage()).unwrap_or_default();
        let peak = self.memory.as_ref().map(|Place { path, version }| {
            let file = match version {
                Version::One => "memory.max_usage_in_bytes",
                Version::Two => "memory.peak",
            };
            // Kernels before 5.19 have no peak in the new interface; what is held now is the least it can have been.
            number(path, file).or_else(|_| number(path, "memory.current")).unwrap_or(0)
        });
        let cpu_us = self.unified.as_ref().and_then(|folder| counter(folder, "cpu.stat", "usage_usec").ok());
        let memory_peak_bytes = peak.unwrap_or(seen.memory_peak_bytes);
        Usage { memory_peak_bytes, cpu_us: cpu_us.unwrap_or(seen.cpu_us) }
    }

    /// How many forks the process limit has refused; where nobody counts them, how often all processes that may be were
    /// found to be there.
    pub(crate) fn forks_refused(&self) -> u64 {
        match (&self.pids, &self.supervision) {
            (Some(place), _) => counter(&place.path, "pids.events", "max").unwrap_or(0),
            (None, Some(held)) => held.full(),
            (None, None) => 0,
        }
    }

    /// Removes the directories; `Err` while a process is still leaving.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for place in &self.folders {
            match fs::remove_dir(&place.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn continue_members(&self) -> io::Result<()> {
        signals::send(libc::SIGCONT, &self.members()?, || self.members())
    }
}

/// Processor time per period for a memory size.
fn quota_us(memory_mb: u64, share: CpuShare) -> u64 {
    let by_memory = (memory_mb * CPU_PERIOD_US / MEMORY_MB_PER_VCPU).max(CPU_QUOTA_US_MIN);
    match share {
        // AWS: initialisation is not held to the function's share (seen there as start times that hardly depend
        // on the memory size); here it has at least one whole processor.
        CpuShare::Init => by_memory.max(CPU_PERIOD_US),
        CpuShare::Invocation => by_memory,
    }
}

/// Length of the accounting period, in microseconds: the longest pause of a function that has used up its share. The
/// kernel's default of 100 ms would be the 99th percentile of short invocations.
// AWS: documents the mean only ("one vCPU-second of credits per second" at 1,769 MB). Seen there from outside: who has used its
// share of 20 ms pauses until they are over (issue 246 of pwrdrvr/lambda-dispatch).
const CPU_PERIOD_US: u64 = 20_000;
/// More than `cgroup.events` has: two lines of some ten characters.
const EVENTS_BYTES_MAX: usize = 128;
/// The kernel's minimum quota.
const CPU_QUOTA_US_MIN: u64 = 1_000;

pub(crate) fn put(folder: &Path, file: &str, value: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(folder.join(file))?;
    io::Write::write_all(&mut file, value.as_bytes())
}

fn put_if_there(folder: &Path, file: &str, value: &str) -> io::Result<()> {
    match put(folder, file, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn number(folder: &Path, file: &str) -> io::Result<u64> {
    let text = fs::read_to_string(folder.join(file))?;
    text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// A line `key value` of a file.
fn counter(folder: &Path, file: &str, key: &str) -> io::Result<u64> {
    value_of(&fs::read_to_string(folder.join(file))?, key)
}

fn value_of(text: &str, key: &str) -> io::Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    value.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_share_follows_memory_as_on_aws() {
        assert_eq!(quota_us(1_769, CpuShare::Invocation), 20_000);
        assert_eq!(quota_us(3_538, CpuShare::Invocation), 40_000);
        assert_eq!(quota_us(128, CpuShare::Invocation), 1_447);
        assert_eq!(quota_us(128, CpuShare::Init), 20_000);
        assert_eq!(quota_us(3_538, CpuShare::Init), 40_000);
    }

    #[test]
    fn counter_is_read_by_its_whole_key() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n").unwrap();
        assert_eq!(counter(folder.path(), "f", "oom_kill").unwrap(), 7);
        assert!(counter(folder.path(), "f", "absent").is_err());
    }
}
