//! Thin wrappers over the system calls this crate needs: each turns −1 into `io::Error` and owns what it opens.
//!
//! Knows nothing of environments. All of them allocate at most a C string, and none takes a lock.

pub(crate) mod socket;

use std::{
    ffi::{CStr, CString},
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use tokio::io::unix::AsyncFd;

use crate::spec::ExitStatus;

/// `−1` means `errno`, anything else is the value.
pub(crate) fn check(value: libc::c_long) -> io::Result<libc::c_long> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

fn check_int(value: libc::c_int) -> io::Result<libc::c_int> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

fn owned(value: libc::c_long) -> io::Result<OwnedFd> {
    let raw = RawFd::try_from(check(value)?).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the call just returned this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// A path for the kernel.
pub(crate) fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Which side of `clone3` we are on.
pub(crate) enum Cloned {
    Child,
    Parent { pid: libc::pid_t, pidfd: OwnedFd },
}

/// clone3 like fork (own copy of the memory) with namespaces; into a v2 cgroup if one is given.
///
/// INVARIANT: the caller has one thread, so that the child's allocator and locks are whole.
pub(crate) fn clone3(namespaces: libc::c_int, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let mut flags = u64::from(namespaces.cast_unsigned()) | CLONE_PIDFD;
    // SAFETY: all-zero bytes are a valid `clone_args`, a struct of integers.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    if let Some(cgroup) = cgroup {
        flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or(0);
    }
    arguments.flags = flags;
    arguments.pidfd = (&raw mut pidfd) as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: the struct outlives the call, its size is passed, and without CLONE_VM the child has its own stack.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, std::mem::size_of::<libc::clone_args>())
    };
    match check(pid)? {
        0 => Ok(Cloned::Child),
        pid => Ok(Cloned::Parent {
            pid: libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ERANGE))?,
            pidfd: owned(libc::c_long::from(pidfd))?,
        }),
    }
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// clone like fork, with a descriptor of the new process, also where a filter answers clone3 with ENOSYS.
///
/// INVARIANT: as for [`clone3`].
pub(crate) fn clone_process() -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let flags = CLONE_PIDFD | u64::from(libc::SIGCHLD.cast_unsigned());
    let none = 0_u64;
    // SAFETY: without CLONE_VM the child has its own stack; the integer outlives the call, which writes it in the parent
    // only. Its place among the arguments is the same on every architecture.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, &raw mut pidfd, none, none) };
    match check(pid)? {
        0 => Ok(Cloned::Child),
        pid => Ok(Cloned::Parent {
            pid: libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ERANGE))?,
            pidfd: owned(libc::c_long::from(pidfd))?,
        }),
    }
}

/// Waits for the end of any child.
pub(crate) fn wait_for_any() -> io::Result<(libc::pid_t, ExitStatus)> {
    let mut raw: libc::c_int = 0;
    // SAFETY: the integer outlives the call.
    let pid = check_int(unsafe { libc::waitpid(-1, &raw mut raw, 0) })?;
    let status = if libc::WIFEXITED(raw) {
        ExitStatus::Code(libc::WEXITSTATUS(raw))
    } else {
        ExitStatus::Signal(libc::WTERMSIG(raw))
    };
    Ok((pid, status))
}

