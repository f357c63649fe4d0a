//! The layers of isolation, by name, and what the host gives of each.
//!
//! Refuses to know how a layer is made: that is the business of the module that makes it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One layer between a function and the host. The name is what `casemate doctor` and errors show.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Layer {
    /// Root inside the environment is nobody outside.
    UserNamespace,
    /// Other processes cannot be seen or signalled.
    PidNamespace,
    /// An own tree of mounts.
    MountNamespace,
    /// No interface but loopback.
    NetworkNamespace,
    /// No shared System V or POSIX queues.
    IpcNamespace,
    /// An own host name.
    UtsNamespace,
    /// The host's cgroup paths are not shown.
    CgroupNamespace,
    /// A host user id per environment that owns nothing.
    DistinctUser,
    /// The root holds the runtime only and cannot be written.
    ReadOnlyRoot,
    /// `/proc` shows the environment's own processes, with kernel controls masked.
    PrivateProc,
    /// `/tmp` in memory with a quota.
    TmpQuota,
    /// Every capability dropped, the bounding set too.
    NoCapabilities,
    /// No program can gain rights by being executed.
    NoNewPrivileges,
    /// Landlock rules over files.
    Landlock,
    /// Landlock scopes over signals and abstract sockets.
    LandlockScopes,
    /// Allow-list of system calls.
    SystemCallFilter,
    /// Supervision of execve and connect by seccomp user notification.
    Supervision,
    /// Limit on memory.
    MemoryLimit,
    /// Limit on the number of processes.
    ProcessLimit,
    /// Share of processor time by memory size.
    CpuLimit,
    /// Limit on the descriptors of each process.
    DescriptorLimit,
    /// What has had its time, a request or a start, is ended.
    TimeLimit,
    /// Nothing runs between invocations.
    Freezer,
    /// What makes environments is an unchangeable copy of the server's program, with nothing of the server in its memory.
    SealedSpawner,
}

impl Layer {
    /// The name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user namespace",
            Self::PidNamespace => "pid namespace",
            Self::MountNamespace => "mount namespace",
            Self::NetworkNamespace => "network namespace",
            Self::IpcNamespace => "ipc namespace",
            Self::UtsNamespace => "uts namespace",
            Self::CgroupNamespace => "cgroup namespace",
            Self::DistinctUser => "distinct user id",
            Self::ReadOnlyRoot => "read-only root",
            Self::PrivateProc => "private /proc",
            Self::TmpQuota => "/tmp quota",
            Self::NoCapabilities => "no capabilities",
            Self::NoNewPrivileges => "no new privileges",
            Self::Landlock => "landlock",
            Self::LandlockScopes => "landlock scopes",
            Self::SystemCallFilter => "system call filter",
            Self::Supervision => "exec and connect supervision",
            Self::MemoryLimit => "memory limit",
            Self::ProcessLimit => "process limit",
            Self::CpuLimit => "cpu limit",
            Self::DescriptorLimit => "descriptor limit",
            Self::TimeLimit => "time limits",
            Self::Freezer => "freezer",
            Self::SealedSpawner => "sealed spawner",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the host gives of a layer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Status {
    /// Tried on this host and works; the text says how, where there are several ways.
    InForce(String),
    /// Works in a weaker form, for the reason given. Functions run.
    Degraded(String),
    /// The host does not give it, for the reason given. Functions do not run.
    Absent(String),
}

/// One line of the report.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LayerReport {
    /// Which layer.
    pub layer: Layer,
    /// What the host gives of it.
    pub status: Status,
}

/// What every layer is on this host, found by trying it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Probe {
    /// All layers, in the order in which they are applied.
    pub layers: Vec<LayerReport>,
}

impl Probe {
    /// What was found of one layer.
    pub fn status(&self, layer: Layer) -> Option<&Status> {
        self.layers.iter().find(|report| report.layer == layer).map(|report| &report.status)
    }

    /// The layers this host does not give; where there is one, no function runs.
    pub fn absent(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.layers.iter().filter_map(|report| match &report.status {
            Status::Absent(why) => Some((report.layer, why.as_str())),
            Status::InForce(_) | Status::Degraded(_) => None,
        })
    }

    /// Adds what was found of control groups. Where none holds the number of processes, it counts what the spawner has found,
    /// who tries the limit that stands for it.
    pub(crate) fn settle_process_limit(&mut self, groups: Vec<LayerReport>) {
        let tried = self.status(Layer::ProcessLimit).cloned();
        self.layers.retain(|report| report.layer != Layer::ProcessLimit);
        for LayerReport { layer, status } in groups {
            let status = match (layer, status, &tried) {
                (Layer::ProcessLimit, Status::Degraded(why), Some(Status::InForce(_))) => {
                    Status::Degraded(why)
                }
                (Layer::ProcessLimit, Status::Degraded(why), other) => {
                    Status::Absent(format!("{why}, but that does not hold here: {other:?}"))
                }
                (_, status, _) => status,
            };
            self.push(layer, status);
        }
    }

    pub(crate) fn push(&mut self, layer: Layer, status: Status) {
        self.layers.push(LayerReport { layer, status });
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for LayerReport { layer, status } in &self.layers {
            let (word, text) = match status {
                Status::InForce(how) => ("in force", how),
                Status::Degraded(why) => ("degraded", why),
                Status::Absent(why) => ("ABSENT", why),
            };
            let name = layer.name();
            if text.is_empty() {
                writeln!(f, "{name:<30} {word}")?;
            } else {
                writeln!(f, "{name:<30} {word:<9} {text}")?;
            }
        }
        Ok(())
    }
}
