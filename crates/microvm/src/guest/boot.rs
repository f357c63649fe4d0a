//! From the kernel's first root to the runtime disk, and the code disk when it is wanted: modules, disks, mounts. Knows nothing of the host.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    mount::{MountFlags, mount, mount_move},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space},
};

use super::{AGENT_PATH, CODE_MOUNT, NAME, SECOND_STAGE, about};
use crate::{
    initramfs::MODULES_FOLDER,
    protocol::{CODE_DISK, RUNTIME_DISK},
};

/// Loads the modules, mounts the runtime disk and becomes the agent that lies on the runtime disk.
pub(super) fn into_root() -> io::Result<()> {
    mount_kernel_file_systems()?;
    load_modules()?;
    let runtime = disk(RUNTIME_DISK)?;
    read_only(&runtime, "/root")?;
    empty_first_root();
    // pivot_root, which the sandbox uses, is not possible from the first root: the runtime disk is mounted over it.
    about("new root", rustix::process::chdir("/root"))?;
    about("new root", mount_move(".", "/"))?;
    about("new root", rustix::process::chroot("."))?;
    about("new root", rustix::process::chdir("/"))?;
    Err(Command::new(AGENT_PATH).args([NAME, SECOND_STAGE]).env_clear().exec())
}

/// The first root lies in memory: what was only needed to get here goes. It stays mapped until the next program is executed.
fn empty_first_root() {
    let _ = fs::remove_file("/init");
    for folder in [MODULES_FOLDER, "/lib", "/lib64", "/usr"] {
        let _ = fs::remove_dir_all(folder);
    }
}

/// Shows the function's code; its disk is not looked at before, so that a template without it serves every function.
/// The spawner has mounts of its own, which have to show it, too.
pub(super) fn mount_code(spawner_pid: u32) -> io::Result<()> {
    let device = disk(CODE_DISK)?;
    read_only(&device, CODE_MOUNT)?;
    let mounts = File::open(format!("/proc/{spawner_pid}/ns/mnt"))?;
    // A thread of its own: what enters other mounts cannot come back.
    let entered = thread::spawn(move || {
        #[expect(
            deprecated,
            reason = "its successor is unsafe for shared descriptor tables, which are not unshared here"
        )]
        about("own folders", rustix::thread::unshare(UnshareFlags::FS))?;
        let kind = Some(LinkNameSpaceType::Mount);
        about("spawner's mounts", move_into_link_name_space(mounts.as_fd(), kind))?;
        read_only(&device, CODE_MOUNT)
    });
    entered.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the agent panicked")))
}

/// What the second stage needs: the kernel's file systems again, memory for temporary files, control groups.
pub(super) fn mounts() -> io::Result<()> {
    mount_kernel_file_systems()?;
    let hidden = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    for folder in ["/tmp", "/run"] {
        about(folder, mount("casemate", folder, "tmpfs", hidden, Some(c"size=4m,mode=755")))?;
    }
    about("cgroups", mount("cgroup2", "/sys/fs/cgroup", "cgroup2", hidden, None))
}

fn mount_kernel_file_systems() -> io::Result<()> {
    let hidden = MountFlags::NOSUID | MountFlags::NOEXEC;
    about("/dev", mount("dev", "/dev", "devtmpfs", hidden, None))?;
    about("/proc", mount("proc", "/proc", "proc", hidden | MountFlags::NODEV, None))?;
    about("/sys", mount("sys", "/sys", "sysfs", hidden | MountFlags::NODEV, None))
}

fn load_modules() -> io::Result<()> {
    let found = fs::read_dir(MODULES_FOLDER)?.flatten().map(|entry| entry.path());
    let mut modules: Vec<PathBuf> = found.collect();
    modules.sort();
    for module in modules {
        about(&module.display().to_string(), rustix::system::finit_module(File::open(&module)?, c"", 0))?;
    }
    Ok(())
}

fn read_only(device: &Path, at: &str) -> io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    about(at, mount(device, at, "ext4", flags, Some(c"noload")))
}

/// The block device with this serial number; devices appear a little after their module.
fn disk(serial: &str) -> io::Result<PathBuf> {
    wait_for(&format!("disk {serial}"), || {
        let devices = fs::read_dir("/sys/block").ok()?.flatten();
        let is_it = |folder: &PathBuf| {
            fs::read_to_string(folder.join("serial")).is_ok_and(|text| text.trim() == serial)
        };
        let folder = devices.map(|entry| entry.path()).find(is_it)?;
        Some(Path::new("/dev").join(folder.file_name()?)).filter(|device| device.exists())
    })
}

/// Looks until it is there.
#[expect(
    clippy::disallowed_methods,
    reason = "the guest's own boot: no clock to be given, nothing else to do meanwhile"
)]
pub(super) fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> io::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if began.elapsed() > DEVICE_TIMEOUT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} did not appear")));
        }
        thread::sleep(DEVICE_PAUSE);
    }
}

/// Under emulation on a busy machine a device takes a second.
const DEVICE_TIMEOUT: Duration = Duration::from_mins(1);
const DEVICE_PAUSE: Duration = Duration::from_millis(10);
