//! Starting one environment: clone3, user maps, then the child is on its own.

use std::{
    fs,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use crate::{
    child::{self, ChildDescriptors},
    error::{Failure, Step, at},
    runtime_root::{GROUP_ID, USER_ID},
    spawner::{identity_range::IdentityRange, networks::Networks, probe, stage},
    sys::{self, Cloned},
    wire::{self, Report, Start},
};

/// Descriptors that come with a start request.
pub(super) struct LaunchDescriptors {
    pub(super) channel: OwnedFd,
    pub(super) exit: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// The v2 directory if the request says so, then `tasks` files.
    pub(super) cgroups: Vec<OwnedFd>,
}

/// A process this spawner must reap.
pub(super) struct Launched {
    pub(super) pidfd: OwnedFd,
    /// Where its exit status goes.
    pub(super) exit: OwnedFd,
}

/// Starts the environment; a failure has been reported on the channel when `None` comes back.
pub(super) fn launch(
    start: &Start,
    fds: LaunchDescriptors,
    (range, networks): (&IdentityRange, &mut Networks),
) -> Option<Launched> {
    let channel = fds.channel.try_clone().ok()?;
    match try_launch(start, &channel, fds, (range, networks)) {
        Ok(launched) => Some(launched),
        Err(failure) => {
            let _ = wire::report(channel.as_fd(), &Report::Failed(failure), &[]);
            None
        }
    }
}

fn try_launch(
    start: &Start,
    channel: &OwnedFd,
    fds: LaunchDescriptors,
    (range, networks): (&IdentityRange, &mut Networks),
) -> Result<Launched, Failure> {
    let LaunchDescriptors { channel: childs, exit, stdout, stderr, cgroups } = fds;
    let code = start.code_dir.as_deref().map(stage::code_mount).transpose()?;
    let layers = start.layers_dir.as_deref().map(stage::code_mount).transpose()?;
    let (go, go_write) = sys::pipe().map_err(at(Step::Clone))?;
    let mut cgroups = cgroups.into_iter();
    let into = if start.into_cgroup { cgroups.next() } else { None };
    let (tasks, sockets) = (cgroups.collect(), Vec::new());
    let fds = ChildDescriptors { channel: childs, go, stdout, stderr, code, layers, tasks, sockets };
    let (pid, pidfd) = networks.within(start.way_out, |sockets| match sockets {
        Some(sockets) => {
            let fds = ChildDescriptors { sockets, ..fds };
            clone_child(start, fds, into.as_ref(), NAMESPACES & !libc::CLONE_NEWNET)
        }
        None => clone_child(start, fds, into.as_ref(), NAMESPACES),
    })?;
    let placed = map_users(pid, start, range).and_then(|()| {
        let started = Report::Started { pid: pid.cast_unsigned() };
        wire::report(channel.as_fd(), &started, &[pidfd.as_raw_fd()]).map_err(at(Step::HandOver))?;
        fs::File::from(go_write).write_all(b"g").map_err(at(Step::HandOver))
    });
    if let Err(failure) = placed {
        let _ = sys::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
        let _ = reap(pidfd.as_fd(), 0);
        return Err(failure);
    }
    Ok(Launched { pidfd, exit })
}

/// The new process: its number and handle. In that process this does not return.
fn clone_child(
    start: &Start,
    fds: ChildDescriptors,
    into: Option<&OwnedFd>,
    namespaces: libc::c_int,
) -> Result<(libc::pid_t, OwnedFd), Failure> {
    match sys::clone3(namespaces, into.map(AsFd::as_fd)).map_err(|error| blame(&error))? {
        Cloned::Child => child::run(start, fds),
        Cloned::Parent { pid, pidfd } => Ok((pid, pidfd)),
    }
}

/// Finds out which of the namespaces it is that cannot be made.
fn blame(error: &io::Error) -> Failure {
    let missing = probe::NAMESPACES.iter().find(|(_, flag)| probe::namespace(*flag).is_err());
    Failure { layer: missing.map(|(layer, _)| *layer), ..Failure::new(Step::Clone, error) }
}

/// Gives a new process its identity, before it runs anything of its own.
fn map_users(pid: libc::pid_t, start: &Start, range: &IdentityRange) -> Result<(), Failure> {
    let (user, group) = range.slot(start.user_slot);
    fs::write(format!("/proc/{pid}/uid_map"), format!("{USER_ID} {user} 1")).map_err(at(Step::UserMap))?;
    fs::write(format!("/proc/{pid}/setgroups"), "deny").map_err(at(Step::GroupMap))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{GROUP_ID} {group} 1")).map_err(at(Step::GroupMap))
}

/// Waits for a child; `None` while it runs and `WNOHANG` is among the flags.
pub(crate) fn reap(pidfd: BorrowedFd<'_>, flags: libc::c_int) -> io::Result<Option<crate::spec::ExitStatus>> {
    // SAFETY: all-zero bytes are a valid siginfo.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let id = libc::id_t::try_from(pidfd.as_raw_fd()).unwrap_or(0);
    // SAFETY: the struct outlives the call; the descriptor is a pidfd.
    let done = unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED | flags) };
    sys::check(libc::c_long::from(done))?;
    // SAFETY: waitid filled the part of the union that belongs to SIGCHLD, or left it zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    Ok(Some(if info.si_code == libc::CLD_EXITED {
        crate::spec::ExitStatus::Code(status)
    } else {
        crate::spec::ExitStatus::Signal(status)
    }))
}

/// The cgroup namespace follows in the child, once it stands in its own group.
pub(super) const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;
