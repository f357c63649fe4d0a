//! Execution environments: processes that hold someone else's code and can reach nothing but what they were given.
//!
//! [`spawner::start_sealed`] starts a small process from a sealed copy of the program; a [`Driver`] asks it for
//! environments, and for another spawner when it is killed. Each environment has
//! its own user, pid, mount, network, ipc, uts and cgroup namespaces, a read-only root with an interpreter and no
//! other program, no capabilities, Landlock rules, an allow-list of system calls, limits, and two listening sockets
//! made *inside* its network namespace and held outside: the socket a request arrives on is the caller's identity.
//!
//! ```text
//!            server (supervisor)                        spawner                     environment
//!   start ──────────────────────────── request ───▶ clone3, user maps ───▶ cgroups, loopback, listeners,
//!                                                                          user, root, limits, capabilities,
//!   answers execve/connect ◀── filter, listeners, /tmp, pidfd ──────────── Landlock, filter, execve
//!   freeze · thaw · reset · kill · usage · events
//! ```
//!
//! # What it does not stop
//!
//! - Faults of the host's kernel: the surface is reduced (no user namespaces, bpf, io_uring, keys, rare socket
//!   families), not removed. That takes a machine of its own.
//! - Side channels through shared caches and processors, and through host-wide figures in `/proc` (load, memory).
//! - `/proc/self/mountinfo` shows where the code lies on the host, as a path that cannot be opened.
//! - Reading the package without end keeps the disk busy: there is no I/O limit.
//! - Memory may pass the function's size for some 20 ms, up to the size plus that of `/tmp`, the kernel's hard limit.
//! - Where the host delegates no control groups, limits on memory and processor time hold from one look to the next, some
//!   20 ms later: in between there is no bound but the host's.
//! - Inside one environment there is no secret between its own processes.
//!
//! This crate knows nothing of functions, invocations, AWS protocols or policies. It is the only crate of the
//! workspace with unsafe code, all of it system calls.

mod accepting;
mod cgroup;
mod child;
mod contents;
mod counter;
mod driver;
mod egress;
mod elf;
mod environment;
mod error;
mod full;
mod host;
mod keeper;
mod kernel_random;
mod late;
mod layer;
mod link;
mod members;
mod notify;
mod outer;
mod planned;
mod pump;
mod reset;
mod residents;
mod runtime_root;
mod runtimes;
mod slots;
pub mod spawner;
mod spec;
mod supervision;
mod sys;
mod vsock;
mod whole_root;
mod wire;
mod wiring;

pub use crate::{
    accepting::accept,
    contents::{Change, RootDigest},
    counter::counter_khz,
    driver::Driver,
    egress::{Bridgehead, Carrier, Line, LineOpening, RELAY_PORT, RESOLVER_PORT, Rules as EgressRules},
    elf::loaded_bytes,
    environment::{Environment, EnvironmentId},
    error::{SpawnerError, StartError, Step},
    host::{
        DESCRIPTORS_PER_ENVIRONMENT, DESCRIPTORS_WITH_COMPANIONS, HostMemory, environments_by_descriptors,
    },
    keeper::Incident,
    kernel_random::reseed_kernel,
    late::{Binding, Blank},
    layer::{Layer, LayerReport, Probe, Status},
    members::{Outlet, Signal},
    outer::{OuterGroup, OuterLimits},
    planned::PlannedRoot,
    pump::Recorded,
    residents::{Residents, Tick, Unclear},
    runtime_root::shared_libraries,
    runtimes::{Family, HostFile, OwnRoot, Runtime, RuntimeTable},
    spawner::Spawner,
    spec::{
        AWS_ENDPOINT_ADDRESS, AWS_ENDPOINT_PORT, Bootstrap, BootstrapFile, COMPANIONS_MAX, Companions,
        EnvironmentSpec, Event, ExecPolicy, Exit, ExitStatus, MEMORY_MB, MEMORY_MB_PER_VCPU, MemberEnd,
        Mount, PIDS_MAX, RUNTIME_API_ADDRESS, RUNTIME_API_PORT, ResetOutcome, TMP_MB, Template, Usage,
        is_metadata,
    },
    vsock::vsock_listener,
};
