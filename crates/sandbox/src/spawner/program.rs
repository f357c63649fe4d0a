//! The program of the spawner: the server's own, copied into memory and sealed, so that it stays what it was at the start.
//!
//! Executing the copy leaves everything of the server behind: its memory, its variables, its descriptors. Who writes over
//! the server's file changes nothing, and who opens `/proc/PID/exe` of a spawner or of a child that has not yet become its
//! runtime (the known way out of containers) gets a file that the kernel lets nobody change.

use std::{
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{elf, sys};

/// A sealed copy of the program of this process.
#[derive(Debug)]
pub(crate) struct Program {
    file: File,
}

impl Program {
    /// Copies `/proc/self/exe`, which is the file that runs, whatever lies at its path now.
    pub(super) fn of_this_process() -> io::Result<Self> {
        if !ENTERED.load(Ordering::Relaxed) {
            // It would run as another server instead, and start another copy in its turn.
            return Err(io::Error::other("the program's main does not begin with spawner::enter"));
        }
        let mut own = File::open("/proc/self/exe")?;
        // What lies behind is for debuggers and as large again; the kernel and the loader never look at it.
        let loaded = elf::loaded_bytes(&own)?;
        let mut copy = File::from(sys::executable_memory_file(c"casemate-spawner")?);
        if io::copy(&mut Read::by_ref(&mut own).take(loaded), &mut copy)? != loaded {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        sys::seal(copy.as_fd())?;
        // One that cannot write, beside the seals.
        let file = File::open(format!("/proc/self/fd/{}", copy.as_raw_fd()))?;
        Ok(Self { file })
    }

    /// Starts a spawner that takes its requests from the socket. It dies with this thread if `with_thread`.
    ///
    /// Safe in a process with threads: between fork and execve there are only system calls.
    pub(super) fn execute(&self, requests: &OwnedFd, with_thread: bool) -> io::Result<u32> {
        let socket = requests.as_raw_fd();
        let mut command = Command::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        command
            .arg0(NAME)
            .args([sys::own_pid().to_string(), socket.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let prepare = move || {
            if with_thread {
                let killed = libc::c_ulong::from(libc::SIGKILL.cast_unsigned());
                sys::prctl(libc::PR_SET_PDEATHSIG, killed)?;
            }
            sys::close_on_exec_from(3)?;
            sys::keep_on_exec(socket)
        };
        // SAFETY: the closure makes system calls and nothing else.
        unsafe { command.pre_exec(prepare) };
        command.spawn().map(|child| child.id())
    }
}

/// What a process that was started as the spawner was given: its parent's number and its socket.
pub(super) fn given() -> Option<io::Result<(libc::pid_t, OwnedFd)>> {
    let mut arguments = std::env::args_os();
    if arguments.next().is_none_or(|name| name != NAME) {
        ENTERED.store(true, Ordering::Relaxed);
        return None;
    }
    let mut number = || arguments.next()?.to_str()?.parse::<RawFd>().ok();
    let (Some(parent), Some(socket)) = (number(), number()) else {
        return Some(Err(io::Error::from(io::ErrorKind::InvalidInput)));
    };
    if socket < 3 || !sys::is_packet_socket(socket) {
        return Some(Err(io::Error::from_raw_os_error(libc::ENOTSOCK)));
    }
    // SAFETY: it is open (just asked), and this is the first thing the program does: nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    Some(Ok((parent, socket)))
}

/// Whether `main` of this program began with `spawner::enter`.
static ENTERED: AtomicBool = AtomicBool::new(false);
/// The spawner's `argv[0]`, which tells it from the server's commands.
const NAME: &str = "casemate-spawner";
