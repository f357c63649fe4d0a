//! What a caller asks for and is told: specifications, events, usage, exits. Plain data, no system calls.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    EgressRules,
    contents::{Change, Contents, RootDigest},
    error::StartError,
    runtime_root::RootPlan,
};

/// Port of the Runtime API inside an environment.
// AWS: the emulator and the service listen on 127.0.0.1:9001; runtimes read AWS_LAMBDA_RUNTIME_API.
pub const RUNTIME_API_PORT: u16 = 9001;
/// Port of the platform's AWS endpoint inside an environment: the same as outside.
pub const AWS_ENDPOINT_PORT: u16 = 4566;
/// The value for `AWS_LAMBDA_RUNTIME_API`.
pub const RUNTIME_API_ADDRESS: &str = "127.0.0.1:9001";
/// Host and port for `AWS_ENDPOINT_URL`.
pub const AWS_ENDPOINT_ADDRESS: &str = "127.0.0.1:4566";

/// Memory at which a function has one whole virtual processor, in MB.
// AWS: "At 1,769 MB, a function has the equivalent of one vCPU" (Lambda developer guide, memory).
pub const MEMORY_MB_PER_VCPU: u64 = 1_769;
/// Least and most memory of a function, in MB.
// AWS: 128 MB to 10,240 MB (Lambda quotas).
pub const MEMORY_MB: std::ops::RangeInclusive<u64> = 128..=10_240;
/// Least and most space in `/tmp`, in MB.
// AWS: 512 MB to 10,240 MB (Lambda quotas). Smaller values are accepted here, for tests of the quota.
pub const TMP_MB: std::ops::RangeInclusive<u64> = 1..=10_240;
/// Processes and threads of one environment.
// AWS: 1,024 (Lambda quotas).
pub const PIDS_MAX: u64 = 1_024;
/// File descriptors of one environment.
// AWS: 1,024 (Lambda quotas).
pub(crate) const DESCRIPTORS_MAX: u64 = 1_024;

/// A file put into `/var/runtime`, readable by all.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct BootstrapFile {
    /// File name without a slash.
    pub name: String,
    /// Its bytes.
    pub contents: Vec<u8>,
}

/// A host path shown read-only inside.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mount {
    /// Path on the host.
    pub host: PathBuf,
    /// Absolute path inside.
    pub at: PathBuf,
}

/// How a runtime is started.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    /// Files for `/var/runtime`.
    pub files: Vec<BootstrapFile>,
    /// Program (a path inside) and arguments.
    pub argv: Vec<String>,
    /// Further host paths for every environment made from the template.
    pub mounts: Vec<Mount>,
}

/// A runtime root that has been assembled, from which environments are started. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) inner: Arc<TemplateInner>,
}

#[derive(Clone, Debug)]
pub(crate) struct TemplateInner {
    pub(crate) name: String,
    pub(crate) runtime_id: String,
    pub(crate) argv: Vec<String>,
    /// Where the runtime begins: a path inside.
    pub(crate) working_dir: PathBuf,
    /// Where inside its files lie.
    pub(crate) contained: Vec<PathBuf>,
    /// What it is made of, for a spawner that has not assembled it yet.
    pub(crate) plan: RootPlan,
    /// The host's files in it.
    pub(crate) contents: Arc<Contents>,
}

impl Template {
    /// The runtime it was made for.
    pub fn runtime_id(&self) -> &str {
        &self.inner.runtime_id
    }

    /// Program and arguments.
    pub fn argv(&self) -> &[String] {
        &self.inner.argv
    }

    /// All its files in one number, once they have been read, which begins when the root is assembled.
    pub async fn digest(&self) -> Result<RootDigest, Change> {
        self.inner.contents.digested().await
    }

    /// The same root for other arguments.
    #[must_use]
    pub fn with_argv(&self, argv: Vec<String>) -> Self {
        let inner = TemplateInner { argv, ..TemplateInner::clone(&self.inner) };
        Self { inner: Arc::new(inner) }
    }

