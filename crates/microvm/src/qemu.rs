//! QEMU as a process: its command line, its files, its life. Knows nothing of what runs in the guest.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use casemate_sandbox::{OuterGroup, OuterLimits};
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::sync::watch;

use crate::{
    confine, guest,
    protocol::{CODE_DISK, PORT_NAME, RUNTIME_DISK},
    roll,
};

/// How the guest's processor is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Accelerator {
    Kvm,
    Emulation,
}

/// The files a machine is started from.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) qemu: PathBuf,
    /// The launcher.
    pub(crate) launcher: PathBuf,
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: PathBuf,
    /// Who makes control groups for machines.
    pub(crate) groups: Option<casemate_sandbox::Driver>,
}

/// One start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) accelerator: Accelerator,
    pub(crate) ram_mb: u64,
    /// Runtime disk, code disk.
    pub(crate) disks: Option<(&'a Path, &'a Path)>,
    pub(crate) memory: Memory,
    /// For process 1.
    pub(crate) agent_argument: &'static str,
}

/// How the guest's memory is mapped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Memory {
    /// Writes go to the file: a machine that becomes a template.
    Shared,
    /// Writes stay in the process: a clone, which waits for its device state.
    PrivateIncoming,
}

/// A running QEMU. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) folder: PathBuf,
    /// What in it is the machine's own, by descriptor: names of sockets must be short.
    place: OwnedFd,
    pidfd: OwnedFd,
    ended: watch::Receiver<bool>,
    accelerator: Accelerator,
}

impl Process {
    /// Starts it in a folder of its own. `ram` becomes its standard input, which is where it finds the guest's memory.
    pub(crate) fn start(files: &Files, state: &Path, launch: Launch<'_>, ram: &OwnedFd) -> io::Result<Self> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = state.join(format!("vm-{}-{number}", std::process::id()));
        // Its sockets are for this machine's user and for the server only.
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let made = link_files(files, &folder, launch)
            .and_then(|()| fs::DirBuilder::new().mode(0o700).create(folder.join(OWN)))
            .and_then(|()| Self::spawn(files, &folder, launch, ram, number));
        made.inspect_err(|_| {
            let _ = fs::remove_dir_all(&folder);
        })
    }

