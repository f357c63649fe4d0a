//! The spawner: a small process with one thread that makes environments, from a sealed copy of the server's program.
//!
//! ```text
//! supervisor ──requests──▶ spawner ──clone3──▶ child = environment
//!      ▲                                          │
//!      └───────── reports, listeners, exit ───────┘   (a channel per request)
//! ```
//! It holds no state but the runtime roots and the processes to reap. When the supervisor goes, however it goes,
//! the spawner kills every environment and ends; when the spawner is killed, the environments die by death signal, and
//! the driver starts another.

pub(crate) mod identity_range;
mod late;
mod launch;
mod networks;
mod probe;
mod program;
pub(crate) mod stage;

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

pub(crate) use launch::reap;

use crate::{
    error::{Failure, SpawnerError, Step},
    host,
    spawner::{
        identity_range::IdentityRange,
        launch::{LaunchDescriptors, Launched},
        networks::Networks,
        program::Program,
    },
    spec::ExitStatus,
    sys,
    wire::{self, Report, Request},
    wiring::START_TIMEOUT,
};

/// The supervisor's end of the spawner. Dropping it ends the spawner and every environment.
#[derive(Debug)]
pub struct Spawner {
    pub(crate) requests: OwnedFd,
    pub(crate) process: OwnedFd,
    pub(crate) pid: u32,
    pub(crate) origin: Origin,
    /// How long each step of a start may take.
    pub(crate) patience: Duration,
}

/// What a spawner was made from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A sealed copy of this program, from which another can be started.
    Sealed(Sealed),
    /// A fork of this process, for programs that are not servers.
    Fork,
}

/// A sealed copy of this program, from which spawners are started.
#[derive(Clone, Debug)]
pub(crate) struct Sealed(Arc<Program>);

impl Spawner {
    /// The same with another limit for each step of a start: where somebody else sets a limit for the whole, and ends everything
    /// at its end, a shorter one here would only end what that one allows.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Its process id, for start-up messages.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

/// Begins `main` of a program that uses [`start_sealed`], before threads, configuration and secrets: in a process that was
/// started to be the spawner it does that work and never returns.
pub fn enter() {
    let Some(given) = program::given() else { return };
    let Ok((parent, requests)) = given else { sys::exit_now(1) };
    let served = std::panic::catch_unwind(|| {
        // SAFETY: no pointers; always succeeds. The server may have gone before the death signal was set.
        if unsafe { libc::getppid() } != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        serve(&requests)
    });
    sys::exit_now(i32::from(!matches!(served, Ok(Ok(())))));
}

/// Copies this program, seals the copy and starts a spawner from it. `main` must have begun with [`enter`].
///
/// A host on which such a copy cannot be executed (`vm.memfd_noexec = 2`) has no spawner: there is no weaker way.
pub fn start_sealed() -> Result<Spawner, SpawnerError> {
    let fail = |step| move |source| SpawnerError { step, source };
    let program = Program::of_this_process().map_err(fail("sealed copy of the program"))?;
    Sealed(Arc::new(program)).start(is_main_thread()).map_err(fail("start from the sealed copy"))
}

impl Sealed {
    /// Another spawner from the same copy. It dies with this thread if `with_thread`.
    pub(crate) fn start(&self, with_thread: bool) -> io::Result<Spawner> {
        let (requests, theirs) = sys::packet_pair()?;
        sys::set_nonblocking(requests.as_fd())?;
        let pid = self.0.execute(&theirs, with_thread)?;
        let process = sys::pidfd_of_child(pid)?;
        Ok(Spawner { requests, process, pid, origin: Origin::Sealed(self.clone()), patience: START_TIMEOUT })
    }
}

/// Forks the spawner from this process, for programs that are not servers: tests, measurements, the first process of a
/// machine. Call it before secrets are read: the fork has a copy of this process's memory, and when it is killed, there is
/// no other.
///
/// From a process that already has threads (tests) it works as well: the C library's fork leaves the allocator
/// whole, and the spawner uses nothing else that another thread could have locked.
pub fn start() -> Result<Spawner, SpawnerError> {
    let fail = |step| move |source| SpawnerError { step, source };
    let (ours, theirs) = sys::packet_pair().map_err(fail("socket pair"))?;
    sys::set_nonblocking(ours.as_fd()).map_err(fail("socket pair"))?;
    let (parent, from_main) = (sys::own_pid(), is_main_thread());
    let pid = sys::fork().map_err(fail("fork"))?;
    if pid == 0 {
        let served = std::panic::catch_unwind(|| {
            if from_main {
                die_with_the_server(parent)?;
            }
            serve(&theirs)
        });
        sys::exit_now(i32::from(!matches!(served, Ok(Ok(())))));
    }
    let pid = pid.cast_unsigned();
    let process = sys::pidfd_of_child(pid).map_err(fail("handle of the process"))?;
    Ok(Spawner { requests: ours, process, pid, origin: Origin::Fork, patience: START_TIMEOUT })
}

/// A death signal follows the *thread* that started a process; the main thread lives as long as the server.
fn is_main_thread() -> bool {
    // SAFETY: always succeeds.
    libc::c_long::from(sys::own_pid()) == unsafe { libc::syscall(libc::SYS_gettid) }
}

fn die_with_the_server(parent: libc::pid_t) -> io::Result<()> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(libc::SIGKILL.cast_unsigned()))?;
    // SAFETY: no pointers; always succeeds.
    if unsafe { libc::getppid() } != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
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

