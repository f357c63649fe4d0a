//! Trying each layer that the spawner makes, with throw-away processes. Nothing is assumed from version numbers.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd},
    path::Path,
};

use crate::{
    child,
    error::Failure,
    layer::{Layer, LayerReport, Status},
    runtime_root::{GROUP_ID, USER_ID},
    spawner::{identity_range::IdentityRange, launch, stage},
    spec::ExitStatus,
    sys::{self, Cloned},
};

/// Tries every layer.
pub(super) fn layers(range: &IdentityRange) -> Vec<LayerReport> {
    let mut found: Vec<LayerReport> = NAMESPACES
        .iter()
        .map(|(layer, flag)| judge(*layer, "", in_process(libc::CLONE_NEWUSER | flag, range, || Ok(()))))
        .collect();
    let whole = launch::NAMESPACES;
    let inner_cgroup = || sys::unshare(libc::CLONE_NEWCGROUP);
    found.push(judge(Layer::CgroupNamespace, "", in_process(whole, range, inner_cgroup)));
    found.push(range.report());
    found.push(judge(
        Layer::ReadOnlyRoot,
        "pivot_root on prepared mounts",
        in_process(whole, range, private_root),
    ));
    found.push(judge(Layer::PrivateProc, "own pid namespace, masked", in_process(whole, range, mount_proc)));
    found.push(judge(Layer::TmpQuota, "tmpfs", in_process(whole, range, mount_tmp)));
    found.push(judge(
        Layer::NoCapabilities,
        "bounding set too",
        in_process(whole, range, child::drop_capabilities),
    ));
    let no_new = || sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map(drop);
    found.push(judge(Layer::NoNewPrivileges, "", in_process(whole, range, no_new)));
    found.extend(landlock(range));
    found.push(judge(Layer::SystemCallFilter, "allow-list", in_process(whole, range, child::try_filter)));
    found.push(judge(
        Layer::Supervision,
        "seccomp user notification",
        in_process(whole, range, child::try_filter),
    ));
    let processes = judge(Layer::ProcessLimit, "", in_process(whole, range, child::try_process_limit));
    found.push(processes);
    found.push(judge(
        Layer::DescriptorLimit,
        "of each process",
        in_process(whole, range, child::try_descriptor_limit),
    ));
    found.push(judge(Layer::TimeLimit, "of requests and starts, by the server's clock", end_in_time()));
    found
}

/// Every layer is absent when the spawner itself could not be set up.
pub(super) fn without_setup(failure: &Failure) -> Vec<LayerReport> {
    let source = io::Error::from_raw_os_error(failure.errno);
    let why = format!("the spawner could not set itself up: {:?}: {source}", failure.step);
    [Layer::UserNamespace, Layer::MountNamespace]
        .map(|layer| LayerReport { layer, status: Status::Absent(why.clone()) })
        .into()
}

fn landlock(range: &IdentityRange) -> [LayerReport; 2] {
    let version = child::landlock::version();
    let tried = in_process(launch::NAMESPACES, range, child::try_landlock);
    let text =
        version.as_ref().map(|version| format!("version {version} of its interface")).unwrap_or_default();
    let scopes = match version {
        Ok(6..) => Status::InForce(String::new()),
        Ok(old) => Status::Degraded(format!("version {old} of landlock has none; namespaces stand alone")),
        Err(error) => Status::Degraded(error.to_string()),
    };
    [judge(Layer::Landlock, &text, tried), LayerReport { layer: Layer::LandlockScopes, status: scopes }]
}

/// A process that would stay for ever is ended, by its handle, when it has had a moment.
fn end_in_time() -> io::Result<()> {
    let pidfd = match sys::clone3(0, None)? {
        Cloned::Child => loop {
            // SAFETY: no arguments.
            unsafe { libc::pause() };
        },
        Cloned::Parent { pidfd, .. } => pidfd,
    };
    let mut polled = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one struct, which outlives the call.
    let early = unsafe { libc::poll(&raw mut polled, 1, MOMENT_MS) } > 0;
    sys::pidfd_signal(pidfd.as_fd(), libc::SIGKILL)?;
    match launch::reap(pidfd.as_fd(), 0)? {
        Some(ExitStatus::Signal(libc::SIGKILL)) if !early => Ok(()),
        other => Err(io::Error::other(format!("the process ended with {other:?}"))),
    }
}

