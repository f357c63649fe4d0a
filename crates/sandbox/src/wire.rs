//! Messages between supervisor, spawner and child: JSON in packets, descriptors beside them.
//!
//! Large requests travel in an anonymous file, so that no packet is ever too long.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::Failure,
    layer::LayerReport,
    runtime_root::RootPlan,
    spec::{ExecPolicy, MemberEnd},
    supervision::Roles,
    sys,
};

/// From the supervisor to the spawner. Descriptor 0 is the request itself, 1 the channel for reports.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Request {
    /// Assemble a runtime root.
    Prepare { name: String, plan: RootPlan },
    /// Try the layers that only the spawner can try.
    Probe,
    /// Start an environment. Descriptors 2, 3, 4: exit pipe, standard output, standard error; then the v2 cgroup
    /// directory if `into_cgroup`, then a `tasks` file for each further cgroup.
    Start(Box<Start>),
    /// Show an environment that was started without code what it is for. Descriptor 2: its process.
    Bind { code_dir: PathBuf, layers_dir: Option<PathBuf> },
}

/// An environment, as the spawner and the child need to know it.
#[derive(Deserialize, Serialize)]
pub(crate) struct Start {
    pub(crate) template: String,
    pub(crate) argv: Vec<String>,
    /// Where the runtime begins: a path inside.
    pub(crate) working_dir: PathBuf,
    pub(crate) env: Vec<(String, String)>,
    /// Programs beside the runtime, and their variables.
    pub(crate) companions: Vec<String>,
    pub(crate) companion_env: Vec<(String, String)>,
    /// `None`: told later.
    pub(crate) code_dir: Option<PathBuf>,
    pub(crate) layers_dir: Option<PathBuf>,
    pub(crate) tmp_mb: u64,
    pub(crate) pids_max: u64,
    pub(crate) exec_policy: ExecPolicy,
    /// Whether it gets a relay and a resolver.
    pub(crate) way_out: bool,
    pub(crate) hostname: String,
    /// Number of the environment within the reserved range of host user ids.
    pub(crate) user_slot: u32,
    pub(crate) into_cgroup: bool,
    /// What no control group holds.
    pub(crate) roles: Roles,
}

/// The values of variables are often secrets.
impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start")
            .field("template", &self.template)
            .field("argv", &self.argv)
            .field("variables", &self.env.len())
            .field("companions", &self.companions)
            .field("code_dir", &self.code_dir)
            .field("exec_policy", &self.exec_policy)
            .field("user_slot", &self.user_slot)
            .finish_non_exhaustive()
    }
}

/// From the spawner or the child to the supervisor.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Report {
    /// The runtime root is assembled.
    Prepared,
    /// A file could not be put into the runtime root.
    RootFailed { path: PathBuf, errno: i32 },
    /// Code and layers are there.
    Bound,
    /// The layers tried.
    Probed(Vec<LayerReport>),
    /// The process exists; its pidfd comes along.
    Started { pid: u32 },
    /// Comes with the Runtime API listener and the AWS endpoint listener; where there is a way out, also with the relay's
    /// listener and the resolver's datagram socket and listener.
    Listening,
    /// Where there are companions: comes with one unconnected socket for each.
    Reaching,
    /// Comes with the directory `/tmp` of the environment and the seccomp listener. Where there are companions also with the
    /// pipe that lets the runtime go, the companions' output, and pidfds of the runtime and of each companion.
    Supervised,
    /// The runtime (0) or a companion (from 1) has ended, or never began.
    Ended { member: usize, end: MemberEnd },
    /// It did not work.
    Failed(Failure),
}

const DESCRIPTOR_BYTES: usize = std::mem::size_of::<RawFd>();
/// Most descriptors in one message.
const DESCRIPTORS_MAX: usize = 16;
/// Room for their control message, generously.
const CONTROL_BYTES: usize = 256;
/// Longest packet; larger things travel in files.
pub(crate) const PACKET_BYTES_MAX: usize = 16 * 1024;

