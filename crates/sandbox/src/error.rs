//! What can go wrong while an environment is made: every step has a name, every name belongs to a layer.

use std::{fmt, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{contents::Change, layer::Layer};

/// The steps between "start" and the runtime's first instruction, in order.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Step {
    /// Reading the request in the spawner.
    Request,
    /// Cloning the code directory's mount.
    CodeMount,
    /// clone3 with all namespaces.
    Clone,
    /// Ordinary scheduling, and first choice when the host runs out of memory.
    Priority,
    /// Moving the process into its control groups.
    JoinCgroup,
    /// Writing the user id map.
    UserMap,
    /// Writing the group id map.
    GroupMap,
    /// Bringing the loopback interface up.
    Loopback,
    /// Listening inside the network namespace.
    Listen,
    /// Setting the host name.
    HostName,
    /// A cgroup namespace rooted at the own group.
    UnshareCgroup,
    /// Becoming the environment's user.
    SetUser,
    /// Dying with the spawner.
    DeathSignal,
    /// A session of its own.
    Session,
    /// Standard streams.
    Streams,
    /// Copying the runtime root's mounts.
    BindRoot,
    /// Mounting the code.
    MountCode,
    /// Mounting the layers.
    MountLayers,
    /// Mounting `/tmp`.
    MountTmp,
    /// Mounting `/proc`.
    MountProc,
    /// Covering kernel controls in `/proc`.
    MaskProc,
    /// pivot_root.
    PivotRoot,
    /// Detaching the host's root.
    DetachHost,
    /// Entering the mounts of an environment that was started without code.
    Enter,
    /// Working directory.
    WorkingDirectory,
    /// Resource limits.
    ResourceLimits,
    /// Dropping capabilities.
    DropCapabilities,
    /// no_new_privs.
    NoNewPrivileges,
    /// Making the Landlock rules.
    LandlockRules,
    /// Confining itself by the Landlock rules.
    LandlockRestrict,
    /// Loading the system call filter.
    SystemCallFilter,
    /// Handing the filter's listener to the supervisor.
    HandOver,
    /// Closing all other descriptors.
    CloseDescriptors,
    /// Executing the runtime.
    Execute,
}

impl Step {
    /// The layer that is missing when this step fails, where there is one.
    pub fn layer(self) -> Option<Layer> {
        Some(match self {
            Self::Request
            | Self::CodeMount
            | Self::Enter
            | Self::Priority
            | Self::DeathSignal
            | Self::Session
            | Self::Streams
            | Self::WorkingDirectory
            | Self::HandOver
            | Self::CloseDescriptors
            | Self::Execute => return None,
            Self::Clone | Self::UserMap | Self::GroupMap => Layer::UserNamespace,
            Self::JoinCgroup => Layer::MemoryLimit,
            Self::Loopback | Self::Listen => Layer::NetworkNamespace,
            Self::HostName => Layer::UtsNamespace,
            Self::UnshareCgroup => Layer::CgroupNamespace,
            Self::SetUser => Layer::DistinctUser,
            Self::BindRoot | Self::MountCode | Self::MountLayers | Self::PivotRoot | Self::DetachHost => {
                Layer::ReadOnlyRoot
            }
            Self::MountTmp => Layer::TmpQuota,
            Self::MountProc | Self::MaskProc => Layer::PrivateProc,
            Self::ResourceLimits => Layer::ProcessLimit,
            Self::DropCapabilities => Layer::NoCapabilities,
            Self::NoNewPrivileges => Layer::NoNewPrivileges,
            Self::LandlockRules | Self::LandlockRestrict => Layer::Landlock,
            Self::SystemCallFilter => Layer::SystemCallFilter,
        })
    }
}

/// A step that failed, as it travels from the spawner or the child.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) errno: i32,
    pub(crate) what: String,
    /// The layer found missing, where trying has shown a more exact one than the step's.
    pub(crate) layer: Option<Layer>,
}

impl Failure {
    pub(crate) fn new(step: Step, error: &io::Error) -> Self {
        Self { step, errno: error.raw_os_error().unwrap_or(libc::EIO), what: String::new(), layer: None }
    }

