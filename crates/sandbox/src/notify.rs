//! The supervisor's side of the system call filter: executions and connections, one question at a time.
//!
//! Pointers in a question belong to the asking process, which may change them at any moment. So nothing is ever
//! *allowed* because of what a pointer shows: executing is refused whatever the path is, and connecting is allowed
//! to go on only because the network namespace has nothing but loopback. What is read serves the record.

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use crate::{spec::Event, sys};

/// Answers the questions of one environment.
#[derive(Debug)]
pub(crate) struct Supervisor {
    listener: OwnedFd,
    runtime_pid: u32,
    launched: Launched,
}

/// Whether our own execve has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Launched {
    NotYet,
    Yes,
}

/// What came of looking for a question.
pub(crate) enum Answered {
    /// One was answered; there may be something to record.
    One(Option<Event>),
    /// There is none now.
    None,
    /// Nobody is left to ask.
    Gone,
}

enum Verdict {
    GoOn,
    Refuse(libc::c_int),
}

impl AsRawFd for Supervisor {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.listener.as_raw_fd()
    }
}

// SAFETY: the descriptor is owned by the value and stays the same and open until it is dropped.
unsafe impl sys::KeepsDescriptor for Supervisor {}

impl Supervisor {
    pub(crate) fn new(listener: OwnedFd, runtime_pid: u32) -> Self {
        Self { listener, runtime_pid, launched: Launched::NotYet }
    }

    /// Answers the next question, if there is one. Does not wait.
    pub(crate) fn answer_next(&mut self) -> io::Result<Answered> {
        // The receiving ioctl waits, so it is only used when a question is there.
        match pending(self.listener.as_fd())? {
            Pending::Question => {}
            Pending::Nothing => return Ok(Answered::None),
            Pending::HungUp => return Ok(Answered::Gone),
        }
        // SAFETY: all-zero bytes are a valid seccomp_notif, and the kernel demands them.
        let mut question: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the struct outlives the call and has the size encoded in the request number.
        let got = unsafe { libc::ioctl(self.listener.as_raw_fd(), NOTIF_RECEIVE, &raw mut question) };
        match sys::check(libc::c_long::from(got)) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => {
                return Ok(Answered::One(None));
            }
            other => other.map(drop)?,
        }
        let (verdict, event) = self.judge(&question);
        let event = event.filter(|_| self.still_asks(question.id));
        self.send(question.id, &verdict)?;
        Ok(Answered::One(event))
    }

    fn judge(&mut self, question: &libc::seccomp_notif) -> (Verdict, Option<Event>) {
        let call = libc::c_long::from(question.data.nr);
        let [first, second, third, ..] = question.data.args;
        if call == libc::SYS_connect {
            return match address(question.pid, second, third) {
                Some(address) if !address.ip().is_loopback() => {
                    let event = Event::ConnectDenied { pid: question.pid, address };
                    (Verdict::Refuse(libc::ENETUNREACH), Some(event))
                }
                // Unix sockets, loopback, unreadable addresses. The empty network namespace is the barrier: a
                // process that changes its address after we looked finds no route.
                _ => (Verdict::GoOn, None),
            };
        }
        if self.launched == Launched::NotYet && question.pid == self.runtime_pid && call == libc::SYS_execve {
            // Ours: the launcher has one thread and has not run anything of the function's.
            self.launched = Launched::Yes;
            return (Verdict::GoOn, None);
        }
        let path = if call == libc::SYS_execveat {
            let path = text(question.pid, second);
            if path.is_empty() { descriptor(question.pid, first) } else { path }
        } else {
            text(question.pid, first)
        };
        (Verdict::Refuse(libc::EPERM), Some(Event::ExecDenied { pid: question.pid, path }))
    }

    /// Whether what was read was read from the process that asked, and not from a later one of the same number.
    fn still_asks(&self, id: u64) -> bool {
        // SAFETY: the integer outlives the call.
        unsafe { libc::ioctl(self.listener.as_raw_fd(), NOTIF_ID_VALID, &raw const id) == 0 }
    }

    fn send(&self, id: u64, verdict: &Verdict) -> io::Result<()> {
        // SAFETY: all-zero bytes are a valid seccomp_notif_resp.
        let mut answer: libc::seccomp_notif_resp = unsafe { std::mem::zeroed() };
        answer.id = id;
        match verdict {
            Verdict::GoOn => answer.flags = RESPONSE_CONTINUE,
            Verdict::Refuse(errno) => answer.error = -errno,
        }
        // SAFETY: the struct outlives the call and has the size encoded in the request number.
        let sent = unsafe { libc::ioctl(self.listener.as_raw_fd(), NOTIF_SEND, &raw const answer) };
        match sys::check(libc::c_long::from(sent)) {
            // The asking process was killed meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other.map(drop),
        }
    }
}

