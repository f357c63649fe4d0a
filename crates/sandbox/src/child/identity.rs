//! Becoming nobody: the environment's user, no capabilities, no way to regain any.

use std::io;

use crate::{
    runtime_root::{GROUP_ID, USER_ID},
    sys,
};

/// The user and group inside; on the host an id of the reserved range that owns nothing.
pub(super) fn set_user() -> io::Result<()> {
    // SAFETY: integers only.
    sys::check(unsafe { libc::syscall(libc::SYS_setresgid, GROUP_ID, GROUP_ID, GROUP_ID) })?;
    // SAFETY: integers only.
    sys::check(unsafe { libc::syscall(libc::SYS_setresuid, USER_ID, USER_ID, USER_ID) })?;
    Ok(())
}

/// A killed spawner takes its environments along. Set after the user, which clears it; execve keeps it.
pub(super) fn die_with_parent() -> io::Result<()> {
    sys::prctl(libc::PR_SET_PDEATHSIG, signal(libc::SIGKILL))?;
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    Ok(())
}

fn signal(number: libc::c_int) -> libc::c_ulong {
    libc::c_ulong::from(number.cast_unsigned())
}

/// Handlers and masks survive into a new program, so all go back to their defaults.
pub(super) fn reset_signals() {
    for number in 1..=64 {
        // SAFETY: the default disposition is valid for every signal; the few that cannot be set answer EINVAL.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // SAFETY: an empty set is initialised before it is used; a null pointer for the old mask is allowed.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Drops every capability: bounding, ambient, then the rest; root regains none by being root.
pub(super) fn drop_capabilities() -> io::Result<()> {
    for capability in 0..CAPABILITIES_MAX {
        match sys::prctl(libc::PR_CAPBSET_DROP, capability) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other.map(drop)?,
        }
    }
    sys::prctl(libc::PR_SET_SECUREBITS, SECURE_BITS)?;
    sys::prctl(libc::PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)?;
    let header = [CAPABILITY_VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: version 3 reads a header of two words and two triples of words, which these are.
    sys::check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) }).map(drop)
}

/// No capability number reaches this.
const CAPABILITIES_MAX: libc::c_ulong = 64;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const PR_CAP_AMBIENT_CLEAR_ALL: libc::c_ulong = 4;
/// NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE with their locks, and the lock of KEEP_CAPS.
const SECURE_BITS: libc::c_ulong = 0b1110_1111;