/// A table of a process's. Names in it are the process's own to choose, and the kernel writes them as they are: they need not be UTF-8,
/// and nothing else in these tables is anything but ASCII.
pub(crate) fn process_table(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

/// What a process or a thread is doing, by the letter in its `stat`, whose path this is.
pub(crate) fn state(path: impl AsRef<Path>) -> Option<char> {
    // The name, in parentheses, may hold anything.
    process_table(path).ok()?.rsplit_once(") ")?.1.chars().next()
}

/// The process behind a descriptor, as `/proc` of this process numbers it.
pub(crate) fn pid_of(pidfd: BorrowedFd<'_>) -> io::Result<u32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    number.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}

/// fork, for the spawner itself.
pub(crate) fn fork() -> io::Result<libc::pid_t> {
    // SAFETY: glibc's fork leaves the allocator usable in the child; the child uses no other lock (see `spawner`).
    check_int(unsafe { libc::fork() })
}

/// unshare.
pub(crate) fn unshare(namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: no pointers.
    check_int(unsafe { libc::unshare(namespaces) }).map(drop)
}

/// mount with C strings; `None` is a null pointer.
pub(crate) fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: every pointer is null or a NUL-terminated string that outlives the call.
    check_int(unsafe {
        libc::mount(pointer(source), target.as_ptr(), pointer(kind), flags, pointer(data).cast())
    })
    .map(drop)
}

/// Detaches a mount now, frees it when unused.
pub(crate) fn detach(target: &CStr) -> io::Result<()> {
    // SAFETY: a NUL-terminated string that outlives the call.
    check_int(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// Makes the working directory the root; the old root is stacked over it afterwards.
pub(crate) fn pivot_root_here() -> io::Result<()> {
    let here = c".";
    // SAFETY: two NUL-terminated strings.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, here.as_ptr(), here.as_ptr()) }).map(drop)
}

/// A detached copy of the mount at `path`, to be attached elsewhere.
pub(crate) fn open_tree(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let recursive = if recursive { libc::AT_RECURSIVE.cast_unsigned() } else { 0 };
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned() | recursive;
    // SAFETY: a NUL-terminated string and integers.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

const OPEN_TREE_CLONE: libc::c_uint = 1;

/// Attaches a detached mount at `target`.
pub(crate) fn move_mount(tree: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    let target = c_path(target)?;
    // SAFETY: NUL-terminated strings, an open descriptor, integers.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;

/// Sets attributes (`MOUNT_ATTR_*`) of a mount, and of those below it if `recursive`.
pub(crate) fn mount_attributes(tree: BorrowedFd<'_>, set: u64, recursive: bool) -> io::Result<()> {
    let recursive = if recursive { libc::AT_RECURSIVE } else { 0 };
    let attributes = [set, 0, 0, 0_u64]; // struct mount_attr: set, clear, propagation, userns_fd
    // SAFETY: a NUL-terminated string and a `mount_attr` whose size is passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            attributes.as_ptr(),
            std::mem::size_of_val(&attributes),
        )
    })
    .map(drop)
}

/// prctl with one argument.
pub(crate) fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: only options that take integers are passed in this crate.
    check_int(unsafe { libc::prctl(option, argument, 0, 0, 0) })
}

/// A signal to exactly this process, whatever its number is reused for.
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: an open descriptor, integers, and a null siginfo, which is allowed.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })
    .map(drop)
}

/// A connected pair of packet sockets.
pub(crate) fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut pair: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for two descriptors.
    check_int(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) })?;
    let [one, other] = pair;
    // SAFETY: the call just returned both, nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(one), OwnedFd::from_raw_fd(other)) })
}

/// A pipe: (read end, write end).
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut pair: [RawFd; 2] = [-1; 2];
    // SAFETY: the array has room for two descriptors.
    check_int(unsafe { libc::pipe2(pair.as_mut_ptr(), libc::O_CLOEXEC) })?;
    let [read, write] = pair;
    // SAFETY: the call just returned both, nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(read), OwnedFd::from_raw_fd(write)) })
}

/// An anonymous file in memory.
pub(crate) fn memory_file(name: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: a NUL-terminated string.
    owned(libc::c_long::from(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) }))
}

/// An anonymous file in memory that can be sealed and executed.
pub(crate) fn executable_memory_file(name: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: a NUL-terminated string.
    let made = |flags| owned(libc::c_long::from(unsafe { libc::memfd_create(name.as_ptr(), flags) }));
    made(flags | MFD_EXEC).or_else(|error| match error.raw_os_error() {
        // A kernel before 6.3, where all of them can be executed.
        Some(libc::EINVAL) => made(flags),
        _ => Err(error),
    })
}

/// `linux/memfd.h`, since 6.3.
const MFD_EXEC: libc::c_uint = 0x10;

