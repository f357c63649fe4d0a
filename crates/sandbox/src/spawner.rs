//! The spawner: a small process with one thread that makes environments, forked before the server has threads.
//!
//! ```text
//! supervisor ──requests──▶ spawner ──clone3──▶ child = environment
//!      ▲                                          │
//!      └───────── reports, listeners, exit ───────┘   (a channel per request)
//! ```
//! It holds no state but the runtime roots and the processes to reap. When the supervisor goes, however it goes,
//! the spawner kills every environment and ends; when the spawner is killed, the environments die by death signal.

pub(crate) mod identity_range;
mod late;
mod launch;
mod probe;
pub(crate) mod stage;

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use crate::{
    error::{Failure, SpawnerError, Step},
    spawner::{
        identity_range::IdentityRange,
        launch::{LaunchDescriptors, Launched},
    },
    spec::ExitStatus,
    sys,
    wire::{self, Report, Request},
};

/// The supervisor's end of the spawner. Dropping it ends the spawner and every environment.
#[derive(Debug)]
pub struct Spawner {
    pub(crate) requests: OwnedFd,
    pid: u32,
}

impl Spawner {
    /// Its process id, for start-up messages.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

/// Forks the spawner. Call it first in `main`, before any thread exists and before secrets are read.
///
/// From a process that already has threads (tests) it works as well: the C library's fork leaves the allocator
/// whole, and the spawner uses nothing else that another thread could have locked.
pub fn start() -> Result<Spawner, SpawnerError> {
    let fail = |step| move |source| SpawnerError { step, source };
    let (ours, theirs) = sys::packet_pair().map_err(fail("socket pair"))?;
    sys::set_nonblocking(ours.as_fd()).map_err(fail("socket pair"))?;
    let parent = sys::own_pid();
    // SAFETY: always succeeds.
    let from_main = libc::c_long::from(parent) == unsafe { libc::syscall(libc::SYS_gettid) };
    let pid = sys::fork().map_err(fail("fork"))?;
    if pid == 0 {
        let served = std::panic::catch_unwind(|| serve(&theirs, parent, from_main));
        sys::exit_now(i32::from(!matches!(served, Ok(Ok(())))));
    }
    Ok(Spawner { requests: ours, pid: pid.cast_unsigned() })
}

/// What the spawner found out about itself at its start.
struct Setup {
    range: io::Result<IdentityRange>,
    stage: io::Result<()>,
}

impl Setup {
    fn check(&self) -> Result<IdentityRange, Failure> {
        let range = self.range.as_ref().map_err(|error| Failure::about(Step::UserMap, error, "spawner"))?;
        self.stage
            .as_ref()
            .map_err(|error| Failure::about(Step::BindRoot, error, "spawner's mount namespace"))?;
        Ok(*range)
    }
}

fn serve(requests: &OwnedFd, parent: libc::pid_t, from_main: bool) -> io::Result<()> {
    leave_the_server(requests, parent, from_main)?;
    let range = identity_range::establish();
    let setup = Setup { stage: stage::enter(), range };
    let mut running: Vec<Launched> = Vec::new();
    loop {
        let mut polled: Vec<libc::pollfd> = Vec::with_capacity(running.len() + 1);
        polled.push(readable(requests.as_fd()));
        polled.extend(running.iter().map(|launched| readable(launched.pidfd.as_fd())));
        wait(&mut polled)?;
        running.retain(|launched| !ended(launched));
        if polled.first().is_some_and(|requests| requests.revents != 0) {
            match wire::receive(requests.as_fd()) {
                Ok(Some((_, fds))) => running.extend(answer(fds, &setup)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
    for launched in &running {
        let _ = sys::pidfd_signal(launched.pidfd.as_fd(), libc::SIGKILL);
    }
    for launched in &running {
        let _ = launch::reap(launched.pidfd.as_fd(), 0);
    }
    Ok(())
}

/// Keeps nothing of the server: its terminal, its descriptors, its session.
fn leave_the_server(requests: &OwnedFd, parent: libc::pid_t, from_main: bool) -> io::Result<()> {
    if from_main {
        // The signal follows the forking *thread*; the main thread lives as long as the server.
        sys::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(libc::SIGKILL.cast_unsigned()))?;
    }
    // SAFETY: no pointers; always succeeds.
    if from_main && unsafe { libc::getppid() } != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: no pointers; always succeeds.
    if unsafe { libc::geteuid() } == 0 {
        // An ordinary user's spawner must own the map files of its children in /proc, which this would give to root.
        sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    }
    // SAFETY: no pointers. An interrupt typed at the server's terminal must reach the server only.
    unsafe { libc::setsid() };
    let null = File::options().read(true).write(true).open("/dev/null")?;
    sys::duplicate_onto(null.as_fd(), 0)?;
    sys::duplicate_onto(null.as_fd(), 1)?;
    sys::duplicate_onto(null.as_fd(), 2)?;
    drop(null);
    sys::close_all_from(3, &[requests.as_raw_fd()])
}

/// Carries out one request; what was started comes back.
fn answer(fds: Vec<OwnedFd>, setup: &Setup) -> Option<Launched> {
    let mut fds = fds.into_iter();
    let (payload, channel) = (fds.next()?, fds.next()?);
    let request = match wire::from_file::<Request>(payload) {
        Ok(request) => request,
        Err(error) => return tell(&channel, &Report::Failed(Failure::new(Step::Request, &error))),
    };
    let range = match setup.check() {
        Ok(range) => range,
        Err(failure) if !matches!(request, Request::Probe) => {
            return tell(&channel, &Report::Failed(failure));
        }
        Err(failure) => return tell(&channel, &Report::Probed(probe::without_setup(&failure))),
    };
    match request {
        Request::Prepare { name, plan } => match stage::assemble(&name, &plan) {
            Ok(()) => tell(&channel, &Report::Prepared),
            Err((path, error)) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                tell(&channel, &Report::RootFailed { path, errno })
            }
        },
        Request::Probe => tell(&channel, &Report::Probed(probe::layers(&range))),
        Request::Bind { code_dir, layers_dir } => {
            let process = fds.next()?;
            tell(&channel, &late::bind(&process, &code_dir, layers_dir.as_deref()))
        }
        Request::Start(start) => {
            let (exit, stdout, stderr) = (fds.next()?, fds.next()?, fds.next()?);
            let fds = LaunchDescriptors { channel, exit, stdout, stderr, cgroups: fds.collect() };
            launch::launch(&start, fds, &range)
        }
    }
}

fn tell(channel: &OwnedFd, report: &Report) -> Option<Launched> {
    let _ = wire::report(channel.as_fd(), report, &[]);
    None
}

/// Whether the process has ended; if so, its status has been passed on.
fn ended(launched: &Launched) -> bool {
    let status = match launch::reap(launched.pidfd.as_fd(), libc::WNOHANG) {
        Ok(None) => return false,
        Ok(Some(status)) => status,
        Err(_) => ExitStatus::Unknown,
    };
    if let (Ok(bytes), Ok(exit)) = (serde_json::to_vec(&status), launched.exit.try_clone()) {
        let _ = File::from(exit).write_all(&bytes);
    }
    true
}

fn readable(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

fn wait(polled: &mut [libc::pollfd]) -> io::Result<()> {
    let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
    // SAFETY: the slice outlives the call and its length is passed.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), count, -1) };
    match sys::check(libc::c_long::from(ready)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        other => other.map(drop),
    }
}
