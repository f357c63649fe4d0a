// tidy: table
//! The allow-list of system calls: what CPython, Node.js, Ruby, Java and ordinary compiled programs use. A call is here because
//! it was seen (`tests/filter/recorded.txt`) or for a reason that is written down (`tests/filter/reasons.txt`); a test compares.
//!
//! Left out on purpose, among others: mount family, unshare, setns, ptrace, process_vm_*, pidfd_getfd, kcmp, bpf,
//! perf_event_open, userfaultfd, io_uring and aio, key management, module and kexec calls, clock setting, quotactl,
//! personality, seccomp and landlock themselves, System V and POSIX message queues, sync and syncfs (they would
//! stall the host), vmsplice, memfd_secret, file handles.

/// The highest number this table was checked against; newer calls answer ENOSYS.
pub(super) const NEWEST_KNOWN: u32 = 467;

/// prctl options allowed: dumpable, the names of threads, child subreaper, no_new_privs.
/// INVARIANT: PR_SET_PDEATHSIG (1) is not here: an environment must die with the spawner.
pub(super) const PRCTL_OPTIONS: [u32; 5] = [4, 15, 16, 36, 38];

/// ioctl requests allowed: is it a terminal and how wide, waiting bytes, non-blocking, close-on-exec, clones of files, and
/// questions about interfaces. There is no terminal and no device inside that would know others.
pub(super) const IOCTL_REQUESTS: [u32; 14] = [
    0x5401,
    0x5413,
    0x541b,
    0x5421,
    0x5450,
    0x5451,
    0x4004_9409,
    0x8910,
    0x8912,
    0x8913,
    0x891b,
    0x8921,
    0x8927,
    0x8933,
];

/// Sorted numbers of all calls allowed whatever their arguments.
pub(super) fn allowed() -> Vec<u32> {
    let mut numbers: Vec<u32> =
        COMMON.iter().chain(LEGACY).filter_map(|number| u32::try_from(*number).ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[rustfmt::skip]
const COMMON: &[libc::c_long] = &[
    // files
    libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64, libc::SYS_pwrite64,
    libc::SYS_preadv, libc::SYS_pwritev, libc::SYS_preadv2, libc::SYS_pwritev2, libc::SYS_openat, libc::SYS_openat2,
    libc::SYS_close, libc::SYS_close_range, libc::SYS_lseek, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx,
    libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_getdents64,
    libc::SYS_getcwd, libc::SYS_chdir, libc::SYS_fchdir, libc::SYS_readlinkat, libc::SYS_mkdirat, libc::SYS_unlinkat,
    libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_mknodat, libc::SYS_fchmod, libc::SYS_fchmodat,
    libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_umask, libc::SYS_truncate, libc::SYS_ftruncate,
    libc::SYS_fallocate, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_flock,
    libc::SYS_fcntl, libc::SYS_dup, libc::SYS_dup3, libc::SYS_pipe2, libc::SYS_sendfile, libc::SYS_splice,
    libc::SYS_copy_file_range, libc::SYS_fadvise64, libc::SYS_getxattr,
    libc::SYS_lgetxattr, libc::SYS_fgetxattr, libc::SYS_listxattr, libc::SYS_llistxattr, libc::SYS_flistxattr,
    libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr, libc::SYS_removexattr, libc::SYS_lremovexattr,
    libc::SYS_fremovexattr, libc::SYS_memfd_create,
    // waiting
    libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    libc::SYS_eventfd2, libc::SYS_signalfd4, libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime, libc::SYS_timerfd_gettime, libc::SYS_inotify_init1, libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // sockets (socket, socketpair and connect have rules of their own)
    libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_getsockname,
    libc::SYS_getpeername, libc::SYS_getsockopt, libc::SYS_setsockopt, libc::SYS_sendto, libc::SYS_recvfrom,
    libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_sendmmsg, libc::SYS_recvmmsg, libc::SYS_shutdown,
    // memory
    libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect, libc::SYS_madvise, libc::SYS_mincore,
    libc::SYS_msync, libc::SYS_mlock, libc::SYS_munlock,     libc::SYS_brk, libc::SYS_membarrier, libc::SYS_pkey_alloc, libc::SYS_pkey_free, libc::SYS_pkey_mprotect,
        // processes and threads (clone has a rule of its own)
    libc::SYS_exit, libc::SYS_exit_group, libc::SYS_wait4, libc::SYS_waitid, libc::SYS_set_tid_address,
    libc::SYS_set_robust_list, libc::SYS_futex, libc::SYS_rseq, libc::SYS_getpid,
    libc::SYS_getppid, libc::SYS_gettid, libc::SYS_getpgid, libc::SYS_setpgid, libc::SYS_getsid, libc::SYS_setsid,
    libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal,
    libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity, libc::SYS_sched_getparam,
    libc::SYS_sched_setparam, libc::SYS_sched_getscheduler, libc::SYS_sched_setscheduler,     libc::SYS_sched_get_priority_max, libc::SYS_sched_get_priority_min, libc::SYS_sched_rr_get_interval,
    libc::SYS_getpriority, libc::SYS_setpriority, libc::SYS_getrlimit, libc::SYS_setrlimit, libc::SYS_prlimit64,
    libc::SYS_getrusage, libc::SYS_times, libc::SYS_getcpu, libc::SYS_sysinfo, libc::SYS_uname, libc::SYS_getrandom,
    // users
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getresuid,
    libc::SYS_getresgid, libc::SYS_getgroups, libc::SYS_capget,
    // signals
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend, libc::SYS_rt_sigtimedwait,     libc::SYS_sigaltstack, libc::SYS_restart_syscall,
    // time
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep,
    libc::SYS_gettimeofday, libc::SYS_getitimer, libc::SYS_setitimer, libc::SYS_timer_create,
    libc::SYS_timer_settime, libc::SYS_timer_delete,
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const LEGACY: &[libc::c_long] = &[
    libc::SYS_open, libc::SYS_creat, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink,
    libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_unlink, libc::SYS_rename, libc::SYS_renameat, libc::SYS_link,
    libc::SYS_symlink, libc::SYS_mknod, libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown,     libc::SYS_utimes, libc::SYS_dup2, libc::SYS_pipe, libc::SYS_poll,
    libc::SYS_select, libc::SYS_epoll_wait,     libc::SYS_inotify_init, libc::SYS_fork, libc::SYS_vfork, libc::SYS_getpgrp, libc::SYS_alarm, libc::SYS_pause,
    libc::SYS_time, libc::SYS_arch_prctl,
];

#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[libc::c_long] = &[libc::SYS_renameat];
