//! The network of an environment: loopback and a few sockets that belong to the supervisor.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use crate::{
    egress,
    spec::{AWS_ENDPOINT_PORT, RUNTIME_API_PORT},
    sys,
};

/// What the supervisor listens on: the Runtime API, the AWS endpoint.
pub(crate) fn supervisors() -> io::Result<Vec<OwnedFd>> {
    Ok(vec![listen(RUNTIME_API_PORT)?, listen(AWS_ENDPOINT_PORT)?])
}

/// What it listens on besides where there is a way out: the relay, the resolver's datagrams, the resolver's streams.
pub(crate) fn way_out() -> io::Result<Vec<OwnedFd>> {
    let (relay, resolver) = (egress::RELAY_PORT, egress::RESOLVER_PORT);
    Ok(vec![listen(relay)?, datagrams(resolver)?, listen(resolver)?])
}

/// Brings `lo` up; it is the only interface.
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = socket(libc::SOCK_DGRAM)?;
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(0);
    // SAFETY: the request outlives the call and names an interface.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    sys::check(libc::c_long::from(done)).map(drop)
}

/// A listener on 127.0.0.1 of this network namespace, non-blocking for the supervisor.
fn listen(port: u16) -> io::Result<OwnedFd> {
    let socket = bound(libc::SOCK_STREAM, port)?;
    // SAFETY: an open descriptor and an integer.
    sys::check(libc::c_long::from(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) }))?;
    Ok(socket)
}

/// A datagram socket on 127.0.0.1 of this network namespace, non-blocking for the supervisor.
fn datagrams(port: u16) -> io::Result<OwnedFd> {
    bound(libc::SOCK_DGRAM, port)
}

/// A stream socket of this network namespace, for the supervisor to connect within it.
pub(super) fn unconnected() -> io::Result<OwnedFd> {
    socket(libc::SOCK_STREAM | libc::SOCK_NONBLOCK)
}

fn bound(kind: libc::c_int, port: u16) -> io::Result<OwnedFd> {
    let socket = socket(kind | libc::SOCK_NONBLOCK)?;
    let address = address(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    let length = libc::socklen_t::try_from(std::mem::size_of_val(&address)).unwrap_or(0);
    // SAFETY: the address outlives the call and its size is passed.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    sys::check(libc::c_long::from(bound))?;
    Ok(socket)
}

fn socket(kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: integers only.
    let raw = unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, 0) };
    let raw = RawFd::try_from(sys::check(libc::c_long::from(raw))?).unwrap_or(-1);
    // SAFETY: the call just returned this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn address(of: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(0),
        sin_port: of.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*of.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// Connections waiting to be accepted; runtimes open a handful.
const BACKLOG: libc::c_int = 64;
