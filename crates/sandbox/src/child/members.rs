//! The first process of an environment with companions: it starts the runtime and the companions, reports how each ended,
//! and runs nothing of the function's.
//!
//! ```text
//! filter loaded → a process for the runtime (waits for a byte) → one for each companion (executes at once)
//!               → hand over → closes everything → waits for ends, for ever
//! ```
//! Each of them lays its own Landlock rules before it executes: the same, without the files of the others. So none can be
//! looked into, traced or signalled by another (signals from Linux 6.12 on), though all have one user.
//! Everything was taken from it before: its processes inherit user, limits, Landlock and filter. It cannot be looked into
//! by them (it is not dumpable, and their `/proc` does not show it and has executed nothing since) nor ended by them (the first process of its namespace has no
//! handlers). Knows nothing of what companions are for.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use super::{ChildDescriptors, FAILED, Never, Strings, execute, landlock, network};
use crate::{
    error::{Failure, Step, at},
    spec::MemberEnd,
    sys::{self, Cloned},
    wire::{self, Report, Start},
};

/// Starts all and never returns; an error means that it could not.
pub(super) fn look_after(
    start: &Start,
    fds: &ChildDescriptors,
    (tmp, listener): (&File, OwnedFd),
    (runtime, domains): (&Strings, &[OwnedFd]),
) -> Result<Never, Failure> {
    let channel = fds.channel.as_fd();
    let pipe = || sys::pipe().map_err(at(Step::Streams));
    let ((go, told), (read, output)) = (pipe()?, pipe()?);
    let outlets = start.companions.iter().map(|_| network::unconnected()).collect::<io::Result<Vec<_>>>();
    let outlets = outlets.map_err(at(Step::Listen))?;
    let raw: Vec<_> = outlets.iter().map(AsRawFd::as_raw_fd).collect();
    wire::report(channel, &Report::Reaching, &raw).map_err(at(Step::HandOver))?;
    let mut members = vec![begin(0, channel, || {
        // SAFETY: this process's own copy, which nothing uses any more: it would never see the pipe's end.
        unsafe { libc::close(told.as_raw_fd()) };
        enter(domains.first())?;
        wait_for_go(&go)?;
        let (path, argv, env) = runtime;
        become_program(path, argv, env)
    })?];
    let env = super::variables(&start.companion_env).map_err(at(Step::Execute))?;
    for (index, program) in start.companions.iter().enumerate() {
        members.push(begin(index + 1, channel, || {
            sys::duplicate_onto(output.as_fd(), 1)?;
            sys::duplicate_onto(output.as_fd(), 2)?;
            enter(domains.get(index + 1))?;
            let path = CString::new(program.as_str()).map_err(io::Error::other)?;
            become_program(&path, std::slice::from_ref(&path), &env)
        })?);
    }
    let mut handed = vec![tmp.as_raw_fd(), listener.as_raw_fd(), told.as_raw_fd(), read.as_raw_fd()];
    handed.extend(members.iter().map(|(_, descriptor)| descriptor.as_raw_fd()));
    wire::report(channel, &Report::Supervised, &handed).map_err(at(Step::HandOver))?;
    // INVARIANT: the listener is closed here and by each execve, so nobody inside can answer for the supervisor.
    keep_nothing(channel).map_err(at(Step::CloseDescriptors))?;
    let members: Vec<libc::pid_t> = members.iter().map(|(pid, _)| *pid).collect();
    wait_for_ends(channel, &members)
}

/// Rules for the runtime and for each companion; none where there are no companions. Made before the filter is loaded: it
/// lets nobody make rules.
pub(super) fn domains(start: &Start, runtime: &CStr) -> io::Result<Vec<OwnedFd>> {
    if start.companions.is_empty() {
        return Ok(Vec::new());
    }
    let own = start.companions.iter().map(std::slice::from_ref);
    let each = std::iter::once(Default::default()).chain(own);
    each.map(|companions| landlock::rules(&start.exec_policy, runtime, companions)).collect()
}

fn enter(domain: Option<&OwnedFd>) -> io::Result<()> {
    landlock::restrict(domain.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?)
}

/// A process that becomes a program, or says that it could not.
fn begin(
    index: usize,
    channel: BorrowedFd<'_>,
    become_it: impl FnOnce() -> io::Result<Never>,
) -> Result<(libc::pid_t, OwnedFd), Failure> {
    match sys::clone_process().map_err(at(Step::Clone))? {
        Cloned::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Cloned::Child => {
            let Err(error) = become_it();
            let end = MemberEnd::NotExecuted(error.raw_os_error().unwrap_or(libc::EIO));
            let _ = wire::report(channel, &Report::Ended { member: index, end }, &[]);
            sys::exit_now(FAILED)
        }
    }
}

fn become_program(path: &CString, argv: &[CString], env: &[CString]) -> io::Result<Never> {
    // A session of its own: a signal to its group reaches nobody else.
    // SAFETY: no pointers.
    sys::check(libc::c_long::from(unsafe { libc::setsid() }))?;
    execute(path, argv, env).map_err(|failure| io::Error::from_raw_os_error(failure.errno))
}

/// An end of file means that nobody wants the runtime any more.
fn wait_for_go(go: &OwnedFd) -> io::Result<()> {
    let mut byte = [0];
    File::from(go.try_clone()?).read_exact(&mut byte)
}

/// Keeps the channel only.
fn keep_nothing(channel: BorrowedFd<'_>) -> io::Result<()> {
    let null = std::io::stdin();
    sys::duplicate_onto(null.as_fd(), 1)?;
    sys::duplicate_onto(null.as_fd(), 2)?;
    sys::close_all_from(3, &[channel.as_raw_fd()])
}

fn wait_for_ends(channel: BorrowedFd<'_>, members: &[libc::pid_t]) -> ! {
    loop {
        let (pid, end) = match sys::wait_for_any() {
            Ok(ended) => ended,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Nobody is left to wait for.
            Err(_) => sys::exit_now(0),
        };
        if let Some(member) = members.iter().position(|member| *member == pid) {
            let _ = wire::report(channel, &Report::Ended { member, end: MemberEnd::Exited(end) }, &[]);
        }
    }
}
