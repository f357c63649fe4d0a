//! The supervisor's side of the system call filter: executions, connections, signals and names of files, one question at a
//! time, in a thread of its own per environment: what one environment asks keeps no other waiting.
//!
//! Pointers in a question belong to the asking process, which may change them at any moment. So nothing is ever
//! *allowed* because of what a pointer shows alone: executing is refused whatever the path is, unless the owner listed
//! programs, and then Landlock bounds what a changed path could reach; connecting is allowed to go on only because the
//! network namespace has nothing but loopback. What is read serves the record.
//!
//! Opening and changing files always goes on: the mount namespace, Landlock and the user are the barrier. Looking at
//! names is observation and not policy, and racy by nature: another thread can change a name after we read it.

mod boundary;
mod calls;
mod connect;
mod execution;
mod numbers;
mod signals;
mod telling;
mod unix;

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{Arc, PoisonError, RwLock},
};

pub(crate) use self::{
    boundary::Boundary, calls::watched, connect::WayOut, signals::signalling, telling::telling,
};
use self::{
    boundary::{Purpose, normalised},
    calls::{Aim, Named},
    numbers::Numbers,
};
use crate::{
    pump::Recorder,
    spec::{Event, ExecPolicy},
    sys,
};

type Question = libc::seccomp_notif;

/// Answers the questions of one environment.
#[derive(Debug)]
pub(crate) struct Supervisor {
    answering: Answering,
    numbers: Numbers,
    /// Held by descriptor: a number may pass to another process.
    launching: Vec<OwnedFd>,
    judgement: Arc<RwLock<Judgement>>,
    out: Option<WayOut>,
}

/// The supervisor's end of the filter, and where events go. Answers may be given later and from elsewhere.
#[derive(Clone, Debug)]
struct Answering {
    listener: Arc<OwnedFd>,
    recorder: Arc<Recorder>,
}

/// What questions are judged by.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) executions: ExecPolicy,
    pub(crate) boundary: Boundary,
}

/// Whether there will be more questions.
enum Asking {
    GoesOn,
    Over,
}

enum Verdict {
    GoOn,
    /// The supervisor has done what was asked.
    Done,
    Refuse(libc::c_int),
}

impl Supervisor {
    /// `launching`: processes of ours that have run nothing of the function's and are about to execute one program each.
    pub(crate) fn new(
        listener: OwnedFd,
        (first_pid, launching): (u32, Vec<OwnedFd>),
        judgement: Arc<RwLock<Judgement>>,
        recorder: Arc<Recorder>,
        out: Option<WayOut>,
    ) -> Self {
        let answering = Answering { listener: Arc::new(listener), recorder };
        Self { answering, numbers: Numbers::of(first_pid), launching, judgement, out }
    }

    /// Answers until the last process that can ask is gone.
    pub(crate) fn start(self) -> io::Result<()> {
        // Hands the processor straight over and back; kernels before 6.6 cannot, and nothing but time depends on it.
        // SAFETY: an open descriptor and an integer.
        unsafe { libc::ioctl(self.answering.listener.as_raw_fd(), NOTIF_SET_FLAGS, SYNCHRONOUS_WAKE_UP) };
        let thread = std::thread::Builder::new().name("supervisor".to_owned()).stack_size(STACK_BYTES);
        // Not joined: it ends with the environment's processes, and nothing waits for it.
        thread.spawn(move || self.run()).map(drop)
    }

    /// INVARIANT: a listener that fails is dropped, and the kernel then answers every question with ENOSYS: refused,
    /// not allowed.
    fn run(mut self) {
        while matches!(self.answer_next(), Ok(Asking::GoesOn)) {}
    }

