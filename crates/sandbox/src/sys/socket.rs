//! Sockets of other processes, and what can be told of them and done with them.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    time::Duration,
};

use super::{check_int, owned, process_table};

/// The socket behind a descriptor of another process. It is the very socket, whatever becomes of the number there.
pub(crate) fn of_process(pid: u32, number: u64) -> io::Result<OwnedFd> {
    let pid = libc::c_long::from(leader(pid)?);
    let number = libc::c_long::try_from(number & u64::from(u32::MAX)).unwrap_or(-1);
    // SAFETY: integers only.
    let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    of(process.as_fd(), number)
}

/// A copy of a descriptor of another process.
fn of(process: BorrowedFd<'_>, number: libc::c_long) -> io::Result<OwnedFd> {
    // SAFETY: an open descriptor and integers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

/// The own addresses of those TCP sockets of a process that are connected to `to`. A process that has ended has none; an error
/// means that some may not have been seen.
///
/// Numbers are taken from `fdinfo`, because `fd` opens to the process's user only: see [`crate::full`].
pub(crate) fn connected_to(pid: libc::pid_t, to: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    let is_gone =
        |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT | libc::EBADF));
    let found = || -> io::Result<Vec<SocketAddr>> {
        let process = super::pidfd(pid)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
            match of(process.as_fd(), number.unwrap_or(-1)) {
                Ok(socket) => found.extend(ends(socket).and_then(|(own, peer)| (peer == to).then_some(own))),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    };
    match found() {
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        other => other,
    }
}

/// Both ends of a connection, if it is one of TCP.
fn ends(socket: OwnedFd) -> Option<(SocketAddr, SocketAddr)> {
    if !is_tcp(&socket) {
        return None;
    }
    let stream = std::net::TcpStream::from(socket);
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    Some((canonical(stream.local_addr().ok()?), canonical(stream.peer_addr().ok()?)))
}

/// The process to which a thread belongs.
fn leader(thread: u32) -> io::Result<u32> {
    let status = process_table(format!("/proc/{thread}/status"))?;
    let number = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
    number.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}

/// Whether it is a TCP socket of either internet family.
pub(crate) fn is_tcp(socket: &OwnedFd) -> bool {
    let is =
        |option, values: &[libc::c_int]| option_of(socket, option).is_ok_and(|value| values.contains(&value));
    is(libc::SO_DOMAIN, &[libc::AF_INET, libc::AF_INET6])
        && is(libc::SO_TYPE, &[libc::SOCK_STREAM])
        && is(libc::SO_PROTOCOL, &[libc::IPPROTO_TCP])
}

fn option_of(socket: &OwnedFd, option: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(std::mem::size_of_val(&value)).unwrap_or(0);
    // SAFETY: both outlive the call and the length is the value's.
    let got = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    check_int(got).map(|_| value)
}

/// Whether calls on it return at once.
pub(crate) fn is_nonblocking(socket: &OwnedFd) -> bool {
    flags(socket.as_fd()).is_ok_and(|flags| flags & libc::O_NONBLOCK != 0)
}

fn flags(socket: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: an open descriptor.
    check_int(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) })
}

fn set_flags(socket: BorrowedFd<'_>, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: an open descriptor and an integer.
    check_int(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
}

/// Whether it is connected.
pub(crate) fn has_peer(socket: &OwnedFd) -> bool {
    // SAFETY: all-zero bytes are a valid address.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(std::mem::size_of_val(&address)).unwrap_or(0);
    // SAFETY: both outlive the call and the length is the address's.
    let got = unsafe { libc::getpeername(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut length) };
    got == 0
}

/// Gives the socket a port on loopback, unless it has one, and says which.
pub(crate) fn bound_port(socket: &OwnedFd) -> io::Result<u16> {
    let port = port(socket)?;
    if port != 0 {
        return Ok(port);
    }
    if option_of(socket, libc::SO_DOMAIN)? == libc::AF_INET6 {
        only_six(socket, false)?;
    }
    with_address(socket, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |socket, address, length| {
        // SAFETY: the address outlives the call and its size is passed.
        check_int(unsafe { libc::bind(socket, address, length) })
    })?;
    self::port(socket)
}

/// A socket that takes IPv6 only could not be led to a relay that has an IPv4 address.
fn only_six(socket: &OwnedFd, only: bool) -> io::Result<()> {
    let value = libc::c_int::from(only);
    let length = libc::socklen_t::try_from(std::mem::size_of_val(&value)).unwrap_or(0);
    // SAFETY: the value outlives the call and its size is passed.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_V6ONLY,
            (&raw const value).cast(),
            length,
        )
    };
    check_int(set).map(drop)
}

