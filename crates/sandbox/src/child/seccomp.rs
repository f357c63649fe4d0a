//! The system call filter: an allow-list, as a BPF program written here because it needs more answers than one.
//!
//! allowed · refused with EPERM · unknown to us and newer (ENOSYS, so that libraries fall back) · asked of the
//! supervisor (execve, execveat, connect, what names files or sends signals, and what only an attack would call).
//!
//! The filter itself is tested in `tests/isolation.rs` from inside.
//! How such a program is written [`super::bpf`] knows.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

use crate::{
    child::{
        bpf::{
            ARCH_OFFSET, ASK, AUDIT_ARCH, NUMBER_OFFSET, answer, any_bit, argument, both, case, instruction,
            jump, load, number, only, refuse, requiring, tree,
        },
        syscalls,
    },
    notify,
    spec::ExecPolicy,
    sys,
};

/// Builds the program.
pub(super) fn program(policy: &ExecPolicy) -> Vec<libc::sock_filter> {
    program_without(policy, &[])
}

/// Builds one in which some calls do not exist.
pub(super) fn program_without(policy: &ExecPolicy, missing: &[libc::c_long]) -> Vec<libc::sock_filter> {
    let mut code = vec![
        load(ARCH_OFFSET),
        jump(libc::BPF_JEQ, AUDIT_ARCH, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER_OFFSET),
    ];
    // Its flags lie behind a pointer, where no filter can read them; libraries fall back to clone.
    for call in [libc::SYS_clone3].iter().chain(missing) {
        case(&mut code, *call, &[refuse(libc::ENOSYS)]);
    }
    case(&mut code, libc::SYS_clone, &any_bit(NAMESPACE_FLAGS, ASK));
    case(&mut code, libc::SYS_execve, &[ASK]);
    case(&mut code, libc::SYS_execveat, &[ASK]);
    if matches!(policy, ExecPolicy::List(_)) {
        // A file without a name is on no list; what is sealed against execution is only memory. The kernel's own switch
        // for this (vm.memfd_noexec = 2) answers the same.
        case(&mut code, libc::SYS_memfd_create, &requiring(1, MFD_NOEXEC_SEAL, libc::EACCES));
    }
    case(&mut code, libc::SYS_connect, &[ASK]);
    case(&mut code, libc::SYS_socket, &socket_rule());
    case(&mut code, libc::SYS_socketpair, &only(0, &[AF_UNIX], libc::EAFNOSUPPORT));
    case(&mut code, libc::SYS_ioctl, &ioctl_rule());
    case(&mut code, libc::SYS_prctl, &only(0, &syscalls::PRCTL_OPTIONS, libc::EPERM));
    // Limits and priority are each process's own: one that serves a single invocation must not be able to set those of
    // the process it was forked from, and so of the invocations after it.
    for call in [libc::SYS_prlimit64, libc::SYS_sched_setscheduler, libc::SYS_sched_setparam] {
        case(&mut code, call, &only(0, &[OWN], libc::EPERM));
    }
    case(&mut code, libc::SYS_setpriority, &both(OWN, OWN, libc::EPERM));
    code.extend(tree(&segments(&syscalls::allowed(), &asked())));
    code
}

/// Calls that the supervisor is asked about whatever their arguments: the telling ones, to be refused; and allowed ones that
/// name files or send signals, to be recorded.
fn asked() -> BTreeSet<u32> {
    notify::watched().chain(notify::signalling()).chain(notify::telling()).map(number).collect()
}

/// Loads the program and returns the supervisor's end. Needs no_new_privs.
pub(super) fn load_with_listener(program: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    // Once the supervisor has a call in hand, only a kill may interrupt it: else a signal would repeat the call.
    install(program, NEW_LISTENER | WAIT_KILLABLE).or_else(|error| match error.raw_os_error() {
        Some(libc::EINVAL) => install(program, NEW_LISTENER),
        _ => Err(error),
    })
}

fn install(program: &[libc::sock_filter], flags: libc::c_ulong) -> io::Result<OwnedFd> {
    let length =
        libc::c_ushort::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the program outlives the call, which copies it; its length is passed.
    let listener = sys::check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })?;
    let raw = RawFd::try_from(listener).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the call just returned this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

const NEW_LISTENER: libc::c_ulong = 1 << 3;
const WAIT_KILLABLE: libc::c_ulong = 1 << 5;

