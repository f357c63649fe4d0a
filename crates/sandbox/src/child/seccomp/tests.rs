//! What the filter answers, call by call.

use super::*;
use crate::child::bpf::{run_as, run_with};

/// What the program answers of a call with these arguments.
fn run(program: &[libc::sock_filter], call: libc::c_long, [first, second]: [u64; 2]) -> u32 {
    run_with(program, call, [first, second, 0])
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
        let expected = if asked().contains(&call) {
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
        assert_eq!(run(&program, libc::SYS_socket, [family, 1 | 0o2_000_000]), expected, "family {family}");
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
            let ask = |protocol| run_with(&program, libc::SYS_socket, [family, kind | 0o2_004_000, protocol]);
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
fn executions_connections_signals_and_calls_that_name_files_are_shown_to_the_supervisor_whatever_the_rule_is()
{
    let list = ExecPolicy::List(vec!["/var/task/tool".to_owned()]);
    for policy in [ExecPolicy::Deny, ExecPolicy::Audit, list, ExecPolicy::Allow] {
        let program = program(&policy);
        for call in [libc::SYS_openat, libc::SYS_openat2, libc::SYS_mkdirat, libc::SYS_truncate] {
            assert_eq!(run(&program, call, [0, 0]), libc::SECCOMP_RET_USER_NOTIF);
        }
        for call in [libc::SYS_execve, libc::SYS_execveat, libc::SYS_connect, libc::SYS_kill] {
            assert_eq!(run(&program, call, [0, 0]), libc::SECCOMP_RET_USER_NOTIF);
        }
    }
    // Watching is no permission, and telling calls are in no list of allowed ones.
    let allowed: Vec<libc::c_long> = syscalls::allowed().into_iter().map(libc::c_long::from).collect();
    assert!(notify::watched().chain(notify::signalling()).all(|call| allowed.contains(&call)));
    assert!(notify::telling().all(|call| !allowed.contains(&call)));
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
    for call in
        [libc::SYS_prlimit64, libc::SYS_sched_setscheduler, libc::SYS_sched_setparam, libc::SYS_setpriority]
    {
        assert_eq!(run(&program, call, [0, 0]), libc::SECCOMP_RET_ALLOW, "{call}");
        assert_eq!(run(&program, call, [1, 0]), errno(libc::EPERM), "{call}");
    }
    assert_eq!(run(&program, libc::SYS_setpriority, [0, 1]), errno(libc::EPERM));
    assert_eq!(run(&program, libc::SYS_setpriority, [2, 0]), errno(libc::EPERM));
}

#[test]
fn jumps_fit_in_a_byte() {
    let segments = segments(&syscalls::allowed(), &asked());
    assert!(tree(&segments).len() < 500);
    assert!(segments.len() < 250);
}
