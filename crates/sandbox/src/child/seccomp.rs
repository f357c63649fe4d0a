//! The system call filter: an allow-list, as a BPF program written here because it needs more answers than one.
//!
//! allowed · refused with EPERM · unknown to us and newer (ENOSYS, so that libraries fall back) · asked of the
//! supervisor (execve, execveat, connect, what names files, and what only an attack would call). The filter itself is tested in `tests/isolation.rs` from inside.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

use crate::{child::syscalls, notify, spec::ExecPolicy, sys};

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
    let execution = if policy.is_supervised() { ASK } else { answer(libc::SECCOMP_RET_ALLOW) };
    case(&mut code, libc::SYS_execve, &[execution]);
    case(&mut code, libc::SYS_execveat, &[execution]);
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
    code.extend(tree(&segments(&syscalls::allowed(), &asked(policy))));
    code
}

/// Calls that the supervisor is asked about whatever their arguments: the telling ones, to be refused; and allowed ones that
/// name files, to be recorded: where executions are of interest, so is what files are named.
fn asked(policy: &ExecPolicy) -> BTreeSet<u32> {
    let files = policy.is_supervised().then(notify::watched);
    files.into_iter().flatten().chain(notify::telling()).map(number).collect()
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

/// `if number == call { block }`; every block ends in an answer.
fn case(code: &mut Vec<libc::sock_filter>, call: libc::c_long, block: &[libc::sock_filter]) {
    let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
    code.push(jump(libc::BPF_JEQ, number(call), 0, length));
    code.extend_from_slice(block);
}

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

/// Allowed if the first two arguments are these.
fn both(first: u32, second: u32, errno: libc::c_int) -> Vec<libc::sock_filter> {
    vec![
        load(argument(0)),
        jump(libc::BPF_JEQ, first, 0, 3),
        load(argument(1)),
        jump(libc::BPF_JEQ, second, 0, 1),
        answer(libc::SECCOMP_RET_ALLOW),
        refuse(errno),
    ]
}

/// Allowed if the argument is one of these.
fn only(index: u32, values: &[u32], errno: libc::c_int) -> Vec<libc::sock_filter> {
    let mut block = vec![load(argument(index))];
    let count = values.len();
    for (position, value) in values.iter().enumerate() {
        block.push(jump(libc::BPF_JEQ, *value, u8::try_from(count - position).unwrap_or(u8::MAX), 0));
    }
    block.push(refuse(errno));
    block.push(answer(libc::SECCOMP_RET_ALLOW));
    block
}

/// Refused if the first argument has any of these bits.
fn any_bit(mask: u32, matched: libc::sock_filter) -> Vec<libc::sock_filter> {
    vec![load(argument(0)), jump(libc::BPF_JSET, mask, 0, 1), matched, answer(libc::SECCOMP_RET_ALLOW)]
}

/// Refused unless the argument has these bits.
fn requiring(index: u32, bits: u32, errno: libc::c_int) -> [libc::sock_filter; 4] {
    [load(argument(index)), jump(libc::BPF_JSET, bits, 0, 1), answer(libc::SECCOMP_RET_ALLOW), refuse(errno)]
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

/// Binary search over the segments.
fn tree(segments: &[(u32, libc::sock_filter)]) -> Vec<libc::sock_filter> {
    if let [(_, only)] = segments {
        return vec![*only];
    }
    let (low, high) = segments.split_at(segments.len() / 2);
    let Some((first, _)) = high.first() else { return Vec::new() };
    let low = tree(low);
    // INVARIANT: the jump fits in a byte: there are fewer than 128 segments on each side (tested below).
    let mut code = vec![jump(libc::BPF_JGE, *first, u8::try_from(low.len()).unwrap_or(u8::MAX), 0)];
    code.extend(low);
    code.extend(tree(high));
    code
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k }
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn jump(kind: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | kind | libc::BPF_K, jt, jf, k)
}

fn answer(value: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, value)
}

fn refuse(errno: libc::c_int) -> libc::sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

pub(super) fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