    /// Waits for the next question and answers it.
    fn answer_next(&mut self) -> io::Result<Asking> {
        // The receiving ioctl would not learn that nobody is left, so it is only used when a question is there.
        match pending(self.answering.listener.as_fd())? {
            Pending::Question => {}
            Pending::Nothing => return Ok(Asking::GoesOn),
            Pending::HungUp => return Ok(Asking::Over),
        }
        // SAFETY: all-zero bytes are a valid seccomp_notif, and the kernel demands them.
        let mut question: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the struct outlives the call and has the size encoded in the request number.
        let got =
            unsafe { libc::ioctl(self.answering.listener.as_raw_fd(), NOTIF_RECEIVE, &raw mut question) };
        match sys::check(libc::c_long::from(got)) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => {
                return Ok(Asking::GoesOn);
            }
            other => other.map(drop)?,
        }
        let (verdict, event) = if libc::c_long::from(question.data.nr) == libc::SYS_connect {
            let judgement = self.judgement.read().unwrap_or_else(PoisonError::into_inner);
            match connect::judge(&question, &judgement.boundary, self.out.as_ref(), &self.answering) {
                connect::Outcome::Now(verdict, event) => (verdict, event),
                connect::Outcome::Later => return Ok(Asking::GoesOn),
            }
        } else {
            self.judge(&question)
        };
        // Recorded before the answer, so that it belongs to the invocation that tried.
        if let Some(event) = event.filter(|_| self.answering.is_asked(question.id)) {
            self.answering.record(event);
        }
        self.answering.send(question.id, &verdict)?;
        Ok(Asking::GoesOn)
    }

    fn judge(&mut self, question: &libc::seccomp_notif) -> (Verdict, Option<Event>) {
        let call = libc::c_long::from(question.data.nr);
        if watched().any(|watched| watched == call) {
            return (Verdict::GoOn, self.trespass(question));
        }
        if signalling().any(|signalling| signalling == call) {
            return (Verdict::GoOn, signals::sent(question, &mut self.numbers));
        }
        let is_asker = |pidfd: &OwnedFd| sys::pid_of(pidfd.as_fd()).is_ok_and(|pid| pid == question.pid);
        let own = self.launching.iter().position(is_asker);
        if own.is_some() && call == libc::SYS_landlock_restrict_self {
            // Takes rights away from a process of ours, which are then missing in the program it becomes.
            return (Verdict::GoOn, None);
        }
        if call != libc::SYS_execve && call != libc::SYS_execveat {
            // INVARIANT: what is not known to be harmless is refused, also what is in no table.
            let (errno, call) = telling::refused(call, question.data.args)
                .unwrap_or_else(|| (libc::EPERM, format!("call {call}")));
            return (Verdict::Refuse(errno), Some(Event::CallRefused { pid: question.pid, call }));
        }
        if let (Some(own), libc::SYS_execve) = (own, call) {
            // Ours: the launcher has one thread and has not run anything of the function's. Once each.
            self.launching.swap_remove(own);
            return (Verdict::GoOn, None);
        }
        let judgement = self.judgement.read().unwrap_or_else(PoisonError::into_inner);
        execution::judge(&judgement.executions, question)
    }

    /// What there is to record of a call that names files.
    fn trespass(&self, question: &libc::seccomp_notif) -> Option<Event> {
        let mut named = calls::named(libc::c_long::from(question.data.nr)).into_iter();
        named.find_map(|named| {
            let (path, purpose) = subject(question, named)?;
            let judgement = self.judgement.read().unwrap_or_else(PoisonError::into_inner);
            judgement.boundary.is_crossed(&path, purpose, |number| self.numbers.has(number)).then(|| {
                Event::OpenDenied {
                    pid: question.pid,
                    path: path.chars().take(RECORDED_CHARACTERS_MAX).collect(),
                    write: purpose == Purpose::Write,
                }
            })
        })
    }
}

impl Answering {
    fn record(&self, event: Event) {
        self.recorder.record(event);
    }

    /// Whether what was read was read from the process that asked, and not from a later one of the same number.
    fn is_asked(&self, id: u64) -> bool {
        // SAFETY: the integer outlives the call.
        unsafe { libc::ioctl(self.listener.as_raw_fd(), NOTIF_ID_VALID, &raw const id) == 0 }
    }

