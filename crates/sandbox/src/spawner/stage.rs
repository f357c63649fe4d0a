//! The spawner's own mount namespace and the runtime roots assembled in it.
//!
//! Roots lie on small tmpfs mounts over `/sys`, which is hidden in this namespace only: nothing is created on the
//! host, and nothing has to be cleaned up. Every mount of a root is read-only and ignores set-uid bits.

use std::{
    ffi::CStr,
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{DirBuilderExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use crate::{
    error::{Failure, Step},
    runtime_root::{Bind, BindKind, RootPlan},
    sys,
};

/// An empty directory for covering others.
pub(crate) const EMPTY: &str = "/sys/empty";
const STAGE: &str = "/sys";

/// Where a template's root lies in the spawner's mount namespace.
pub(crate) fn root_path(template: &str) -> PathBuf {
    Path::new("/sys/roots").join(template)
}

/// Leaves the host's mount namespace and makes the stage.
pub(super) fn enter() -> io::Result<()> {
    sys::unshare(libc::CLONE_NEWNS)?;
    sys::mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    let stage = sys::c_path(Path::new(STAGE))?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    sys::mount(Some(c"casemate"), &stage, Some(c"tmpfs"), flags, Some(c"size=1m,mode=755"))?;
    folder(Path::new(EMPTY))?;
    folder(Path::new("/sys/roots"))
}

/// Carries out a plan. On failure says which file it was, and nothing of the root is left.
pub(super) fn assemble(template: &str, plan: &RootPlan) -> Result<(), (PathBuf, io::Error)> {
    let root = root_path(template);
    let whole = |error| (root.clone(), error);
    folder(&root).map_err(whole)?;
    let target = sys::c_path(&root).map_err(whole)?;
    build(&root, &target, plan).inspect_err(|_| {
        // With all mounts in it. Where there was none yet, there is nothing to take away.
        let _ = sys::detach(&target);
        let _ = fs::remove_dir(&root);
    })
}

fn build(root: &Path, target: &CStr, plan: &RootPlan) -> Result<(), (PathBuf, io::Error)> {
    let whole = |error| (root.to_path_buf(), error);
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    let options = Some(c"size=16m,mode=755");
    sys::mount(Some(c"casemate-root"), target, Some(c"tmpfs"), flags, options).map_err(whole)?;
    // The loader looks for libraries in the two called `lib`, and for good takes a folder that is not there when a process starts
    // for one that never will be: processes that are shown their function's code later must find them.
    for name in ["var/task/lib", "var/runtime", "opt/lib", "tmp", "proc", "dev", "etc"] {
        folder(&root.join(name)).map_err(whole)?;
    }
    for bind in &plan.binds {
        place(root, bind).map_err(|error| (bind.mount.host.clone(), error))?;
    }
    for path in &plan.covers {
        cover(root, path).map_err(|error| (path.clone(), error))?;
    }
    for (path, bytes) in &plan.files {
        write(&inside(root, path), bytes).map_err(|error| (path.clone(), error))?;
    }
    for (path, link) in &plan.links {
        let path = inside(root, path);
        let made = parent(&path).and_then(|()| symlink(link, &path));
        // A runtime that lies where a link would go has precedence.
        made.or_else(exists_is_fine).map_err(|error| (path.clone(), error))?;
    }
    let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
    sys::mount(None, target, None, flags, None).map_err(whole)
}

/// A detached, read-only copy of the mount at a host directory, for `/var/task` and `/opt`.
pub(super) fn code_mount(path: &Path) -> Result<OwnedFd, Failure> {
    let fail = |error| Failure::about(Step::CodeMount, &error, path.display().to_string());
    if !fs::metadata(path).map_err(fail)?.is_dir() {
        return Err(fail(io::Error::from_raw_os_error(libc::ENOTDIR)));
    }
    let tree = sys::open_tree(path, false).map_err(fail)?;
    sys::mount_attributes(tree.as_fd(), READ_ONLY | NO_SET_USER | NO_DEVICES, false).map_err(fail)?;
    Ok(tree)
}

fn place(root: &Path, bind: &Bind) -> io::Result<()> {
    let target = inside(root, &bind.mount.at);
    let attributes = match bind.kind {
        BindKind::Device => READ_ONLY | NO_SET_USER | NO_EXECUTION,
        BindKind::File | BindKind::Directory => READ_ONLY | NO_SET_USER | NO_DEVICES,
    };
    if bind.kind == BindKind::Directory {
        folder(&target)?;
    } else {
        write(&target, &[]).or_else(exists_is_fine)?;
    }
    let tree = sys::open_tree(&bind.mount.host, false)?;
    sys::mount_attributes(tree.as_fd(), attributes, false)?;
    sys::move_mount(tree.as_fd(), &target)
}

fn cover(root: &Path, path: &Path) -> io::Result<()> {
    let tree = sys::open_tree(Path::new(EMPTY), false)?;
    sys::mount_attributes(tree.as_fd(), READ_ONLY | NO_SET_USER | NO_DEVICES | NO_EXECUTION, false)?;
    sys::move_mount(tree.as_fd(), &inside(root, path))
}

/// The place of an absolute path below the root. Plans are made by this crate or the operator, not by functions.
fn inside(root: &Path, path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| matches!(part, std::path::Component::Normal(_)));
    root.iter().map(PathBuf::from).chain(parts.map(|part| PathBuf::from(part.as_os_str()))).collect()
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    parent(path)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

fn parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), folder)
}

fn folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

fn exists_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

const READ_ONLY: u64 = 0x1;
const NO_SET_USER: u64 = 0x2;
const NO_DEVICES: u64 = 0x4;
const NO_EXECUTION: u64 = 0x8;