/// Offset of the low half of an argument in `seccomp_data`. The kernel ignores the high half of the ints tested here.
fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// The supervisor decides.
#[expect(clippy::cast_possible_truncation, reason = "instruction codes have 16 bits")]
const ASK: libc::sock_filter = libc::sock_filter {
    code: (libc::BPF_RET | libc::BPF_K) as u16,
    jt: 0,
    jf: 0,
    k: libc::SECCOMP_RET_USER_NOTIF,
};
const NUMBER_OFFSET: u32 = 0;
const ARCH_OFFSET: u32 = 4;
#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xC000_00B7;
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
        tests::run_with(&program, libc::SYS_socket, arguments) == libc::SECCOMP_RET_ALLOW
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
pub(super) mod tests {
    use super::*;

    /// What the program answers, by an interpreter of the instructions used here.
    fn run(program: &[libc::sock_filter], call: libc::c_long, [first, second]: [u64; 2]) -> u32 {
        run_with(program, call, [first, second, 0])
    }

    pub(in crate::child) fn run_with(
        program: &[libc::sock_filter],
        call: libc::c_long,
        arguments: [u64; 3],
    ) -> u32 {
        run_as(program, AUDIT_ARCH, number(call), arguments)
    }

    /// The same for a call that is made by the numbers of this architecture.
    fn run_as(program: &[libc::sock_filter], architecture: u32, call: u32, arguments: [u64; 3]) -> u32 {
        let read = |offset: u32| match offset {
            NUMBER_OFFSET => call,
            ARCH_OFFSET => architecture,
            16 => (arguments[0] & 0xffff_ffff) as u32,
            24 => (arguments[1] & 0xffff_ffff) as u32,
            32 => (arguments[2] & 0xffff_ffff) as u32,
            other => panic!("offset {other}"),
        };
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let taken = match u32::from(step.code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    value = read(step.k);
                    continue;
                }
                code if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K => {
                    value &= step.k;
                    continue;
                }
                code if code == libc::BPF_RET | libc::BPF_K => return step.k,
                code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => value == step.k,
                code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => value >= step.k,
                code if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K => value & step.k != 0,
                code => panic!("instruction {code}"),
            };
            at += usize::from(if taken { step.jt } else { step.jf });
        }
    }

    fn errno(value: libc::c_int) -> u32 {
        libc::SECCOMP_RET_ERRNO | value.cast_unsigned()
    }

    #[test]
    fn exactly_the_listed_calls_are_allowed() {
        let program = program(&ExecPolicy::Deny);
        let special = [
            libc::SYS_clone3,
            libc::SYS_clone,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_connect,
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_ioctl,
            libc::SYS_prctl,
        ];
        let allowed = syscalls::allowed();
        for call in 0..1024_u32 {
            if special.contains(&libc::c_long::from(call)) {
                continue;
            }
            let expected = if asked(&ExecPolicy::Deny).contains(&call) {
                libc::SECCOMP_RET_USER_NOTIF
            } else if allowed.contains(&call) {
                libc::SECCOMP_RET_ALLOW
            } else if call > syscalls::NEWEST_KNOWN {
                errno(libc::ENOSYS)
            } else {
                errno(libc::EPERM)
            };
            assert_eq!(run(&program, libc::c_long::from(call), [0, 0]), expected, "call {call}");
        }
    }

    #[test]
    fn calls_by_the_numbers_of_another_architecture_end_the_process() {
        // `linux/audit.h`: i386, arm, aarch64 big-endian, riscv64, and none.
        for other in [0x4000_0003, 0x4000_0028, 0x8000_00B7, 0xC000_00F3, 0, AUDIT_ARCH ^ 0x4000_0000] {
            for policy in [ExecPolicy::Deny, ExecPolicy::Audit, ExecPolicy::Allow] {
                for call in [0, 1, 20, 39, 59, 0x4000_0000, u32::MAX] {
                    let answer = run_as(&program(&policy), other, call, [0; 3]);
                    assert_eq!(answer, libc::SECCOMP_RET_KILL_PROCESS, "{other:x} {call:x}");
                }
            }
        }
    }

    #[test]
    fn calls_of_the_second_numbering_do_not_exist() {
        let program = program(&ExecPolicy::Allow);
        for call in (0..1024).map(|call| call | 0x4000_0000).chain([0x7fff_ffff, 0xC000_0000, u32::MAX]) {
            assert_eq!(run_as(&program, AUDIT_ARCH, call, [0; 3]), errno(libc::ENOSYS), "{call:x}");
        }
    }

    #[test]
    fn namespace_flags_are_refused_in_clone_and_clone3_does_not_exist() {
        let program = program(&ExecPolicy::Deny);
        assert_eq!(run(&program, libc::SYS_clone3, [0, 0]), errno(libc::ENOSYS));
        assert_eq!(run(&program, libc::SYS_clone, [0x0120_0011, 0]), libc::SECCOMP_RET_ALLOW);
        for flag in
            [0x0002_0000_u64, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]
        {
            let asked = run(&program, libc::SYS_clone, [flag | 0x11, 0]);
            assert_eq!(asked, libc::SECCOMP_RET_USER_NOTIF, "{flag:x}");
        }
    }

    #[test]
    fn only_three_socket_families_and_no_raw_sockets() {
        let program = program(&ExecPolicy::Deny);
        for family in 0..64_u64 {
            let expected = match family {
                1 | 2 | 10 => libc::SECCOMP_RET_ALLOW,
                _ => libc::SECCOMP_RET_USER_NOTIF,
            };
            assert_eq!(
                run(&program, libc::SYS_socket, [family, 1 | 0o2_000_000]),
                expected,
                "family {family}"
            );
        }
        for kind in [0, 3, 4, 5, 6, 10] {
            for family in [2, 10] {
                let asked = run(&program, libc::SYS_socket, [family, kind]);
                assert_eq!(asked, libc::SECCOMP_RET_USER_NOTIF, "type {kind}");
            }
        }
        assert_eq!(run(&program, libc::SYS_socketpair, [1, 1]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(run(&program, libc::SYS_socketpair, [2, 1]), errno(libc::EAFNOSUPPORT));
    }

    #[test]
    fn of_netlink_there_is_the_protocol_of_routes_as_the_c_library_asks_for_it() {
        let program = program(&ExecPolicy::Allow);
        let ask = |kind, protocol| run_with(&program, libc::SYS_socket, [16, kind, protocol]);
        assert_eq!([ask(3, 0), ask(3 | 0o2_004_000, 0)], [libc::SECCOMP_RET_ALLOW; 2]);
        for protocol in 1..64 {
            assert_eq!(ask(3, protocol), libc::SECCOMP_RET_USER_NOTIF, "protocol {protocol}");
        }
        for kind in [0, 1, 2, 4, 5, 6, 10] {
            assert_eq!(ask(kind, 0), libc::SECCOMP_RET_USER_NOTIF, "type {kind}");
        }
    }

    #[test]
    fn calls_that_are_missing_do_not_exist_and_others_are_as_before() {
        let list = ExecPolicy::List(vec!["/var/task/tool".to_owned()]);
        for policy in [ExecPolicy::Allow, ExecPolicy::Deny, list] {
            let (all, some) = (program(&policy), program_without(&policy, &[libc::SYS_memfd_create]));
            let missing = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
            assert_eq!(run(&some, libc::SYS_memfd_create, [0, u64::from(MFD_NOEXEC_SEAL)]), missing);
            assert_ne!(run(&all, libc::SYS_memfd_create, [0, u64::from(MFD_NOEXEC_SEAL)]), missing);
            for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_clone3, libc::SYS_bpf] {
                assert_eq!(run(&all, call, [0, 0]), run(&some, call, [0, 0]));
            }
        }
    }

    #[test]
    fn sockets_of_other_protocols_than_tcp_and_udp_do_not_exist() {
        let program = program(&ExecPolicy::Allow);
        // ICMP, DCCP, SCTP, UDP-Lite, SMC, MPTCP.
        for protocol in [1, 33, 132, 136, 256, 262] {
            for (family, kind) in [(2, 1), (2, 2), (10, 1), (10, 2)] {
                let answered = run_with(&program, libc::SYS_socket, [family, kind, protocol]);
                // Of datagrams the supervisor is told before it gives the same answer.
                let told = libc::SECCOMP_RET_USER_NOTIF;
                let expected = if kind == 2 { told } else { errno(libc::EPROTONOSUPPORT) };
                assert_eq!(answered, expected, "{family} {kind} {protocol}");
            }
        }
        for family in [2, 10] {
            let told = libc::SECCOMP_RET_USER_NOTIF;
            for (kind, own, other, refused) in [(1, 6, 17, errno(libc::EPROTONOSUPPORT)), (2, 17, 6, told)] {
                let ask =
                    |protocol| run_with(&program, libc::SYS_socket, [family, kind | 0o2_004_000, protocol]);
                assert_eq!([ask(0), ask(own)], [libc::SECCOMP_RET_ALLOW; 2]);
                assert_eq!(ask(other), refused, "{family} {kind} {other}");
            }
        }
    }

    #[test]
    fn requests_to_devices_that_nothing_needs_are_unknown() {
        let program = program(&ExecPolicy::Allow);
        // NS_GET_USERNS, FS_IOC_SETFLAGS, BTRFS_IOC_SNAP_CREATE, KVM_CREATE_VM, TUNSETIFF, FIBMAP, SIOCSIFFLAGS.
        for request in [0xb701, 0x4008_6602, 0x5000_9401, 0xae01, 0x4004_54ca, 0x1, 0x8914] {
            assert_eq!(run(&program, libc::SYS_ioctl, [0, request]), errno(libc::ENOTTY), "{request:x}");
        }
        for request in syscalls::IOCTL_REQUESTS {
            let answered = run(&program, libc::SYS_ioctl, [0, u64::from(request)]);
            assert_eq!(answered, libc::SECCOMP_RET_ALLOW, "{request:x}");
        }
    }

    #[test]
    fn calls_that_name_files_are_shown_to_the_supervisor_of_a_managed_runtime() {
        let (deny, allow) = (program(&ExecPolicy::Deny), program(&ExecPolicy::Allow));
        for call in [libc::SYS_openat, libc::SYS_openat2, libc::SYS_mkdirat, libc::SYS_truncate] {
            assert_eq!(run(&deny, call, [0, 0]), libc::SECCOMP_RET_USER_NOTIF);
            assert_eq!(run(&allow, call, [0, 0]), libc::SECCOMP_RET_ALLOW);
        }
        // Watching is no permission, and telling calls are in no list of allowed ones.
        let allowed: Vec<libc::c_long> = syscalls::allowed().into_iter().map(libc::c_long::from).collect();
        assert!(notify::watched().all(|call| allowed.contains(&call)));
        assert!(notify::telling().all(|call| !allowed.contains(&call)));
    }

    #[test]
    fn exec_is_asked_of_the_supervisor_unless_allowed() {
        let (deny, allow) = (program(&ExecPolicy::Deny), program(&ExecPolicy::Allow));
        for call in [libc::SYS_execve, libc::SYS_execveat] {
            assert_eq!(run(&deny, call, [0, 0]), libc::SECCOMP_RET_USER_NOTIF);
            assert_eq!(run(&allow, call, [0, 0]), libc::SECCOMP_RET_ALLOW);
        }
        assert_eq!(run(&allow, libc::SYS_connect, [0, 0]), libc::SECCOMP_RET_USER_NOTIF);
    }

    #[test]
    fn typing_into_terminals_and_shedding_the_death_signal_are_refused() {
        let program = program(&ExecPolicy::Allow);
        assert_eq!(run(&program, libc::SYS_ioctl, [0, 0x5412]), errno(libc::EPERM));
        assert_eq!(run(&program, libc::SYS_ioctl, [0, 0x5401]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(run(&program, libc::SYS_prctl, [1, 0]), errno(libc::EPERM));
        assert_eq!(run(&program, libc::SYS_prctl, [22, 0]), errno(libc::EPERM));
        assert_eq!(run(&program, libc::SYS_prctl, [15, 0]), libc::SECCOMP_RET_ALLOW);
    }

    #[test]
    fn limits_and_priorities_of_others_cannot_be_set() {
        let program = program(&ExecPolicy::Allow);
        for call in [
            libc::SYS_prlimit64,
            libc::SYS_sched_setscheduler,
            libc::SYS_sched_setparam,
            libc::SYS_setpriority,
        ] {
            assert_eq!(run(&program, call, [0, 0]), libc::SECCOMP_RET_ALLOW, "{call}");
            assert_eq!(run(&program, call, [1, 0]), errno(libc::EPERM), "{call}");
        }
        assert_eq!(run(&program, libc::SYS_setpriority, [0, 1]), errno(libc::EPERM));
        assert_eq!(run(&program, libc::SYS_setpriority, [2, 0]), errno(libc::EPERM));
    }

    #[test]
    fn jumps_fit_in_a_byte() {
        let segments = segments(&syscalls::allowed(), &asked(&ExecPolicy::Deny));
        assert!(tree(&segments).len() < 500);
        assert!(segments.len() < 250);
    }
}
