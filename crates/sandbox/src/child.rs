//! The child between clone3 and execve: takes every right away from itself, then becomes the runtime.
//!
//! ```text
//! cloned → cgroups → network → (wait for maps) → user → root → limits → capabilities
//!        → no_new_privs → landlock → filter → hand over → execve
//! ```
//! Where there are companions, it stays as it is after the filter and starts them and the runtime (see `members`).
//! Each step is fatal when it fails and is reported by name. Nothing here is undone: the process just ends.

mod bpf;
mod executables;
mod identity;
pub(crate) mod landlock;
mod limits;
mod members;
#[cfg(all(test, target_arch = "x86_64"))]
mod minimality;
mod mounts;
pub(crate) mod network;
mod seccomp;
mod syscalls;

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

use crate::{
    error::{Failure, Step, at},
    spec::ExecPolicy,
    sys,
    wire::{self, Report, Start},
};

/// What the child was given.
pub(crate) struct ChildDescriptors {
    /// To the supervisor.
    pub(crate) channel: OwnedFd,
    /// One byte says: maps are written.
    pub(crate) go: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) code: Option<OwnedFd>,
    pub(crate) layers: Option<OwnedFd>,
    /// Control groups of the old interface, still to be joined.
    pub(crate) tasks: Vec<OwnedFd>,
    /// The supervisor's, in a network namespace that was made ahead; none: the namespace is new and empty.
    pub(crate) sockets: Vec<OwnedFd>,
}

/// Runs the child to its end: the runtime, or a report of the step that failed.
pub(crate) fn run(start: &Start, fds: ChildDescriptors) -> ! {
    let channel = fds.channel.as_raw_fd();
    let Err(failure) = become_runtime(start, fds);
    // SAFETY: the channel was kept open by `become_runtime`, whose values are never dropped before this point.
    let channel = unsafe { std::os::fd::BorrowedFd::borrow_raw(channel) };
    let _ = wire::report(channel, &Report::Failed(failure), &[]);
    sys::exit_now(FAILED)
}

enum Never {}

fn become_runtime(start: &Start, fds: ChildDescriptors) -> Result<Never, Failure> {
    // Forgotten on purpose: this process ends by execve or _exit, and descriptors must stay open until then.
    let fds = std::mem::ManuallyDrop::new(fds);
    close_descriptors(&fds).map_err(at(Step::CloseDescriptors))?;
    identity::reset_signals();
    limits::reset_priority().map_err(at(Step::Priority))?;
    join_groups(&fds).map_err(at(Step::JoinCgroup))?;
    own_network(start, &fds)?;
    set_hostname(&start.hostname).map_err(at(Step::HostName))?;
    wait_for_go(&fds);
    sys::unshare(libc::CLONE_NEWCGROUP).map_err(at(Step::UnshareCgroup))?;
    identity::set_user().map_err(at(Step::SetUser))?;
    identity::die_with_parent().map_err(at(Step::DeathSignal))?;
    mounts::enter(start, &fds)?;
    streams(&fds).map_err(at(Step::Streams))?;
    // SAFETY: no pointers.
    sys::check(libc::c_long::from(unsafe { libc::setsid() })).map_err(at(Step::Session))?;
    limits::set(start).map_err(at(Step::ResourceLimits))?;
    let tmp = open_folder("/tmp").map_err(at(Step::HandOver))?;
    let program = seccomp::program_without(&start.exec_policy, hidden(start));
    let runtime = strings(start).map_err(at(Step::Execute))?;
    identity::drop_capabilities().map_err(at(Step::DropCapabilities))?;
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(at(Step::NoNewPrivileges))?;
    let rules = landlock::rules(&start.exec_policy, &runtime.0, &start.companions)
        .map_err(at(Step::LandlockRules))?;
    landlock::restrict(&rules).map_err(at(Step::LandlockRestrict))?;
    let domains = members::domains(start, &runtime.0).map_err(at(Step::LandlockRules))?;
    let listener = seccomp::load_with_listener(&program).map_err(at(Step::SystemCallFilter))?;
    if !start.companions.is_empty() {
        return members::look_after(start, &fds, (&tmp, listener), (&runtime, &domains));
    }
    let handed = [tmp.as_raw_fd(), listener.as_raw_fd()];
    wire::report(fds.channel.as_fd(), &Report::Supervised, &handed).map_err(at(Step::HandOver))?;
    // INVARIANT: the listener is closed by execve (close-on-exec), so nobody inside can answer for the supervisor.
    let (path, argv, env) = runtime;
    execute(&path, &argv, &env)
}