    fn spawn(
        files: &Files,
        folder: &Path,
        launch: Launch<'_>,
        ram: &OwnedFd,
        number: u64,
    ) -> io::Result<Self> {
        let mut command = Command::new(&files.launcher);
        command.arg(confine::NAME).arg("--parent").arg(std::process::id().to_string());
        // By names within its folder: its user may not pass the folders above.
        command.arg("--writable").arg(OWN).arg("--memory-mb").arg(launch.ram_mb.to_string());
        for (name, _) in linked(files, launch) {
            command.arg("--readable").arg(name);
        }
        if rustix::process::geteuid().is_root() {
            let user = FIRST_USER + u32::try_from(number % USERS).unwrap_or(0);
            // What it reads is not its own: it may only pass.
            std::os::unix::fs::chown(folder, None, Some(user))?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o710))?;
            std::os::unix::fs::chown(folder.join(OWN), Some(user), Some(user))?;
            command.arg("--user").arg(user.to_string());
        }
        if launch.accelerator == Accelerator::Kvm {
            command.arg("--device").arg("/dev/kvm");
        }
        let group = files.groups.as_ref().map(|groups| group(groups, launch.ram_mb)).transpose()?;
        for entrance in group.iter().flat_map(OuterGroup::entrances) {
            command.arg("--group").arg(entrance);
        }
        command.arg("--").arg(&files.qemu).args(arguments(launch));
        let errors = File::create(folder.join(OWN).join("errors"))?;
        command
            .env_clear()
            .current_dir(folder)
            .stdin(Stdio::from(ram.try_clone()?))
            .stdout(Stdio::null())
            .stderr(Stdio::from(errors));
        // Before there is a process that would have to be ended again.
        let place = File::open(folder.join(OWN))?.into();
        let (done, ended) = watch::channel(false);
        let (tell, started) = std::sync::mpsc::sync_channel(1);
        // The death signal follows the thread that started a process: this one lives as long as the machine.
        thread::Builder::new().name("vm-keeper".into()).spawn(move || {
            let (mut child, entry) = match spawn_held(&mut command) {
                Ok((child, pidfd, entry)) => {
                    let _ = tell.send(Ok(pidfd));
                    (child, entry)
                }
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _ = child.wait();
            done.send_replace(true);
            drop(group);
            drop(entry);
        })?;
        let pidfd = started.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
        Ok(Self { folder: folder.to_path_buf(), place, pidfd, ended, accelerator: launch.accelerator })
    }

    /// A socket of its own.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.place.as_raw_fd()))
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }

    pub(crate) fn is_emulated(&self) -> bool {
        self.accelerator == Accelerator::Emulation
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL);
    }

    /// The end of what the guest's console and QEMU itself said, for people.
    pub(crate) fn last_words(&self) -> String {
        let mut words = String::new();
        for name in ["console", "errors"] {
            let text = fs::read(self.folder.join(OWN).join(name)).unwrap_or_default();
            let from = text.len().saturating_sub(LAST_WORDS_BYTES);
            words.push_str(&String::from_utf8_lossy(text.get(from..).unwrap_or_default()));
        }
        words.chars().filter(|letter| !letter.is_control() || *letter == '\n').collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A control group for a machine: its memory and QEMU's own, its threads, at most one processor for a small one.
fn group(groups: &casemate_sandbox::Driver, ram_mb: u64) -> io::Result<OuterGroup> {
    let limits = OuterLimits { memory_mb: ram_mb + QEMU_MB, pids_max: confine::THREADS_MAX };
    groups.outer_group(limits).map_err(io::Error::other)
}

/// The files a machine reads, by their names in its folder.
fn linked<'a>(files: &'a Files, launch: Launch<'a>) -> Vec<(&'static str, &'a Path)> {
    let mut all = vec![(KERNEL, files.kernel.as_path()), (INITRAMFS, files.initramfs.as_path())];
    if let Some((runtime, code)) = launch.disks {
        all.extend([(RUNTIME_DISK, runtime), (CODE_DISK, code)]);
    }
    all
}

fn link_files(files: &Files, folder: &Path, launch: Launch<'_>) -> io::Result<()> {
    linked(files, launch).into_iter().try_for_each(|(name, path)| fs::hard_link(path, folder.join(name)))
}