fn judge(layer: Layer, how: &str, tried: io::Result<()>) -> LayerReport {
    let status = match tried {
        Ok(()) => Status::InForce(how.to_owned()),
        Err(error) => Status::Absent(error.to_string()),
    };
    LayerReport { layer, status }
}

/// Makes a process with a user namespace and these, which ends at once.
pub(super) fn namespace(flags: libc::c_int) -> io::Result<()> {
    match sys::clone3(libc::CLONE_NEWUSER | flags, None)? {
        Cloned::Child => sys::exit_now(0),
        Cloned::Parent { pidfd, .. } => launch::reap(pidfd.as_fd(), 0).map(drop),
    }
}

/// Runs an attempt in a process with these namespaces, mapped as an environment would be.
fn in_process(
    namespaces: libc::c_int,
    range: &IdentityRange,
    attempt: impl Fn() -> io::Result<()>,
) -> io::Result<()> {
    let (go_read, go_write) = sys::pipe()?;
    let (pid, pidfd) = match sys::clone3(namespaces, None)? {
        Cloned::Child => {
            drop(go_write);
            let mut byte = [0];
            let done = io::Read::read_exact(&mut fs::File::from(go_read), &mut byte)
                .and_then(|()| child::set_user())
                .and_then(|()| attempt());
            // Error numbers fit in an exit code; zero is success.
            sys::exit_now(done.map_or_else(|error| error.raw_os_error().unwrap_or(libc::EIO), |()| 0))
        }
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
    };
    drop(go_read);
    let (user, group) = range.slot(PROBE_SLOT);
    let mapped = fs::write(format!("/proc/{pid}/uid_map"), format!("{USER_ID} {user} 1"))
        .and_then(|()| fs::write(format!("/proc/{pid}/setgroups"), "deny"))
        .and_then(|()| fs::write(format!("/proc/{pid}/gid_map"), format!("{GROUP_ID} {group} 1")))
        .and_then(|()| io::Write::write_all(&mut fs::File::from(go_write), b"g"));
    let status = launch::reap(pidfd.as_fd(), 0)?;
    mapped?;
    match status {
        Some(ExitStatus::Code(0)) => Ok(()),
        Some(ExitStatus::Code(errno)) => Err(io::Error::from_raw_os_error(errno)),
        other => Err(io::Error::other(format!("the attempt ended with {other:?}"))),
    }
}

fn private_root() -> io::Result<()> {
    let empty = sys::c_path(Path::new(stage::EMPTY))?;
    sys::mount(Some(&empty), &empty, None, libc::MS_BIND | libc::MS_REC, None)?;
    std::env::set_current_dir(stage::EMPTY)?;
    sys::pivot_root_here()?;
    sys::detach(c".")
}

fn mount_proc() -> io::Result<()> {
    let target = sys::c_path(Path::new(stage::EMPTY))?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    sys::mount(Some(c"proc"), &target, Some(c"proc"), flags, Some(c"hidepid=2"))
}

fn mount_tmp() -> io::Result<()> {
    let target = sys::c_path(Path::new(stage::EMPTY))?;
    sys::mount(Some(c"tmpfs"), &target, Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NODEV, Some(c"size=1m"))
}

/// Namespaces that can be missing one by one: each is tried together with a user namespace.
pub(super) const NAMESPACES: [(Layer, libc::c_int); 6] = [
    (Layer::UserNamespace, 0),
    (Layer::PidNamespace, libc::CLONE_NEWPID),
    (Layer::MountNamespace, libc::CLONE_NEWNS),
    (Layer::NetworkNamespace, libc::CLONE_NEWNET),
    (Layer::IpcNamespace, libc::CLONE_NEWIPC),
    (Layer::UtsNamespace, libc::CLONE_NEWUTS),
];

/// How long a process may stay whose end is tried.
const MOMENT_MS: libc::c_int = 1;
/// The last slot, which environments reach last.
const PROBE_SLOT: u32 = 65_535;
