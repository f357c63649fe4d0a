//! Leaves something for the next request wherever a process can leave something, and looks for what an earlier one left; see
//! planting.py.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::{
        fd::AsRawFd,
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    path::Path,
    process::exit,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

mod runtime;
use runtime::{member, serve};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
/// A name, what leaves it, and what tells whether it is there.
type Way = (&'static str, fn() -> Outcome<()>, fn() -> bool);

unsafe extern "C" {
    fn fork() -> i32;
    fn setsid() -> i32;
    fn pause() -> i32;
    fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
    fn dup2(from: i32, to: i32) -> i32;
    fn umask(mask: u32) -> u32;
    fn nice(by: i32) -> i32;
    fn alarm(seconds: u32) -> u32;
    fn signal(number: i32, handler: usize) -> usize;
    fn sigprocmask(how: i32, set: *const u64, before: *mut u64) -> i32;
    fn getrlimit(which: i32, limits: *mut u64) -> i32;
    fn setrlimit(which: i32, limits: *const u64) -> i32;
    fn _exit(code: i32) -> !;
}

/// Ignores a signal.
const IGNORED: usize = 1;
const SIGUSR1: u32 = 10;
const SIGUSR2: i32 = 12;
const FILES: i32 = 7;

static SECRET: Mutex<String> = Mutex::new(String::new());
static LISTENERS: Mutex<Vec<Box<dyn Send>>> = Mutex::new(Vec::new());

fn locked<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a call answers says nothing here: whether something was left is looked at.
fn done<T>(_: T) -> Outcome<()> {
    Ok(())
}

fn kept(listener: impl Send + 'static) -> Outcome<()> {
    locked(&LISTENERS).push(Box::new(listener));
    Ok(())
}

fn abstract_name() -> std::io::Result<SocketAddr> {
    SocketAddr::from_abstract_name("planted")
}

/// The signals that are held back, with one more if it is given.
fn held_back(more: u64) -> u64 {
    // As many words as the C library's set has.
    let (set, mut before) = ([more, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0_u64; 16]);
    unsafe { sigprocmask(0, set.as_ptr(), before.as_mut_ptr()) };
    before[0]
}

fn ignored() -> bool {
    let before = unsafe { signal(SIGUSR2, 0) };
    unsafe { signal(SIGUSR2, before) };
    before == IGNORED
}

fn rings() -> bool {
    let left = unsafe { alarm(0) };
    unsafe { alarm(left) };
    left > 0
}

fn mask() -> u32 {
    let now = unsafe { umask(0) };
    unsafe { umask(now) };
    now
}

/// How many files may be open: now, and at most.
fn limits() -> [u64; 2] {
    let mut limits = [0; 2];
    unsafe { getrlimit(FILES, limits.as_mut_ptr()) };
    limits
}

/// A process whose parent has ended.
fn another_process() -> Outcome<()> {
    let pid = unsafe { fork() };
    if pid == 0 {
        unsafe { setsid() };
        if unsafe { fork() } == 0 {
            loop {
                unsafe { pause() };
            }
        }
        unsafe { _exit(0) }
    }
    unsafe { waitpid(pid, std::ptr::null_mut(), 0) };
    Ok(())
}

/// Processes besides the runtime's own that still run.
fn left_over() -> bool {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let states = numbers.filter(|number| ![1, std::process::id()].contains(number)).filter_map(|number| {
        let said = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        said.rsplit_once(") ")?.1.chars().next()
    });
    states.into_iter().any(|state| !matches!(state, 'Z' | 'X'))
}

const WAYS: &[Way] = &[
    ("global", || Ok(locked(&SECRET).push_str("planted")), || *locked(&SECRET) == "planted"),
    ("environment", || Ok(unsafe { std::env::set_var("PLANTED", "1") }), || {
        std::env::vars_os().any(|(name, _)| name == "PLANTED")
    }),
    ("working directory", || Ok(std::env::set_current_dir("/tmp")?), || {
        std::env::current_dir().is_ok_and(|folder| folder == Path::new("/tmp"))
    }),
    ("umask", || done(unsafe { umask(0o007) }), || mask() == 0o007),
    ("priority", || done(unsafe { nice(3) }), || unsafe { nice(0) } != 0),
    ("limit", || done(unsafe { setrlimit(FILES, [500, limits()[1]].as_ptr()) }), || limits()[0] == 500),
    ("signal handler", || done(unsafe { signal(SIGUSR2, IGNORED) }), ignored),
    ("signal mask", || done(held_back(1 << (SIGUSR1 - 1))), || held_back(0) & 1 << (SIGUSR1 - 1) != 0),
    ("timer", || done(unsafe { alarm(500) }), rings),
    ("file in /tmp", || Ok(fs::write("/tmp/file", "planted")?), || Path::new("/tmp/file").exists()),
    ("link in /tmp", || Ok(std::os::unix::fs::symlink("/var/task", "/tmp/link")?), || Path::new("/tmp/link").is_symlink()),
    ("rights of /tmp", || Ok(fs::set_permissions("/tmp", fs::Permissions::from_mode(0o777))?), || {
        fs::metadata("/tmp").is_ok_and(|tmp| tmp.permissions().mode() & 0o7777 != 0o1777)
    }),
    ("open file", || done(unsafe { dup2(fs::File::open("/var/task/bootstrap")?.as_raw_fd(), 77) }), || {
        Path::new("/proc/self/fd/77").is_symlink()
    }),
    ("port", || kept(TcpListener::bind("127.0.0.1:7777")?), || TcpStream::connect("127.0.0.1:7777").is_ok()),
    ("abstract socket", || kept(UnixListener::bind_addr(&abstract_name()?)?), || {
        abstract_name().is_ok_and(|name| UnixStream::connect_addr(&name).is_ok())
    }),
    ("socket in /tmp", || kept(UnixListener::bind("/tmp/socket")?), || UnixStream::connect("/tmp/socket").is_ok()),
    ("thread", || done(std::thread::spawn(|| std::thread::sleep(Duration::from_secs(600)))), || {
        fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1)
    }),
    ("process", another_process, left_over),
];

fn answer(event: &str) -> String {
    let wanted = member(event, "do");
    for (name, leave, _) in WAYS.iter().filter(|_| wanted != "look") {
        if let Err(error) = leave() {
            return format!("{:?}", format!("{name}: {error}"));
        }
    }
    match wanted.as_str() {
        "crash" => exit(3),
        "hang" => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
    // After planting, too: what is not there at once would not be missed later.
    let found = WAYS.iter().filter(|(_, _, there)| there()).map(|(name, ..)| *name).collect::<Vec<_>>();
    assert!(wanted == "look" || found.len() == WAYS.len(), "only {found:?}");
    format!("{found:?}")
}

fn main() -> Outcome<()> {
    serve(false, answer)
}