/// The port it is bound to; 0 where it is not.
pub(crate) fn port(socket: &OwnedFd) -> io::Result<u16> {
    let socket = socket.try_clone()?;
    std::net::TcpListener::from(socket).local_addr().map(|address| address.port())
}

/// Connects within the socket's own namespace, where this takes no time, and leaves its flags as they were.
pub(crate) async fn connect(socket: &OwnedFd, to: SocketAddr) -> io::Result<()> {
    let before = flags(socket.as_fd())?;
    set_flags(socket.as_fd(), before | libc::O_NONBLOCK)?;
    let connected = connect_soon(socket, to).await;
    set_flags(socket.as_fd(), before)?;
    connected
}

async fn connect_soon(socket: &OwnedFd, to: SocketAddr) -> io::Result<()> {
    begin_connecting(socket, to)?;
    connected(socket, CONNECT_TIMEOUT).await
}

/// Begins to connect one whose calls return at once.
pub(crate) fn begin_connecting(socket: &OwnedFd, to: SocketAddr) -> io::Result<()> {
    let begun = with_address(socket, to, |socket, address, length| {
        // SAFETY: the address outlives the call and its size is passed.
        check_int(unsafe { libc::connect(socket, address, length) })
    });
    match begun {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        other => other.map(drop),
    }
}

/// Waits until a connection that has begun is there, or has failed.
pub(crate) async fn connected(socket: &OwnedFd, limit: Duration) -> io::Result<()> {
    let watched = super::watch(socket.try_clone()?)?;
    tokio::time::timeout(limit, watched.writable())
        .await
        .map_err(|_| io::Error::from_raw_os_error(libc::ETIMEDOUT))?
        .map(drop)?;
    match option_of(socket, libc::SO_ERROR)? {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// Ends the attempt to connect that it is in, if any: whoever waits for it learns at once that it failed (`ECONNRESET`).
pub(crate) fn give_up(socket: &OwnedFd) {
    // SAFETY: an open descriptor and an integer.
    let _ = unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Has a listener drop, without an answer, what comes from these ports: their kernels try again. A port that is not among them
/// any more is heard again.
pub(crate) fn be_silent_to(listener: BorrowedFd<'_>, ports: &BTreeSet<u16>) -> io::Result<()> {
    // A program that sees the header of a segment, which begins with the port it comes from.
    let step = |code: u32, jump_unless, value| libc::sock_filter {
        code: u16::try_from(code).unwrap_or(0),
        jt: 0,
        jf: jump_unless,
        k: value,
    };
    let (load, equal, answer) = (
        libc::BPF_LD | libc::BPF_H | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    let mut program = vec![step(load, 0, 0)];
    for port in ports {
        program.extend([step(equal, 1, u32::from(*port)), step(answer, 0, 0)]);
    }
    program.push(step(answer, 0, u32::MAX));
    let length = libc::c_ushort::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let size = libc::socklen_t::try_from(std::mem::size_of_val(&program)).unwrap_or(0);
    // SAFETY: the program and its steps outlive the call, which copies them.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size,
        )
    };
    check_int(set).map(drop)
}

/// Ends its connection, if it has one: it can then be connected again.
pub(crate) fn disconnect(socket: &OwnedFd) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid address, of the family `AF_UNSPEC`.
    let nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
    let length = libc::socklen_t::try_from(std::mem::size_of_val(&nowhere)).unwrap_or(0);
    // SAFETY: the address outlives the call and its size is passed.
    check_int(unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, length) }).map(drop)
}

