//! A virtual machine's process on the host, whichever program it is: its folder, the launcher it is started by, its life.
//! Knows nothing of what runs in the guest, nor how the program is spoken to.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::{DirBuilderExt, FileExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use casemate_sandbox::{OuterGroup, OuterLimits};
use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::sync::watch;

use crate::{confine, roll};

/// The files a machine is started from.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The program that makes machines.
    pub(crate) monitor: PathBuf,
    /// The launcher.
    pub(crate) launcher: PathBuf,
    pub(crate) kernel: PathBuf,
    pub(crate) initramfs: PathBuf,
    /// The device of hardware virtualisation.
    pub(crate) device: PathBuf,
    /// Who makes control groups for machines.
    pub(crate) groups: Option<casemate_sandbox::Driver>,
}

/// One start of a program.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// The program; a name within the machine's folder, or a path of the host's system.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// What it reads, by the names in its folder under which it is linked.
    pub(crate) reads: Vec<(&'static str, &'a Path)>,
    /// Which of them it executes.
    pub(crate) executes: Option<&'static str>,
    /// Its standard input.
    pub(crate) input: Option<&'a OwnedFd>,
    pub(crate) ram_mb: u64,
    /// How large a file may be that it writes; none: a few words.
    pub(crate) file_mb: Option<u64>,
    /// Whether its output is the guest's console.
    pub(crate) prints_console: bool,
    /// Whether the guest's processor is a program. Otherwise it is given the device.
    pub(crate) is_emulated: bool,
}

/// A running machine. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) folder: PathBuf,
    /// What in it is the machine's own, by descriptor: names of sockets must be short.
    place: OwnedFd,
    pidfd: OwnedFd,
    ended: watch::Receiver<bool>,
    dropped: Arc<AtomicBool>,
    is_emulated: bool,
}

impl Process {
    /// Starts it in a folder of its own.
    pub(crate) fn start(files: &Files, state: &Path, start: Start<'_>) -> io::Result<Self> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = state.join(format!("vm-{}-{number}", std::process::id()));
        // Its sockets are for this machine's user and for the server only.
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let mut linked = start.reads.iter();
        let made = linked
            .try_for_each(|(name, path)| fs::hard_link(path, folder.join(name)))
            .and_then(|()| fs::DirBuilder::new().mode(0o700).create(folder.join(OWN)))
            .and_then(|()| Self::spawn(files, &folder, start, number));
        made.inspect_err(|_| {
            let _ = fs::remove_dir_all(&folder);
        })
    }

    fn spawn(files: &Files, folder: &Path, start: Start<'_>, number: u64) -> io::Result<Self> {
        let mut command = launched(files, folder, &start, number)?;
        let group = files.groups.as_ref().map(|groups| group(groups, start.ram_mb)).transpose()?;
        for entrance in group.iter().flat_map(OuterGroup::entrances) {
            command.arg("--group").arg(entrance);
        }
        command.arg("--").arg(start.program).args(start.arguments);
        let own = folder.join(OWN);
        let input = start.input.map(OwnedFd::try_clone).transpose()?;
        let output = start.prints_console.then(|| File::create(own.join("console"))).transpose()?;
        command
            .env_clear()
            .current_dir(folder)
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .stdout(output.map_or_else(Stdio::null, Stdio::from))
            .stderr(Stdio::from(File::create(own.join("errors"))?));
        // Before there is a process that would have to be ended again.
        let place = File::open(folder.join(OWN))?.into();
        let (done, ended) = watch::channel(false);
        let (tell, started) = std::sync::mpsc::sync_channel(1);
        let dropped = Arc::new(AtomicBool::new(false));
        let (unwanted, removed) = (Arc::clone(&dropped), folder.to_path_buf());
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
            if unwanted.load(Ordering::SeqCst) {
                // Until now the program could make files in it.
                let _ = fs::remove_dir_all(&removed);
            }
            done.send_replace(true);
            drop(group);
            drop(entry);
        })?;
        let pidfd = started.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
        Ok(Self {
            folder: folder.to_path_buf(),
            place,
            pidfd,
            ended,
            dropped,
            is_emulated: start.is_emulated,
        })
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
        self.is_emulated
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL);
    }

    /// The end of what the guest's console and the program itself said, for people.
    pub(crate) fn last_words(&self) -> String {
        let mut words = String::new();
        for name in ["console", "errors"] {
            let text = last_bytes(&self.folder.join(OWN).join(name)).unwrap_or_default();
            words.push_str(&String::from_utf8_lossy(&text));
        }
        words.chars().filter(|letter| !letter.is_control() || *letter == '\n').collect()
    }
}