    /// The same root for a runtime that begins in another folder.
    #[must_use]
    pub fn with_working_dir(&self, working_dir: PathBuf) -> Self {
        let inner = TemplateInner { working_dir, ..TemplateInner::clone(&self.inner) };
        Self { inner: Arc::new(inner) }
    }
}

/// Whether programs may be executed inside.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum ExecPolicy {
    /// Only the runtime itself, once. For managed runtimes.
    Deny,
    /// Anything the root and the package hold; each execution is an event, with its arguments.
    Audit,
    /// These absolute paths; each try is an event. Files that are none of them, nor their interpreters, the kernel does
    /// not execute. Which of the executable ones is executed, and how, is the supervisor's judgement of a name that
    /// another thread may change meanwhile: good against mistakes and injected commands, not against a determined
    /// attacker who runs code of his own.
    List(Vec<String>),
    /// Anything the root and the package hold; each execution is an event, without its arguments: nobody asked for them, and
    /// they may hold secrets. For custom runtimes.
    Allow,
}

impl ExecPolicy {
    /// Whether there are no programs to be executed in `/tmp`.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Deny | Self::List(_))
    }
}

/// Programs that run beside the runtime, under the same restrictions. They are started once, before the runtime, and by
/// nobody else, whatever the environment's rule for executions is.
#[derive(Clone, Default)]
pub struct Companions {
    /// Absolute paths inside, at most [`COMPANIONS_MAX`].
    pub programs: Vec<String>,
    /// The whole environment of each.
    pub env: Vec<(String, String)>,
}

/// The values of variables are often secrets.
impl std::fmt::Debug for Companions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Companions").field("programs", &self.programs).finish_non_exhaustive()
    }
}

/// Most companions of one environment.
// AWS: 10 extensions (Lambda developer guide, "Extensions API").
pub const COMPANIONS_MAX: usize = 10;

/// The end of the runtime, or of a companion, where there are companions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum MemberEnd {
    /// It ran.
    Exited(ExitStatus),
    /// The system could not execute it: an error number.
    NotExecuted(i32),
}

/// One environment as asked for.
#[derive(Clone)]
pub struct EnvironmentSpec {
    /// The prepared runtime.
    pub template: Template,
    /// Unpacked package, shown read-only at `/var/task`.
    pub code_dir: PathBuf,
    /// Unpacked layers, shown read-only at `/opt`.
    pub layers_dir: Option<PathBuf>,
    /// The whole environment of the process: nothing is added, nothing of the host leaks.
    pub env: Vec<(String, String)>,
    /// Memory limit in MB; also the share of processor time.
    pub memory_mb: u64,
    /// Size of `/tmp` in MB.
    pub tmp_mb: u64,
    /// Most processes and threads.
    pub pids_max: u64,
    /// Whether programs may be executed.
    pub exec_policy: ExecPolicy,
    /// What it may connect to besides its own listeners.
    pub egress: EgressRules,
    /// Host name inside.
    pub hostname: String,
    /// What runs beside the runtime. With any, the runtime begins only when it is told to.
    pub companions: Companions,
}

/// The values of variables are often secrets.
impl std::fmt::Debug for EnvironmentSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("EnvironmentSpec")
            .field("template", &self.template.inner.name)
            .field("code_dir", &self.code_dir)
            .field("layers_dir", &self.layers_dir)
            .field("env", &names)
            .field("memory_mb", &self.memory_mb)
            .field("tmp_mb", &self.tmp_mb)
            .field("pids_max", &self.pids_max)
            .field("exec_policy", &self.exec_policy)
            .field("egress", &self.egress)
            .field("hostname", &self.hostname)
            .field("companions", &self.companions.programs)
            .finish()
    }
}