fn serve(requests: &OwnedFd) -> io::Result<()> {
    leave_the_server(requests)?;
    let range = identity_range::establish();
    let setup = Setup { stage: stage::enter(), range };
    let (mut running, mut networks): (Vec<Launched>, _) = (Vec::new(), Networks::default());
    loop {
        let mut polled: Vec<libc::pollfd> = Vec::with_capacity(running.len() + 1);
        polled.push(readable(requests.as_fd()));
        polled.extend(running.iter().map(|launched| readable(launched.pidfd.as_fd())));
        // What is made ahead is made when nobody waits, one at a time.
        if !wait(&mut polled, networks.is_short())? {
            networks.add();
            continue;
        }
        running.retain(|launched| !ended(launched));
        if polled.first().is_some_and(|requests| requests.revents != 0) {
            match wire::receive(requests.as_fd()) {
                Ok(Some((_, fds))) => running.extend(answer(fds, &setup, &mut networks)),
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
fn leave_the_server(requests: &OwnedFd) -> io::Result<()> {
    // SAFETY: no pointers; always succeeds.
    if unsafe { libc::geteuid() } == 0 {
        // An ordinary user's spawner must own the map files of its children in /proc, which this would give to root.
        sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    }
    // SAFETY: no pointers. An interrupt typed at the server's terminal must reach the server only.
    unsafe { libc::setsid() };
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: a valid signal and disposition. Who stops a whole service means the server, which lets requests finish first
        // and then lets go of this process; environments get every signal back.
        unsafe { libc::signal(number, libc::SIG_IGN) };
    }
    // Two for each environment.
    host::raise_descriptors()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    sys::duplicate_onto(null.as_fd(), 0)?;
    sys::duplicate_onto(null.as_fd(), 1)?;
    sys::duplicate_onto(null.as_fd(), 2)?;
    drop(null);
    sys::close_all_from(3, &[requests.as_raw_fd()])
}

/// Carries out one request; what was started comes back.
fn answer(fds: Vec<OwnedFd>, setup: &Setup, networks: &mut Networks) -> Option<Launched> {
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
            networks.want();
            launch::launch(&start, fds, (&range, networks))
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

/// Waits for one of them, or only looks; whether there is one.
fn wait(polled: &mut [libc::pollfd], only_look: bool) -> io::Result<bool> {
    let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
    // SAFETY: the slice outlives the call and its length is passed.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), count, if only_look { 0 } else { -1 }) };
    match sys::check(libc::c_long::from(ready)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        other => other.map(|ready| ready > 0),
    }
}