/// Families UNIX, INET and INET6; in the latter two streams of TCP and datagrams of UDP alone: asking for another protocol, or
/// for one of these with the other type, would have the kernel look for it, and load it from a module. Of NETLINK the protocol
/// of routes, as the C library asks for it to list interfaces: who has no capability can only read with it, of his own network.
fn socket_rule() -> Vec<libc::sock_filter> {
    vec![
        load(argument(0)),
        jump(libc::BPF_JEQ, AF_UNIX, 22, 0),
        jump(libc::BPF_JEQ, AF_INET, 8, 0),
        jump(libc::BPF_JEQ, AF_INET6, 7, 0),
        jump(libc::BPF_JEQ, AF_NETLINK, 0, 5),
        load(argument(1)),
        instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, 0xf),
        jump(libc::BPF_JEQ, SOCK_RAW, 0, 2),
        load(argument(2)),
        jump(libc::BPF_JEQ, NETLINK_ROUTE, 14, 0),
        ASK,
        load(argument(1)),
        instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, 0xf),
        jump(libc::BPF_JEQ, SOCK_STREAM, 2, 0),
        jump(libc::BPF_JEQ, SOCK_DGRAM, 5, 0),
        ASK,
        load(argument(2)),
        jump(libc::BPF_JEQ, TCP, 6, 0),
        jump(libc::BPF_JEQ, ANY_PROTOCOL, 5, 0),
        // Unheard: some libraries try MPTCP first.
        refuse(libc::EPROTONOSUPPORT),
        load(argument(2)),
        jump(libc::BPF_JEQ, UDP, 2, 0),
        jump(libc::BPF_JEQ, ANY_PROTOCOL, 1, 0),
        ASK,
        answer(libc::SECCOMP_RET_ALLOW),
    ]
}

/// Requests of the list; others are answered as by files that know none. Typing into terminals is refused by its name.
fn ioctl_rule() -> Vec<libc::sock_filter> {
    let mut block = vec![
        load(argument(1)),
        jump(libc::BPF_JEQ, TIOCSTI, 1, 0),
        jump(libc::BPF_JEQ, TIOCLINUX, 0, 1),
        refuse(libc::EPERM),
    ];
    block.extend(only(1, &syscalls::IOCTL_REQUESTS, libc::ENOTTY));
    block
}

/// `linux/memfd.h`, since 6.3.
const MFD_NOEXEC_SEAL: u32 = 0x8;

/// Runs of numbers with the same answer: (first number, answer).
fn segments(allowed: &[u32], asked: &BTreeSet<u32>) -> Vec<(u32, libc::sock_filter)> {
    let action = |call: u32| match call {
        call if asked.contains(&call) => ASK,
        call if allowed.binary_search(&call).is_ok() => answer(libc::SECCOMP_RET_ALLOW),
        call if call <= syscalls::NEWEST_KNOWN => refuse(libc::EPERM),
        // Newer ones; and x86-64's second numbering of the same calls, from 0x4000_0000 on, which no runtime uses.
        _ => refuse(libc::ENOSYS),
    };
    let mut found: Vec<(u32, libc::sock_filter)> = Vec::new();
    for call in 0..=syscalls::NEWEST_KNOWN + 1 {
        let action = action(call);
        if found.last().is_none_or(|(_, last)| last.k != action.k) {
            found.push((call, action));
        }
    }
    found
}

/// The asking process itself, where a number of a process is expected; also `PRIO_PROCESS`.
const OWN: u32 = 0;
const AF_UNIX: u32 = libc::AF_UNIX.cast_unsigned();
const AF_INET: u32 = libc::AF_INET.cast_unsigned();
const AF_INET6: u32 = libc::AF_INET6.cast_unsigned();
const AF_NETLINK: u32 = libc::AF_NETLINK.cast_unsigned();
const SOCK_STREAM: u32 = libc::SOCK_STREAM.cast_unsigned();
const SOCK_DGRAM: u32 = libc::SOCK_DGRAM.cast_unsigned();
const SOCK_RAW: u32 = libc::SOCK_RAW.cast_unsigned();
const NETLINK_ROUTE: u32 = libc::NETLINK_ROUTE.cast_unsigned();
const ANY_PROTOCOL: u32 = 0;
const TCP: u32 = libc::IPPROTO_TCP.cast_unsigned();
const UDP: u32 = libc::IPPROTO_UDP.cast_unsigned();
// `asm-generic/ioctls.h`
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541C;
const NAMESPACE_FLAGS: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .cast_unsigned();

/// What the filter lets through, as `tests/filter` writes it: family, type and protocol. Of UNIX, one that stands for all.
#[cfg(test)]
pub(super) fn sockets_allowed() -> BTreeSet<String> {
    let program = program(&ExecPolicy::Allow);
    let allowed = |family, kind, protocol| {
        let arguments = [family, kind, protocol].map(u64::from);
        crate::child::bpf::run_with(&program, libc::SYS_socket, arguments) == libc::SECCOMP_RET_ALLOW
    };
    let mut all = BTreeSet::new();
    for family in 0..64 {
        for (kind, protocol) in (0..16).flat_map(|kind| (0..512).map(move |protocol| (kind, protocol))) {
            if allowed(family, kind, protocol) {
                let (kind, protocol) =
                    if family == AF_UNIX { (SOCK_STREAM, ANY_PROTOCOL) } else { (kind, protocol) };
                all.insert(format!("{family} {kind} {protocol}"));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests;
