//! Fresh randomness for a kernel that has been copied: in a virtual machine restored from a snapshot, all copies would
//! draw the same numbers until told otherwise.
//!
//! Only for process 1 of such a machine; needs its administrator's capability.

use std::{fs::File, io, os::fd::AsRawFd};

/// Adds `entropy` to the kernel's pool, credited in full, and makes the generator draw from it at once.
pub fn reseed_kernel(entropy: &[u8; ENTROPY_BYTES]) -> io::Result<()> {
    let device = File::options().write(true).open("/dev/urandom")?;
    let mut bytes = [0; ENTROPY_BYTES];
    bytes.copy_from_slice(entropy);
    let pool = PoolInfo {
        entropy_bits: i32::try_from(8 * ENTROPY_BYTES).unwrap_or(0),
        size: i32::try_from(ENTROPY_BYTES).unwrap_or(0),
        bytes,
    };
    // SAFETY: the struct is laid out as `struct rand_pool_info` with its trailing buffer, whose size it tells.
    let added = unsafe { libc::ioctl(device.as_raw_fd(), RNDADDENTROPY, &raw const pool) };
    crate::sys::check(libc::c_long::from(added))?;
    // SAFETY: takes no argument.
    let reseeded = unsafe { libc::ioctl(device.as_raw_fd(), RNDRESEEDCRNG) };
    crate::sys::check(libc::c_long::from(reseeded)).map(drop)
}

/// What one reseeding takes.
const ENTROPY_BYTES: usize = 64;

#[repr(C)]
struct PoolInfo {
    entropy_bits: i32,
    size: i32,
    bytes: [u8; ENTROPY_BYTES],
}

/// `_IOW('R', 0x03, int[2])`
const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
/// `_IO('R', 0x07)`
const RNDRESEEDCRNG: libc::c_ulong = 0x5207;
