//! The root of an environment: the template's mounts, its own code, `/tmp` and `/proc`, and nothing else.
//!
//! Works on paths below the template's root until `pivot_root`; afterwards the host's tree is gone.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use crate::{
    child::ChildDescriptors,
    error::{Failure, Step, at},
    spawner::stage,
    sys,
    wire::Start,
};

/// Builds the root and moves into it.
pub(super) fn enter(start: &Start, fds: &ChildDescriptors) -> Result<(), Failure> {
    let root = stage::root_path(&start.template);
    let root_c = sys::c_path(&root).map_err(at(Step::BindRoot))?;
    // A copy of its own: mounts inherited from the spawner's tree are locked and could not become the root.
    let recursive = libc::MS_BIND | libc::MS_REC;
    sys::mount(Some(&root_c), &root_c, None, recursive, None).map_err(at(Step::BindRoot))?;
    std::env::set_current_dir(&root).map_err(at(Step::BindRoot))?;
    if let Some(code) = &fds.code {
        attach(code, "var/task", Step::MountCode)?;
    }
    if let Some(layers) = &fds.layers {
        attach(layers, "opt", Step::MountLayers)?;
    }
    mount_tmp(start).map_err(at(Step::MountTmp))?;
    // Before the covers below: the kernel lets us mount /proc only while the old one shows nothing less.
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let proc = |options| sys::mount(Some(c"proc"), c"proc", Some(c"proc"), flags, options);
    proc(Some(c"hidepid=2")).map_err(at(Step::MountProc))?;
    mask_proc()?;
    sys::pivot_root_here().map_err(at(Step::PivotRoot))?;
    sys::detach(c".").map_err(at(Step::DetachHost))?;
    std::env::set_current_dir(&start.working_dir).map_err(at(Step::WorkingDirectory))
}

fn attach(tree: &OwnedFd, target: &str, step: Step) -> Result<(), Failure> {
    sys::move_mount(tree.as_fd(), Path::new(target)).map_err(at(step))
}

fn mount_tmp(start: &Start) -> io::Result<()> {
    let options = format!("size={}m,nr_inodes={TMP_FILES_MAX},mode=1777", start.tmp_mb);
    let options = CString::new(options).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // DIVERGES: on AWS programs in /tmp can be executed; where executing is denied, /tmp says so as well.
    let execution = if start.exec_policy.is_closed() { libc::MS_NOEXEC } else { 0 };
    let flags = libc::MS_NOSUID | libc::MS_NODEV | execution;
    sys::mount(Some(c"tmpfs"), c"tmp", Some(c"tmpfs"), flags, Some(&options))
}

/// Covers what of `/proc` speaks of or to the kernel instead of the environment's processes.
fn mask_proc() -> Result<(), Failure> {
    let empty = sys::c_path(Path::new(stage::EMPTY)).map_err(at(Step::MaskProc))?;
    for name in MASKED {
        let Ok(kind) = fs::metadata(name) else { continue };
        let source: &CStr = if kind.is_dir() { &empty } else { c"dev/null" };
        let fail = |error| Failure::about(Step::MaskProc, &error, *name);
        let target = sys::c_path(Path::new(name)).map_err(fail)?;
        sys::mount(Some(source), &target, None, libc::MS_BIND, None).map_err(fail)?;
    }
    Ok(())
}

/// Files in `/tmp`: each costs kernel memory, which the memory limit counts too.
const TMP_FILES_MAX: u32 = 65_536;

const MASKED: &[&str] = &[
    "proc/acpi",
    "proc/bus",
    "proc/cmdline",
    "proc/config.gz",
    "proc/diskstats",
    "proc/driver",
    "proc/fs",
    "proc/interrupts",
    "proc/irq",
    "proc/kallsyms",
    "proc/kcore",
    "proc/key-users",
    "proc/keys",
    "proc/kmsg",
    "proc/locks",
    "proc/modules",
    "proc/partitions",
    "proc/pressure",
    "proc/scsi",
    "proc/swaps",
    "proc/sys",
    "proc/sysrq-trigger",
    "proc/sysvipc",
    "proc/timer_list",
    "proc/tty",
];