impl EnvironmentSpec {
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let refuse = |what| Err(StartError::Specification(what));
        if !MEMORY_MB.contains(&self.memory_mb) {
            return refuse("memory_mb must be 128 to 10,240");
        }
        if !TMP_MB.contains(&self.tmp_mb) {
            return refuse("tmp_mb must be 1 to 10,240");
        }
        if self.pids_max == 0 || self.pids_max > PIDS_MAX {
            return refuse("pids_max must be 1 to 1,024");
        }
        if self.hostname.is_empty() || self.hostname.len() > HOSTNAME_BYTES_MAX {
            return refuse("hostname must have 1 to 64 bytes");
        }
        let bad = |(name, value): &(String, String)| {
            name.is_empty() || name.contains('=') || name.contains('\0') || value.contains('\0')
        };
        if self.companions.programs.len() > COMPANIONS_MAX {
            return refuse("there must be at most 10 companions");
        }
        if self.companions.programs.iter().any(|path| !path.starts_with('/') || path.contains('\0')) {
            return refuse("a companion must be an absolute path without a NUL byte");
        }
        if self.env.iter().chain(&self.companions.env).any(bad) {
            return refuse(
                "an environment variable has an empty name, an equals sign in its name or a NUL byte",
            );
        }
        Ok(())
    }
}

/// The kernel's limit on host names.
const HOSTNAME_BYTES_MAX: usize = 64;

/// Whether an address is that of a metadata service: link-local, or where AWS has its own in IPv6.
#[must_use]
pub fn is_metadata(address: &SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        // AWS: "fd00:ec2::254" (EC2 user guide, "Instance metadata").
        IpAddr::V6(ip) => {
            ip.is_unicast_link_local() || ip == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

/// Something an environment tried or met.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Event {
    /// A program was not executed.
    ExecDenied {
        /// Host process id of the one that tried.
        pid: u32,
        /// The path as given, lossy; for the record only, the refusal does not depend on it.
        path: String,
    },
    /// A program is executed, if there is one of that name. Both texts were read from the process's memory and may have
    /// changed since: a record, not evidence.
    Executed {
        /// Host process id of the one that executes.
        pid: u32,
        /// The path as given, lossy.
        path: String,
        /// The first 16 arguments, lossy, each cut to 128 characters. None under [`ExecPolicy::Allow`].
        arguments: Vec<String>,
    },
    /// A signal is sent to a process, a group or another process's thread. Not where one looks whether a process of its own is
    /// there (signal 0).
    Signal {
        /// Host process id of the one that sends it.
        pid: u32,
        /// Which one; 0 asks whether there is anybody.
        signal: i32,
        /// Whom it is for, in the environment's own numbers.
        target: String,
        /// Is there no process of that number in the environment? Then there is none for the kernel either.
        missing: bool,
    },
    /// A connection to anything but the environment's own loopback was refused.
    ConnectDenied {
        /// Host process id of the one that tried.
        pid: u32,
        /// Where to.
        address: SocketAddr,
    },
    /// A connection to a Unix socket that the environment does not have: an abstract name that nobody in its network has, or
    /// the name of a file beyond it. The kernel refuses it; the record comes from looking at the name.
    SocketMissing {
        /// Host process id of the one that tried.
        pid: u32,
        /// The path; of an abstract name what `/proc/net/unix` would show, which begins with an `@`. Lossy.
        name: String,
    },
    /// A connection that the environment's egress rules allow is being made.
    Connecting {
        /// Host process id of the one that connects.
        pid: u32,
        /// Where to.
        address: SocketAddr,
        /// The name that led there; `None` where the address itself is allowed.
        name: Option<String>,
    },
    /// A connection outside has ended.
    Disconnected {
        /// Where it led.
        address: SocketAddr,
        /// Bytes to the outside.
        sent: u64,
        /// Bytes from the outside.
        received: u64,
    },
    /// A name that no egress rule allows, or that leads to no public address, was asked for.
    NameRefused {
        /// The name in lower case.
        name: String,
    },
    /// A process named a file beyond the environment. There is no such file inside, or nothing can change it; the
    /// record comes from looking at the name, the refusal does not. Not under [`ExecPolicy::Allow`].
    OpenDenied {
        /// Host process id of the one that tried.
        pid: u32,
        /// The path, absolute and normalised, lossy, cut to 512 characters.
        path: String,
        /// Whether it was to be written, made, renamed or removed.
        write: bool,
    },
    /// A system call that no ordinary program makes was refused.
    CallRefused {
        /// Host process id of the one that tried.
        pid: u32,
        /// What was called.
        call: String,
    },
    /// The memory limit was hit; the environment is being killed.
    OutOfMemory,
    /// The process limit refused forks.
    ProcessLimit {
        /// How many since the last such event; where nobody counts them, how often all processes that may be were found to be
        /// there.
        refused: u64,
    },
    /// `/tmp` was full when it was looked at, after an invocation.
    TmpFull,
    /// A process had all the descriptors it may have when it was looked at, after an invocation.
    DescriptorLimit {
        /// Its host process id.
        pid: u32,
    },
    /// The receiver was too slow, or one invocation tried too many files: so many events were not kept.
    Lost {
        /// How many.
        count: u64,
    },
}

/// What an environment has used since its start.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Usage {
    /// Most memory at any time, in bytes; includes `/tmp`.
    pub memory_peak_bytes: u64,
    /// Processor time, in microseconds.
    pub cpu_us: u64,
}