/// The last bytes of a file that may be as large as a guest's memory, in a folder where the machine may put what it likes.
fn last_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = vec![0; LAST_WORDS_BYTES];
    let from = about.len().saturating_sub(LAST_WORDS_BYTES as u64);
    let read = file.read_at(&mut bytes, from)?;
    bytes.truncate(read);
    Ok(bytes)
}

impl Drop for Process {
    fn drop(&mut self) {
        // First, or the keeper would not know.
        self.dropped.store(true, Ordering::SeqCst);
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The launcher with its wishes; what it becomes and the groups it enters are to follow.
fn launched(files: &Files, folder: &Path, start: &Start<'_>, number: u64) -> io::Result<Command> {
    let mut command = Command::new(&files.launcher);
    command.arg(confine::NAME).arg("--parent").arg(std::process::id().to_string());
    // By names within its folder: its user may not pass the folders above.
    command.arg("--writable").arg(OWN).arg("--memory-mb").arg(start.ram_mb.to_string());
    for (name, _) in &start.reads {
        command.arg("--readable").arg(name);
    }
    if let Some(name) = start.executes {
        command.arg("--executable").arg(name);
    }
    if let Some(file_mb) = start.file_mb {
        command.arg("--file-mb").arg(file_mb.to_string());
    }
    if rustix::process::geteuid().is_root() {
        let user = user(number);
        // What it reads is not its own: it may only pass.
        std::os::unix::fs::chown(folder, None, Some(user))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o710))?;
        std::os::unix::fs::chown(folder.join(OWN), Some(user), Some(user))?;
        command.arg("--user").arg(user.to_string());
    }
    if !start.is_emulated {
        command.arg("--device").arg(&files.device);
    }
    Ok(command)
}

fn user(number: u64) -> u32 {
    FIRST_USER + u32::try_from(number % USERS).unwrap_or(0)
}

/// A control group for a machine: its memory and the program's own, its threads, at most one processor for a small one.
fn group(groups: &casemate_sandbox::Driver, ram_mb: u64) -> io::Result<OuterGroup> {
    let limits = OuterLimits { memory_mb: ram_mb + PROGRAM_MB, pids_max: confine::THREADS_MAX };
    groups.outer_group(limits).map_err(io::Error::other)
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

/// What the program itself may hold beside the guest's memory: translated code above all.
const PROGRAM_MB: u64 = 512;
/// The only folder that a machine's program may write to. Beside it lie the files it reads, which are not copies: they are
/// shared with every machine that is started later.
pub(crate) const OWN: &str = "own";
/// Names in a machine's folder.
pub(crate) const KERNEL: &str = "kernel";
pub(crate) const INITRAMFS: &str = "initramfs";
static STARTED: AtomicU64 = AtomicU64::new(0);
/// Users that machines run as when the server is root: far from people's, containers' and environments'.
const FIRST_USER: u32 = 1_900_000_000;
const USERS: u64 = 10_000;
const LAST_WORDS_BYTES: usize = 1_500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_console_only_the_end_is_read_and_of_what_is_no_file_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let console = folder.path().join("console");
        let file = File::create(&console).unwrap();
        // Without room on the disk: more than could be read into memory.
        let end = 1 << 42;
        file.write_all_at(b"the end", end).unwrap();
        let bytes = last_bytes(&console).unwrap();
        assert!(bytes.len() == LAST_WORDS_BYTES && bytes.ends_with(b"\0the end"));
        fs::write(&console, "short").unwrap();
        assert_eq!(last_bytes(&console).unwrap(), b"short");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&console, &link).unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR).unwrap();
        for path in [&link, &pipe, folder.path()] as [&Path; 3] {
            assert!(last_bytes(path).is_err(), "{}", path.display());
        }
    }
}
