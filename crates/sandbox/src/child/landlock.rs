//! Landlock: what files may be used for, and no signals or abstract sockets beyond the environment.
//!
//! A second lock behind the read-only root: it holds even if a mount were writable. Where programs are listed it is what
//! holds the list: names can change after the supervisor has looked, files cannot be swapped under a rule. It cannot
//! restrict UDP; the empty network namespace does.

use std::{
    ffi::{CStr, OsStr},
    fs::OpenOptions,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::Path,
};

use super::executables;
use crate::{spec::ExecPolicy, sys};

/// The version the kernel offers; an error if it has no Landlock or it is switched off.
pub(crate) fn version() -> io::Result<libc::c_long> {
    // SAFETY: asks for the version: a null pointer and size zero are what the interface demands.
    sys::check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<Ruleset>(),
            0,
            CREATE_RULESET_VERSION,
        )
    })
}

/// Rules for the root we stand in, the runtime's program and its companions; an open ruleset to be enforced by `restrict`.
pub(super) fn rules(policy: &ExecPolicy, runtime: &CStr, companions: &[String]) -> io::Result<OwnedFd> {
    let version = version()?;
    let handled = match version {
        ..=1 => FS_VERSION_1,
        2 => FS_VERSION_1 | REFER,
        3 | 4 => FS_VERSION_1 | REFER | TRUNCATE,
        _ => FS_VERSION_1 | REFER | TRUNCATE | IOCTL_DEVICE,
    };
    let size = match version {
        ..=3 => 8,
        4 | 5 => 16,
        _ => std::mem::size_of::<Ruleset>(),
    };
    let attributes = Ruleset { files: handled, network: 0, scopes: SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL };
    // SAFETY: the struct outlives the call and at least `size` of its bytes are initialised.
    let raw = sys::check(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attributes, size, 0)
    })?;
    let raw = RawFd::try_from(raw).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the call just returned this descriptor.
    let ruleset = unsafe { OwnedFd::from_raw_fd(raw) };
    let everywhere = if let ExecPolicy::List(listed) = policy {
        let runtime = Path::new(OsStr::from_bytes(runtime.to_bytes()));
        // A companion is started once; that it is not started again is the supervisor's judgement, as with the runtime.
        let listed: Vec<String> = listed.iter().chain(companions).cloned().collect();
        for file in executables::with_interpreters(runtime, &listed) {
            allow(&ruleset, &file, handled & EXECUTE)?;
        }
        0
    } else {
        EXECUTE
    };
    allow(&ruleset, Path::new("/"), handled & (READ_FILE | READ_FOLDER | everywhere))?;
    allow(&ruleset, Path::new("/dev"), handled & (READ_FILE | WRITE_FILE | IOCTL_DEVICE))?;
    let in_tmp = if policy.is_closed() { 0 } else { EXECUTE };
    allow(&ruleset, Path::new("/tmp"), handled & (WRITABLE | in_tmp))?;
    Ok(ruleset)
}

/// Confines this process. Needs no_new_privs.
pub(super) fn restrict(ruleset: &OwnedFd) -> io::Result<()> {
    // SAFETY: an open descriptor and integers.
    sys::check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) }).map(drop)
}

fn allow(ruleset: &OwnedFd, path: &Path, access: u64) -> io::Result<()> {
    let folder = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path)?;
    let rule = PathBeneath { access, folder: folder.as_raw_fd() };
    // SAFETY: the struct outlives the call and has the layout of `landlock_path_beneath_attr`.
    sys::check(unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), RULE_PATH_BENEATH, &raw const rule, 0)
    })
    .map(drop)
}

#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    access: u64,
    folder: RawFd,
}

const CREATE_RULESET_VERSION: libc::c_uint = 1;
const RULE_PATH_BENEATH: libc::c_uint = 1;
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_FOLDER: u64 = 1 << 3;
const MAKE_CHARACTER_DEVICE: u64 = 1 << 6;
const MAKE_BLOCK_DEVICE: u64 = 1 << 11;
const FS_VERSION_1: u64 = (1 << 13) - 1;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEVICE: u64 = 1 << 15;
/// Everything but executing and making devices.
const WRITABLE: u64 =
    (FS_VERSION_1 | REFER | TRUNCATE) & !(EXECUTE | MAKE_CHARACTER_DEVICE | MAKE_BLOCK_DEVICE);
const SCOPE_ABSTRACT_SOCKET: u64 = 1;
const SCOPE_SIGNAL: u64 = 2;