/// From now on nobody can change the file, nor these seals.
pub(crate) fn seal(file: BorrowedFd<'_>) -> io::Result<()> {
    let add = |seals: libc::c_int| {
        // SAFETY: an open descriptor and integers.
        check_int(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
    };
    add(SEALS | F_SEAL_EXEC).or_else(|error| match error.raw_os_error() {
        Some(libc::EINVAL) => add(SEALS),
        _ => Err(error),
    })
}

/// Content, length and the seals themselves.
const SEALS: libc::c_int = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
/// `linux/fcntl.h`, since 6.3: whether it can be executed.
const F_SEAL_EXEC: libc::c_int = 0x20;

/// A handle for a child that nobody has waited for.
pub(crate) fn pidfd_of_child(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: integers only.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// A handle for a process whose number cannot have passed to another.
pub(crate) fn pidfd(pid: libc::pid_t) -> io::Result<OwnedFd> {
    pidfd_of_child(pid.cast_unsigned())
}

/// Whether this number is an open packet socket.
pub(crate) fn is_packet_socket(fd: RawFd) -> bool {
    let mut kind: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(std::mem::size_of_val(&kind)).unwrap_or(0);
    let (level, option) = (libc::SOL_SOCKET, libc::SO_TYPE);
    // SAFETY: the integer and its length outlive the call; a number that is no socket is an error.
    let asked = unsafe { libc::getsockopt(fd, level, option, (&raw mut kind).cast(), &raw mut length) };
    asked == 0 && kind == libc::SOCK_SEQPACKET
}

/// Every descriptor from `first` on ends with the next execve.
pub(crate) fn close_on_exec_from(first: libc::c_uint) -> io::Result<()> {
    // SAFETY: integers only; nothing is closed now.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) })
        .map(drop)
}

const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;

/// This one stays open.
pub(crate) fn keep_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: integers only.
    check_int(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }).map(drop)
}

/// A non-blocking event counter.
pub(crate) fn event_counter() -> io::Result<OwnedFd> {
    // SAFETY: integers only.
    owned(libc::c_long::from(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }))
}

/// Bytes used on the file system a descriptor belongs to.
pub(crate) fn used_bytes(fd: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: all-zero bytes are a valid statfs.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor; the struct outlives the call.
    check_int(unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut found) })?;
    let block = u64::try_from(found.f_bsize).unwrap_or(0);
    Ok(found.f_blocks.saturating_sub(found.f_bfree).saturating_mul(block))
}

/// Whether its file system has room for so many bytes, and for another file.
pub(crate) fn has_room(fd: BorrowedFd<'_>, bytes: u64) -> io::Result<bool> {
    // SAFETY: all-zero bytes are a valid statfs.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor; the struct outlives the call.
    check_int(unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut found) })?;
    let block = u64::try_from(found.f_bsize).unwrap_or(0);
    // A file system that does not count its files says that it may have none.
    let files = found.f_files == 0 || found.f_ffree > 0;
    Ok(files && found.f_bfree.saturating_mul(block) >= bytes)
}

/// `O_NONBLOCK` on.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: an open descriptor and integers.
    let flags = check_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: as above.
    check_int(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}

/// A value whose descriptor stays the same and open until the value is dropped.
///
/// # Safety
/// Just that: the reactor would otherwise watch whatever takes the descriptor's number next.
pub(crate) unsafe trait KeepsDescriptor: AsRawFd {}

// SAFETY: that is what it is for.
unsafe impl KeepsDescriptor for OwnedFd {}

/// Registers a descriptor with the reactor of the current runtime.
pub(crate) fn watch<T: KeepsDescriptor>(value: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: the trait's promise is what is demanded.
    unsafe { AsyncFd::register(value) }.map_err(io::Error::from)
}

/// Makes `to` a copy of `from`, without close-on-exec.
pub(crate) fn duplicate_onto(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    // SAFETY: integers; whoever owned `to` is the caller's concern (only 0, 1, 2 are passed).
    check_int(unsafe { libc::dup2(from.as_raw_fd(), to) }).map(drop)
}

/// Closes every descriptor from `first` on except those in `keep`.
pub(crate) fn close_all_from(first: libc::c_uint, keep: &[RawFd]) -> io::Result<()> {
    let mut kept: Vec<libc::c_uint> = keep.iter().filter_map(|fd| libc::c_uint::try_from(*fd).ok()).collect();
    kept.sort_unstable();
    kept.dedup();
    let mut from = first;
    for fd in kept.into_iter().filter(|fd| *fd >= first) {
        if fd > from {
            close_range(from, fd - 1)?;
        }
        from = fd + 1;
    }
    close_range(from, libc::c_uint::MAX)
}

fn close_range(first: libc::c_uint, last: libc::c_uint) -> io::Result<()> {
    // SAFETY: integers. Rust owners of closed descriptors are leaked or forgotten by the callers, which never return.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Ends the process without running any exit handler of the parent's copy.
pub(crate) fn exit_now(code: libc::c_int) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

/// The number of this process.
pub(crate) fn own_pid() -> libc::pid_t {
    // SAFETY: always succeeds.
    unsafe { libc::getpid() }
}
