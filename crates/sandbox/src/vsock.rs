//! A listener for the host of a virtual machine, for process 1 of it.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use crate::sys::check;

/// Listens on a port of vsock, for whoever reaches this machine: its host.
pub fn vsock_listener(port: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes no memory.
    let socket = unsafe { libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    check(libc::c_long::from(socket))?;
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let address = Address {
        family: libc::sa_family_t::try_from(libc::AF_VSOCK).unwrap_or(0),
        reserved: 0,
        port,
        machine: ANY,
        zero: [0; 4],
    };
    let length = libc::socklen_t::try_from(size_of::<Address>()).unwrap_or(0);
    // SAFETY: the struct is laid out as `struct sockaddr_vm`, and its size is told.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    check(libc::c_long::from(bound))?;
    // SAFETY: takes no memory.
    let listening = unsafe { libc::listen(socket.as_raw_fd(), WAITING_MAX) };
    check(libc::c_long::from(listening)).map(|_| socket)
}

#[repr(C)]
struct Address {
    family: libc::sa_family_t,
    reserved: u16,
    port: u32,
    machine: u32,
    zero: [u8; 4],
}

const ANY: u32 = libc::VMADDR_CID_ANY;
const WAITING_MAX: i32 = 4;