    fn send(&self, id: u64, verdict: &Verdict) -> io::Result<()> {
        // SAFETY: all-zero bytes are a valid seccomp_notif_resp.
        let mut answer: libc::seccomp_notif_resp = unsafe { std::mem::zeroed() };
        answer.id = id;
        match verdict {
            Verdict::GoOn => answer.flags = RESPONSE_CONTINUE,
            Verdict::Done => {}
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

/// What a call is about: a normalised path. None where there is nothing to be told from it.
fn subject(question: &libc::seccomp_notif, named: Named) -> Option<(String, Purpose)> {
    let argument = |index: usize| question.data.args.get(index).copied();
    let flags = match named.purpose {
        Aim::Known(_) => 0,
        Aim::Flags(at) => argument(at)?,
        Aim::FlagsAt(at) => {
            let bytes = memory(question.pid, argument(at)?, 8);
            u64::from_ne_bytes(bytes.try_into().ok()?)
        }
    };
    let purpose = match named.purpose {
        Aim::Known(purpose) => purpose,
        _ if flags & WRITING != 0 => Purpose::Write,
        _ => Purpose::Read,
    };
    let path = text(question.pid, argument(named.path)?);
    if path.starts_with('/') {
        return Some((normalised("", &path), purpose));
    }
    // Reading below a folder that was opened or entered before is no news.
    if path.is_empty() || (purpose == Purpose::Read && !path.split('/').any(|part| part == "..")) {
        return None;
    }
    let pid = question.pid;
    let folder = named.folder.map_or(Some(AT_WORKING_DIRECTORY), |at| Some(argument(at)? & 0xffff_ffff))?;
    let link = match folder {
        AT_WORKING_DIRECTORY => format!("/proc/{pid}/cwd"),
        number => format!("/proc/{pid}/fd/{number}"),
    };
    // A folder whose name is no text is one as well.
    let base = fs::read_link(link).ok()?;
    Some((normalised(&base.to_string_lossy(), &path), purpose))
}

enum Pending {
    Question,
    Nothing,
    HungUp,
}

fn pending(listener: BorrowedFd<'_>) -> io::Result<Pending> {
    let mut polled = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one struct, which outlives the call.
    match sys::check(libc::c_long::from(unsafe { libc::poll(&raw mut polled, 1, -1) })) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Pending::Nothing),
        other => other.map(drop)?,
    }
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

/// A NUL-terminated text in the memory of another process, no longer than a path can be. Our own copy.
fn text(pid: u32, at: u64) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < PATH_BYTES_MAX {
        let Some(from) = u64::try_from(bytes.len()).ok().and_then(|have| at.checked_add(have)) else { break };
        let piece = memory(pid, from, PIECE_BYTES);
        let end = piece.iter().position(|byte| *byte == 0);
        bytes.extend_from_slice(piece.get(..end.unwrap_or(piece.len())).unwrap_or_default());
        if end.is_some() || piece.len() < PIECE_BYTES {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
/// The kernel's PATH_MAX.
const PATH_BYTES_MAX: usize = 4096;
/// Most paths are shorter.
const PIECE_BYTES: usize = 256;
/// Of a path in the record.
const RECORDED_CHARACTERS_MAX: usize = 512;
/// The thread does little and needs little.
const STACK_BYTES: usize = 256 * 1024;
/// Flags of `open` that ask for more than reading.
const WRITING: u64 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u64;
/// The low half of AT_FDCWD.
#[expect(clippy::cast_sign_loss, reason = "the kernel takes an int")]
const AT_WORKING_DIRECTORY: u64 = libc::AT_FDCWD as u32 as u64;
/// Size of `sockaddr_in6`.
const ADDRESS_BYTES_MAX: usize = 28;
const RESPONSE_CONTINUE: u32 = 1;
const NOTIF_RECEIVE: libc::c_ulong = 0xC050_2100;
const NOTIF_SEND: libc::c_ulong = 0xC018_2101;
const NOTIF_ID_VALID: libc::c_ulong = 0x4008_2102;
const NOTIF_SET_FLAGS: libc::c_ulong = 0x4008_2104;
const SYNCHRONOUS_WAKE_UP: libc::c_ulong = 1;

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