/// Starts a process, takes hold of it and enters it in the roll.
fn spawn_held(command: &mut Command) -> io::Result<(Child, OwnedFd, roll::Entry)> {
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let held = pid.ok_or_else(|| io::Error::other("process id"));
    let held = held.and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    match held.and_then(|pidfd| roll::enter(&pidfd).map(|entry| (pidfd, entry))) {
        Ok((pidfd, entry)) => Ok((child, pidfd, entry)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Memory for a guest, in a file without a name.
pub(crate) fn memory(ram_mb: u64) -> io::Result<OwnedFd> {
    let file = memfd_create(c"casemate-guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, ram_mb << 20)?;
    Ok(file)
}

/// Makes memory unchangeable for everyone; private mappings of it stay possible. Fails while a machine still has it.
pub(crate) fn seal(memory: &OwnedFd) -> io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    Ok(fcntl_add_seals(memory, seals)?)
}

fn arguments(launch: Launch<'_>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: &str| all.extend([name.into(), value.into()]);
    add("-M", "microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=on,x-option-roms=off,memory-backend=m");
    let (accelerator, processor) = match launch.accelerator {
        Accelerator::Kvm => ("kvm", "host,-arch-capabilities"),
        Accelerator::Emulation => ("tcg,tb-size=64", "qemu64"),
    };
    add("-accel", accelerator);
    add("-cpu", processor);
    add("-m", &launch.ram_mb.to_string());
    let share = if launch.memory == Memory::Shared { "on" } else { "off" };
    let size = launch.ram_mb;
    add(
        "-object",
        &format!("memory-backend-file,id=m,size={size}M,mem-path=/proc/self/fd/0,share={share},prealloc=off"),
    );
    if launch.memory == Memory::Shared {
        let argument = launch.agent_argument;
        add("-append", &format!("{KERNEL_ARGUMENTS} -- {} {argument}", guest::NAME));
    }
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        all.push(flag.into());
    }
    let mut add = |name: &str, value: &str| all.extend([name.into(), value.into()]);
    add("-display", "none");
    add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add("-global", "virtio-mmio.force-legacy=false");
    add("-serial", &format!("file:{OWN}/console"));
    add("-qmp", &format!("unix:{OWN}/qmp,server=on,wait=off"));
    if launch.memory == Memory::PrivateIncoming {
        add("-incoming", "defer");
    }
    if launch.memory == Memory::Shared {
        add("-kernel", KERNEL);
        add("-initrd", INITRAMFS);
    }
    if launch.disks.is_some() {
        for serial in [RUNTIME_DISK, CODE_DISK] {
            add("-drive", &format!("file={serial},if=none,id={serial},format=raw,readonly=on"));
            add("-device", &format!("virtio-blk-device,drive={serial},serial={serial}"));
        }
        add("-chardev", &format!("socket,id=port,path={OWN}/port,server=on,wait=off"));
        add("-device", "virtio-serial-device");
        add("-device", &format!("virtserialport,chardev=port,name={PORT_NAME}"));
    }
    all
}

/// What QEMU itself may hold beside the guest's memory: translated code above all.
const QEMU_MB: u64 = 512;
/// The only folder that a machine's QEMU may write to. Beside it lie the files it reads, which are not copies: they are shared
/// with every machine that is started later.
pub(crate) const OWN: &str = "own";
/// Names in a machine's folder.
const KERNEL: &str = "kernel";
const INITRAMFS: &str = "initramfs";
static STARTED: AtomicU64 = AtomicU64::new(0);
/// Users that QEMU runs as when the server is root: far from people's, containers' and environments'.
const FIRST_USER: u32 = 1_900_000_000;
const USERS: u64 = 10_000;
const LAST_WORDS_BYTES: usize = 1_500;
/// Without the clock's arguments emulated kernels hang while they measure it.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 reboot=t tsc=reliable no_timer_check \
    tsc_early_khz=1000000 lpj=4000000 random.trust_cpu=off";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_has_no_network_card_and_no_defaults() {
        let path = PathBuf::from("/f");
        let launch = Launch {
            accelerator: Accelerator::Emulation,
            ram_mb: 256,
            disks: Some((&path, &path)),
            memory: Memory::Shared,
            agent_argument: "boot",
        };
        let all: Vec<String> =
            arguments(launch).into_iter().map(|text| text.into_string().unwrap()).collect();
        assert!(all.iter().any(|text| text == "-nodefaults"));
        assert!(all.iter().any(|text| text == "-no-user-config"));
        let card = |text: &String| {
            ["-net", "-nic", "-netdev"].contains(&text.as_str()) || text.contains("virtio-net")
        };
        assert!(!all.iter().any(card), "{all:?}");
        assert_eq!(all.iter().filter(|text| text.contains("readonly=on")).count(), 2);
    }

    #[test]
    fn sealed_memory_cannot_be_written() {
        let file = memory(1).unwrap();
        assert_eq!(rustix::io::pwrite(&file, b"x", 0).unwrap(), 1);
        seal(&file).unwrap();
        assert!(rustix::io::pwrite(&file, b"y", 0).is_err());
    }
}
