// tidy: table
//! Refused calls that no ordinary program makes: whoever tries one wants out, so the supervisor is told before it is refused.
//!
//! Other refused calls are answered in the kernel without anybody knowing; asking costs microseconds, and libraries try some
//! calls only to see whether they are there.

/// What the supervisor answers and records of a call of this table, or of a listed call with refused arguments.
pub(super) fn refused(call: libc::c_long, arguments: [u64; 6]) -> Option<(libc::c_int, String)> {
    // The kernel ignores the high half of these.
    let [first, second, third, ..] = arguments.map(|argument| argument & 0xffff_ffff);
    if call == libc::SYS_clone {
        return Some((libc::EPERM, "clone into new namespaces".to_owned()));
    }
    if call == libc::SYS_socket {
        let family = first;
        if [libc::AF_INET, libc::AF_INET6].iter().any(|known| u64::from(known.cast_unsigned()) == family) {
            if second & 0xf == u64::from(libc::SOCK_DGRAM.cast_unsigned()) {
                return Some((libc::EPROTONOSUPPORT, format!("datagram socket of protocol {third}")));
            }
            return Some((libc::EPERM, "raw socket".to_owned()));
        }
        if family == u64::from(libc::AF_NETLINK.cast_unsigned()) {
            return Some((libc::EAFNOSUPPORT, format!("netlink socket of protocol {third}")));
        }
        return Some((libc::EAFNOSUPPORT, format!("socket of family {family}")));
    }
    let (_, name) = CALLS.iter().find(|(number, _)| *number == call)?;
    Some((libc::EPERM, (*name).to_owned()))
}

/// The calls of the table.
pub(crate) fn telling() -> impl Iterator<Item = libc::c_long> {
    CALLS.iter().map(|(number, _)| *number)
}

#[rustfmt::skip]
const CALLS: &[(libc::c_long, &str)] = &[
    // namespaces and mounts
    (libc::SYS_unshare, "unshare"), (libc::SYS_setns, "setns"), (libc::SYS_mount, "mount"), (libc::SYS_umount2, "umount2"),
    (libc::SYS_pivot_root, "pivot_root"), (libc::SYS_chroot, "chroot"), (libc::SYS_move_mount, "move_mount"),
    (libc::SYS_open_tree, "open_tree"), (libc::SYS_fsopen, "fsopen"), (libc::SYS_fsmount, "fsmount"),
    (libc::SYS_fspick, "fspick"), (libc::SYS_mount_setattr, "mount_setattr"),
    // other processes
    (libc::SYS_ptrace, "ptrace"), (libc::SYS_process_vm_readv, "process_vm_readv"),
    (libc::SYS_process_vm_writev, "process_vm_writev"), (libc::SYS_pidfd_getfd, "pidfd_getfd"), (libc::SYS_kcmp, "kcmp"),
    // the kernel itself
    (libc::SYS_bpf, "bpf"), (libc::SYS_perf_event_open, "perf_event_open"), (libc::SYS_userfaultfd, "userfaultfd"),
    (libc::SYS_io_uring_setup, "io_uring_setup"),
    (libc::SYS_init_module, "init_module"), (libc::SYS_finit_module, "finit_module"),
    (libc::SYS_delete_module, "delete_module"), (libc::SYS_kexec_load, "kexec_load"), (libc::SYS_syslog, "syslog"),
    (libc::SYS_reboot, "reboot"), (libc::SYS_acct, "acct"), (libc::SYS_swapon, "swapon"), (libc::SYS_swapoff, "swapoff"),
    (libc::SYS_quotactl, "quotactl"), (libc::SYS_fanotify_init, "fanotify_init"),
    (libc::SYS_open_by_handle_at, "open_by_handle_at"), (libc::SYS_sethostname, "sethostname"),
    (libc::SYS_setdomainname, "setdomainname"), (libc::SYS_settimeofday, "settimeofday"),
    (libc::SYS_clock_settime, "clock_settime"),
    // rules for files: ours are laid by the supervisor's leave, and nobody else can have made any
    (libc::SYS_landlock_restrict_self, "landlock_restrict_self"),
    // keys, and memory that outlives a process
    (libc::SYS_add_key, "add_key"), (libc::SYS_request_key, "request_key"), (libc::SYS_keyctl, "keyctl"),
    (libc::SYS_shmget, "shmget"), (libc::SYS_shmat, "shmat"), (libc::SYS_semget, "semget"), (libc::SYS_msgget, "msgget"),
    (libc::SYS_mq_open, "mq_open"),
    // other users
    (libc::SYS_setuid, "setuid"), (libc::SYS_setgid, "setgid"), (libc::SYS_setreuid, "setreuid"),
    (libc::SYS_setregid, "setregid"), (libc::SYS_setresuid, "setresuid"), (libc::SYS_setresgid, "setresgid"),
    (libc::SYS_setgroups, "setgroups"), (libc::SYS_capset, "capset"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_named_twice_and_each_is_refused() {
        let mut calls: Vec<_> = telling().collect();
        assert!(calls.iter().all(|call| refused(*call, [0; 6]).is_some_and(|(errno, _)| errno > 0)));
        calls.sort_unstable();
        let count = calls.len();
        calls.dedup();
        assert_eq!(calls.len(), count);
    }

    #[test]
    fn a_call_that_is_not_refused_is_not_in_the_table() {
        for call in [libc::SYS_openat, libc::SYS_execve, libc::SYS_connect, libc::SYS_read] {
            assert_eq!(refused(call, [0; 6]), None);
        }
    }

    #[test]
    fn sockets_are_refused_as_the_kernel_would_and_named() {
        let (call, rest) = (libc::SYS_socket, 0xdead_beef_0000_0000_u64);
        let refused = |family, kind, protocol| refused(call, [family | rest, kind, protocol, 0, 0, 0]);
        let icmp = (libc::EPROTONOSUPPORT, "datagram socket of protocol 1".to_owned());
        assert_eq!(refused(2, 2 | 0o2_004_000, 1), Some(icmp));
        assert_eq!(refused(10, 3, 1), Some((libc::EPERM, "raw socket".to_owned())));
        // `NETLINK_NETFILTER`.
        let netfilter = (libc::EAFNOSUPPORT, "netlink socket of protocol 12".to_owned());
        assert_eq!(refused(16, 3, 12), Some(netfilter));
        assert_eq!(refused(40, 1, 0), Some((libc::EAFNOSUPPORT, "socket of family 40".to_owned())));
    }
}