/// Puts a value into an anonymous file.
pub(crate) fn to_file<T: Serialize>(value: &T) -> io::Result<OwnedFd> {
    let mut file = File::from(sys::memory_file(c"casemate-request")?);
    file.write_all(&serde_json::to_vec(value)?)?;
    file.rewind()?;
    Ok(file.into())
}

/// Takes a value out of an anonymous file.
pub(crate) fn from_file<T: DeserializeOwned>(file: OwnedFd) -> io::Result<T> {
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Sends a report with descriptors.
pub(crate) fn report(channel: BorrowedFd<'_>, report: &Report, fds: &[RawFd]) -> io::Result<()> {
    send(channel, &serde_json::to_vec(report)?, fds)
}

/// Sends one packet. `WouldBlock` if the socket is non-blocking and full.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[RawFd]) -> io::Result<()> {
    if fds.len() > DESCRIPTORS_MAX {
        return Err(io::Error::from_raw_os_error(libc::E2BIG));
    }
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero bytes are a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !fds.is_empty() {
        let size = libc::c_uint::try_from(std::mem::size_of_val(fds)).unwrap_or(0);
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: pure arithmetic; CONTROL_BYTES holds DESCRIPTORS_MAX descriptors with room to spare, and the
        // header pointer lies within `control`, which is aligned for it.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(size) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
            std::ptr::copy_nonoverlapping(
                fds.as_ptr().cast(),
                libc::CMSG_DATA(header),
                std::mem::size_of_val(fds),
            );
        }
    }
    // SAFETY: the message points at buffers that outlive the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives one packet: `None` when the other side has closed.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = vec![0_u8; PACKET_BYTES_MAX];
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero bytes are a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES;
    // SAFETY: the message points at buffers that outlive the call.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let Ok(length) = usize::try_from(got) else { return Err(io::Error::last_os_error()) };
    let fds = descriptors(&message);
    if length == 0 {
        return Ok(None);
    }
    if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
    }
    bytes.truncate(length);
    Ok(Some((bytes, fds)))
}

/// A buffer aligned for a control message header.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

fn descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut found = Vec::new();
    // SAFETY: the kernel filled the control buffer and set its length; the macros stay within that length. Every
    // descriptor in an SCM_RIGHTS message is new and ours.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(std::ptr::from_ref(message));
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let payload = (*header).cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = libc::CMSG_DATA(header).cast::<[u8; DESCRIPTOR_BYTES]>();
                for index in 0..payload / DESCRIPTOR_BYTES {
                    let raw = RawFd::from_ne_bytes(std::ptr::read(data.add(index)));
                    found.push(OwnedFd::from_raw_fd(raw));
                }
            }
            header = libc::CMSG_NXTHDR(std::ptr::from_ref(message), header);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn descriptors_travel_with_a_packet_and_arrive_closed_on_exec() {
        let (one, other) = sys::packet_pair().unwrap();
        let (read, write) = sys::pipe().unwrap();
        send(one.as_fd(), b"hello", &[write.as_raw_fd()]).unwrap();
        drop(write);
        let (bytes, fds) = receive(other.as_fd()).unwrap().unwrap();
        assert_eq!(bytes, b"hello");
        let mut write = File::from(fds.into_iter().next().unwrap());
        write.write_all(b"x").unwrap();
        drop(write);
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn closed_socket_is_the_end_and_not_an_error() {
        let (one, other) = sys::packet_pair().unwrap();
        drop(one);
        assert!(receive(other.as_fd()).unwrap().is_none());
    }

    #[test]
    fn too_many_descriptors_are_refused() {
        let (one, _other) = sys::packet_pair().unwrap();
        let fds = vec![0; DESCRIPTORS_MAX + 1];
        assert!(send(one.as_fd(), b"x", &fds).is_err());
    }
}