/// Calls with an address in the form of the socket's family.
fn with_address<T>(
    socket: &OwnedFd,
    address: SocketAddr,
    call: impl FnOnce(RawFd, *const libc::sockaddr, libc::socklen_t) -> io::Result<T>,
) -> io::Result<T> {
    let size = |bytes: usize| libc::socklen_t::try_from(bytes).unwrap_or(0);
    let family = option_of(socket, libc::SO_DOMAIN)?;
    let IpAddr::V4(ip) = address.ip() else { return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)) };
    let short = libc::sa_family_t::try_from(family).unwrap_or(0);
    if family == libc::AF_INET6 {
        // SAFETY: all-zero bytes are a valid address.
        let mut six: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
        six.sin6_family = short;
        six.sin6_port = address.port().to_be();
        six.sin6_addr.s6_addr = ip.to_ipv6_mapped().octets();
        return call(socket.as_raw_fd(), (&raw const six).cast(), size(std::mem::size_of_val(&six)));
    }
    // SAFETY: all-zero bytes are a valid address.
    let mut four: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    four.sin_family = short;
    four.sin_port = address.port().to_be();
    four.sin_addr = libc::in_addr { s_addr: u32::from(ip).to_be() };
    call(socket.as_raw_fd(), (&raw const four).cast(), size(std::mem::size_of_val(&four)))
}

/// Connecting within loopback takes microseconds; this is for an environment that fills its own queues.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn socket(family: libc::c_int, kind: libc::c_int) -> OwnedFd {
        // SAFETY: integers only.
        owned(libc::c_long::from(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) })).unwrap()
    }

    #[test]
    fn only_tcp_sockets_are_tcp() {
        assert!(is_tcp(&socket(libc::AF_INET, libc::SOCK_STREAM)));
        assert!(is_tcp(&socket(libc::AF_INET6, libc::SOCK_STREAM)));
        assert!(!is_tcp(&socket(libc::AF_INET, libc::SOCK_DGRAM)));
        assert!(!is_tcp(&socket(libc::AF_UNIX, libc::SOCK_STREAM)));
        assert!(!is_tcp(&crate::sys::pipe().unwrap().0));
    }

    #[test]
    fn sockets_of_both_families_and_modes_are_led_to_the_relay_and_keep_their_mode() {
        runtime().block_on(async {
            let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            for family in [libc::AF_INET, libc::AF_INET6] {
                for mode in [0, libc::SOCK_NONBLOCK] {
                    let socket = socket(family, libc::SOCK_STREAM | mode);
                    let port = bound_port(&socket).unwrap();
                    assert!(!has_peer(&socket));
                    connect(&socket, relay.local_addr().unwrap()).await.unwrap();
                    assert!(has_peer(&socket));
                    assert_eq!(relay.accept().await.unwrap().1.port(), port);
                    assert_eq!(is_nonblocking(&socket), mode != 0);
                }
            }
        });
    }

    #[test]
    fn connections_of_a_process_are_known_by_both_of_their_ends() {
        let (listener, other) = (
            std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        );
        let (to, own) = (listener.local_addr().unwrap(), super::super::own_pid());
        assert_eq!(connected_to(own, to).unwrap(), []);
        let stream = std::net::TcpStream::connect(to).unwrap();
        let _elsewhere = std::net::TcpStream::connect(other.local_addr().unwrap()).unwrap();
        let six = socket(libc::AF_INET6, libc::SOCK_STREAM);
        runtime().block_on(connect(&six, to)).unwrap();
        let mut expected = vec![stream.local_addr().unwrap(), ([127, 0, 0, 1], port(&six).unwrap()).into()];
        let mut found = connected_to(own, to).unwrap();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(connected_to(libc::pid_t::MAX, to).unwrap(), []);
    }

    #[test]
    fn a_descriptor_of_this_process_is_found_and_one_that_is_not_there_is_not() {
        let socket = socket(libc::AF_INET, libc::SOCK_STREAM);
        let number = u64::try_from(socket.as_raw_fd()).unwrap();
        assert!(is_tcp(&of_process(std::process::id(), number).unwrap()));
        assert!(of_process(std::process::id(), 9_999).is_err());
    }
}