enum Pending {
    Question,
    Nothing,
    HungUp,
}

fn pending(listener: BorrowedFd<'_>) -> io::Result<Pending> {
    let mut polled = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one struct, which outlives the call.
    sys::check(libc::c_long::from(unsafe { libc::poll(&raw mut polled, 1, 0) }))?;
    Ok(if polled.revents & libc::POLLIN != 0 {
        Pending::Question
    } else if polled.revents & (libc::POLLHUP | libc::POLLERR) != 0 {
        Pending::HungUp
    } else {
        Pending::Nothing
    })
}

/// An internet address in the memory of another process.
fn address(pid: u32, at: u64, length: u64) -> Option<SocketAddr> {
    let length = usize::try_from(length).unwrap_or(0).min(ADDRESS_BYTES_MAX);
    let bytes = memory(pid, at, length);
    let field = |from: usize, to: usize| bytes.get(from..to);
    let family = u16::from_ne_bytes(field(0, 2)?.try_into().ok()?);
    let port = u16::from_be_bytes(field(2, 4)?.try_into().ok()?);
    match i32::from(family) {
        libc::AF_INET => {
            let octets: [u8; 4] = field(4, 8)?.try_into().ok()?;
            Some(SocketAddr::from((Ipv4Addr::from(octets), port)))
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = field(8, 24)?.try_into().ok()?;
            let address = Ipv6Addr::from(octets);
            Some(match address.to_ipv4_mapped() {
                Some(address) => SocketAddr::from((address, port)),
                None => SocketAddr::from((address, port)),
            })
        }
        _ => None,
    }
}

/// A NUL-terminated text in the memory of another process, cut to a sensible length.
fn text(pid: u32, at: u64) -> String {
    let bytes = memory(pid, at, PATH_BYTES_MAX);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn descriptor(pid: u32, number: u64) -> String {
    let number = number & u64::from(u32::MAX);
    let link = fs::read_link(format!("/proc/{pid}/fd/{number}"));
    link.map_or_else(|_| format!("descriptor {number}"), |path| path.to_string_lossy().into_owned())
}

/// Bytes of another process, page by page until one is missing.
fn memory(pid: u32, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; length];
    let mut have = 0;
    while have < length {
        let Some(from) = usize::try_from(at).ok().and_then(|at| at.checked_add(have)) else { break };
        let want = (length - have).min(PAGE_BYTES - from % PAGE_BYTES);
        let Some(into) = bytes.get_mut(have..have + want) else { break };
        let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: want };
        let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(from), iov_len: want };
        // SAFETY: the local vector is our buffer; the remote one is only an address in the other process.
        let got = unsafe {
            libc::process_vm_readv(pid.cast_signed(), &raw const local, 1, &raw const remote, 1, 0)
        };
        match usize::try_from(got) {
            Ok(got) if got > 0 => have += got,
            _ => break,
        }
    }
    bytes.truncate(have);
    bytes
}

const PAGE_BYTES: usize = 4096;
const PATH_BYTES_MAX: usize = 512;
/// Size of `sockaddr_in6`.
const ADDRESS_BYTES_MAX: usize = 28;
const RESPONSE_CONTINUE: u32 = 1;
const NOTIF_RECEIVE: libc::c_ulong = 0xC050_2100;
const NOTIF_SEND: libc::c_ulong = 0xC018_2101;
const NOTIF_ID_VALID: libc::c_ulong = 0x4008_2102;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_encode_the_sizes_of_the_structures() {
        assert_eq!((NOTIF_RECEIVE >> 16) & 0x3fff, std::mem::size_of::<libc::seccomp_notif>() as u64);
        assert_eq!((NOTIF_SEND >> 16) & 0x3fff, std::mem::size_of::<libc::seccomp_notif_resp>() as u64);
    }

    #[test]
    fn memory_that_is_not_there_reads_as_nothing() {
        assert!(memory(std::process::id(), 16, 8).is_empty());
        let known = *b"hello\0";
        assert_eq!(text(std::process::id(), known.as_ptr() as u64), "hello");
    }
}