/// For the probe: the environment's user.
pub(crate) fn set_user() -> io::Result<()> {
    identity::set_user()
}

/// For the probe: every capability dropped.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    identity::drop_capabilities()
}

/// For the probe: the limit on processes.
pub(crate) fn try_process_limit() -> io::Result<()> {
    limits::try_processes()
}

/// For the probe: the limit on descriptors.
pub(crate) fn try_descriptor_limit() -> io::Result<()> {
    limits::try_descriptors()
}

/// Calls that do not exist where memory is counted by looking at processes: what they take belongs to none.
fn hidden(start: &Start) -> &'static [libc::c_long] {
    if start.roles.memory { &[libc::SYS_memfd_create] } else { &[] }
}

/// For the probe: the real rules, enforced.
pub(crate) fn try_landlock() -> io::Result<()> {
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    landlock::restrict(&landlock::rules(&ExecPolicy::Deny, c"/", &[])?)
}

/// For the probe: the real filter, loaded.
pub(crate) fn try_filter() -> io::Result<()> {
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    seccomp::load_with_listener(&seccomp::program(&ExecPolicy::Deny)).map(drop)
}

fn close_descriptors(fds: &ChildDescriptors) -> io::Result<()> {
    let mut keep = vec![&fds.channel, &fds.go, &fds.stdout, &fds.stderr];
    keep.extend(&fds.code);
    keep.extend(&fds.layers);
    keep.extend(&fds.tasks);
    keep.extend(&fds.sockets);
    let keep: Vec<_> = keep.into_iter().map(AsRawFd::as_raw_fd).collect();
    sys::close_all_from(3, &keep)
}

fn own_network(start: &Start, fds: &ChildDescriptors) -> Result<(), Failure> {
    // In a namespace that was made ahead all is there.
    let mut made = Vec::new();
    if fds.sockets.is_empty() {
        network::loopback_up().map_err(at(Step::Loopback))?;
        made = network::supervisors().map_err(at(Step::Listen))?;
        if start.way_out {
            made.extend(network::way_out().map_err(at(Step::Listen))?);
        }
    }
    let sockets = fds.sockets.iter().chain(&made);
    let handed: Vec<_> = sockets.map(AsRawFd::as_raw_fd).collect();
    wire::report(fds.channel.as_fd(), &Report::Listening, &handed).map_err(at(Step::HandOver))
}

fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: the bytes outlive the call and their number is passed.
    sys::check(libc::c_long::from(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })).map(drop)
}

/// Moves itself, before it has a user of its own: the files were opened by the supervisor, whose right counts.
fn join_groups(fds: &ChildDescriptors) -> io::Result<()> {
    for tasks in &fds.tasks {
        File::from(tasks.try_clone()?).write_all(b"0")?;
    }
    Ok(())
}

/// An end of file means that the spawner gave up, and it has reported why.
fn wait_for_go(fds: &ChildDescriptors) {
    let mut byte = [0];
    let told = fds.go.try_clone().and_then(|go| File::from(go).read_exact(&mut byte));
    if told.is_err() {
        sys::exit_now(FAILED);
    }
}

fn streams(fds: &ChildDescriptors) -> io::Result<()> {
    let null = File::open("/dev/null")?;
    sys::duplicate_onto(null.as_fd(), 0)?;
    sys::duplicate_onto(fds.stdout.as_fd(), 1)?;
    sys::duplicate_onto(fds.stderr.as_fd(), 2)
}

fn open_folder(path: &str) -> io::Result<File> {
    let flags = libc::O_DIRECTORY | libc::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

type Strings = (CString, Vec<CString>, Vec<CString>);

fn strings(start: &Start) -> io::Result<Strings> {
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    let c = |text: &str| CString::new(text).map_err(invalid);
    let argv = start.argv.iter().map(|text| c(text)).collect::<io::Result<Vec<_>>>()?;
    let env = variables(&start.env)?;
    let path = argv.first().cloned().ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    Ok((path, argv, env))
}

fn variables(env: &[(String, String)]) -> io::Result<Vec<CString>> {
    let text = |(name, value): &(String, String)| CString::new(format!("{name}={value}"));
    env.iter().map(|pair| text(pair).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))).collect()
}

fn execute(path: &CString, argv: &[CString], env: &[CString]) -> Result<Never, Failure> {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, variables) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with a null pointer and point at strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    Err(Failure::about(Step::Execute, &io::Error::last_os_error(), path.to_string_lossy()))
}

/// Exit code of a child that never became the runtime; the report says why.
const FAILED: libc::c_int = 125;