    pub(crate) fn about(step: Step, error: &io::Error, what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::new(step, error) }
    }
}

/// `map_err(at(Step::X))`: names the step an I/O error belongs to.
pub(crate) fn at(step: Step) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::new(step, &error)
}

/// Why the spawner could not be started.
#[derive(Debug)]
pub struct SpawnerError {
    pub(crate) step: &'static str,
    pub(crate) source: io::Error,
}

impl fmt::Display for SpawnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the spawner of functions could not be started: {}: {}", self.step, self.source)
    }
}

impl std::error::Error for SpawnerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Why an environment was not started. Nothing was started in a weaker form instead.
#[derive(Debug)]
pub enum StartError {
    /// The host does not give a layer.
    Layer {
        /// Which.
        layer: Layer,
        /// Why, in the host's words.
        why: String,
    },
    /// A step failed that belongs to no layer.
    Step {
        /// Which.
        step: Step,
        /// What it was about (a path), or empty.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// No interpreter for this runtime was found on the host.
    UnknownRuntime {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A file the runtime root needs could not be put in.
    Root {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the runtime root is not what it was when the root was assembled.
    RootChanged {
        /// The runtime.
        runtime_id: String,
        /// Which file, in which way.
        change: Change,
    },
    /// The function's code is not there.
    CodeMissing {
        /// Where it should be.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A value of the specification is outside its limits.
    Specification(&'static str),
    /// The spawner process was killed or ended meanwhile.
    SpawnerGone,
    /// There is no spawner any more, and no other is started; the server must be restarted.
    SpawnerDown {
        /// Why there is no other.
        why: String,
    },
    /// The supervisor's own side failed.
    Supervisor(io::Error),
    /// The environment was not ready in time.
    TimedOut,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer { layer, why } => {
                write!(
                    f,
                    "this host does not give the isolation layer `{layer}`: {why}; the function was not started"
                )
            }
            Self::Step { step, what, source } if what.is_empty() => {
                write!(f, "step {step:?} failed: {source}; the function was not started")
            }
            Self::Step { step, what, source } => {
                write!(f, "step {step:?} failed for `{what}`: {source}; the function was not started")
            }
            Self::UnknownRuntime { id, known } => {
                write!(f, "runtime `{id}` is not on this host, which has: {}", known.join(", "))
            }
            Self::Root { path, source } => {
                write!(f, "`{}` could not be put into the runtime root: {source}", path.display())
            }
            Self::RootChanged { runtime_id, change } => write!(
                f,
                "the root of runtime `{runtime_id}` is not what it was when it was assembled: {change}; the function was \
                 not started, and none is in this root until the server is restarted"
            ),
            Self::CodeMissing { path, source } => {
                write!(f, "code directory `{}` cannot be opened: {source}", path.display())
            }
            Self::Specification(what) => write!(f, "specification refused: {what}"),
            Self::SpawnerGone => f.write_str("the spawner process ended meanwhile"),
            Self::SpawnerDown { why } => {
                write!(f, "the spawner process is gone and no other is started, {why}; restart the server")
            }
            Self::Supervisor(source) => write!(f, "the supervisor failed: {source}"),
            Self::TimedOut => f.write_str("the environment was not ready in time"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Step { source, .. } | Self::Root { source, .. } | Self::CodeMissing { source, .. } => {
                Some(source)
            }
            Self::Supervisor(source) => Some(source),
            Self::Layer { .. }
            | Self::UnknownRuntime { .. }
            | Self::RootChanged { .. }
            | Self::Specification(_)
            | Self::SpawnerGone
            | Self::SpawnerDown { .. }
            | Self::TimedOut => None,
        }
    }
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> Self {
        let source = io::Error::from_raw_os_error(failure.errno);
        if failure.step == Step::CodeMount {
            return Self::CodeMissing { path: PathBuf::from(failure.what), source };
        }
        match failure.layer.or(failure.step.layer()) {
            Some(layer) => {
                let step = failure.step;
                let about =
                    if failure.what.is_empty() { String::new() } else { format!(" ({})", failure.what) };
                Self::Layer { layer, why: format!("step {step:?}{about}: {source}") }
            }
            None => Self::Step { step: failure.step, what: failure.what, source },
        }
    }
}