/// How the runtime process ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum ExitStatus {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// The spawner went first.
    Unknown,
}

/// The end of an environment.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Exit {
    /// How.
    pub status: ExitStatus,
    /// Whether the memory limit did it.
    pub out_of_memory: bool,
    /// What it used.
    pub usage: Usage,
}

/// What `reset` did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResetOutcome {
    /// Processes killed that were not the runtime itself.
    pub strays: usize,
    /// Entries removed from the top of `/tmp`.
    pub tmp_entries: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(programs: &[&str]) -> Companions {
        Companions { programs: programs.iter().map(|path| (*path).to_owned()).collect(), env: Vec::new() }
    }

    fn spec() -> EnvironmentSpec {
        EnvironmentSpec {
            template: Template {
                inner: Arc::new(TemplateInner {
                    name: "t".into(),
                    runtime_id: "r".into(),
                    argv: Vec::new(),
                    working_dir: PathBuf::new(),
                    contained: Vec::new(),
                    plan: RootPlan::default(),
                    contents: Arc::new(Contents::take(&RootPlan::default(), &RootPlan::default()).unwrap()),
                }),
            },
            code_dir: PathBuf::from("/nowhere"),
            layers_dir: None,
            env: Vec::new(),
            memory_mb: 128,
            tmp_mb: 512,
            pids_max: 64,
            exec_policy: ExecPolicy::Deny,
            egress: EgressRules::default(),
            hostname: "h".into(),
            companions: Companions::default(),
        }
    }

    #[test]
    fn values_of_variables_are_not_shown() {
        let spec = EnvironmentSpec { env: vec![("KEY".into(), "hidden-value".into())], ..spec() };
        let shown = format!("{spec:?}");
        assert!(shown.contains("KEY") && !shown.contains("hidden-value"), "{shown}");
    }

    #[test]
    fn values_outside_the_limits_are_refused() {
        assert!(spec().check().is_ok());
        for bad in [
            EnvironmentSpec { memory_mb: 127, ..spec() },
            EnvironmentSpec { memory_mb: 10_241, ..spec() },
            EnvironmentSpec { tmp_mb: 0, ..spec() },
            EnvironmentSpec { pids_max: 0, ..spec() },
            EnvironmentSpec { pids_max: 1_025, ..spec() },
            EnvironmentSpec { hostname: String::new(), ..spec() },
            EnvironmentSpec { env: vec![("A=B".into(), String::new())], ..spec() },
            EnvironmentSpec { env: vec![("A".into(), "b\0c".into())], ..spec() },
            EnvironmentSpec { companions: beside(&["tool"]), ..spec() },
            EnvironmentSpec { companions: beside(&["/opt/a\0"]), ..spec() },
            EnvironmentSpec { companions: beside(&["/opt/a"; COMPANIONS_MAX + 1]), ..spec() },
        ] {
            assert!(matches!(bad.check(), Err(StartError::Specification(_))));
        }
    }
}
