//! Starts QEMU or Firecracker with nothing but its own files: the launcher becomes it after giving everything else up.
//!
//! No network, no other process's queues, an own user where there is root, a few megabytes of files, no core, no new
//! privileges, and Landlock over every path that was not named. The program's own filter of system calls comes on top.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
};
use rustix::{
    fs::{FileType, Mode},
    mount::MountPropagationFlags,
    process::{Gid, Resource, Rlimit, Signal, Uid, setrlimit},
    thread::UnshareFlags,
};

/// First argument of a program that is to be the launcher.
pub(crate) const NAME: &str = "casemate-confine";

/// Reads its arguments, gives up what was not named, and becomes the program after `--`.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Err(error) = run(arguments);
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("casemate confine: {error}\n"));
    ExitCode::FAILURE
}

#[derive(Default)]
struct Wishes {
    writable: Vec<PathBuf>,
    readable: Vec<PathBuf>,
    executable: Vec<PathBuf>,
    devices: Vec<PathBuf>,
    user: Option<u32>,
    memory_mb: Option<u64>,
    /// How large a file may be that it writes; none: [`FILE_BYTES_MAX`].
    file_mb: Option<u64>,
    /// Files through which control groups are entered.
    groups: Vec<PathBuf>,
    /// Whose child it is; where that has ended, nothing is started.
    parent: Option<i32>,
    program: Vec<OsString>,
}

fn run(arguments: impl Iterator<Item = OsString>) -> io::Result<std::convert::Infallible> {
    let wishes = parse(arguments)?;
    let mut program = wishes.program.iter();
    let path = program.next().ok_or_else(|| invalid("no program"))?;
    die_with(wishes.parent)?;
    for entrance in &wishes.groups {
        std::fs::write(entrance, "0")?;
    }
    limits(&wishes)?;
    isolate(wishes.user)?;
    if let Some(user) = wishes.user {
        for device in &wishes.devices {
            own_device(device, &wishes, user)?;
        }
        become_user(user)?;
        // Changing the user clears the death signal.
        die_with(wishes.parent)?;
    }
    restrict(&wishes).map_err(io::Error::other)?;
    Err(Command::new(path).args(program).env_clear().exec())
}

/// Ends with the server, however that ends.
fn die_with(parent: Option<i32>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    // It may have gone before the signal was asked for.
    if parent.is_some() && now == parent { Ok(()) } else { Err(invalid("the server has ended")) }
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Wishes> {
    let mut wishes = Wishes::default();
    while let Some(name) = arguments.next() {
        if name == "--" {
            wishes.program = arguments.collect();
            return Ok(wishes);
        }
        let value = arguments.next().ok_or_else(|| invalid("an option has no value"))?;
        match name.to_str() {
            Some("--writable") => wishes.writable.push(value.into()),
            Some("--readable") => wishes.readable.push(value.into()),
            Some("--executable") => wishes.executable.push(value.into()),
            Some("--file-mb") => {
                let most = value.to_str().and_then(|text| text.parse().ok());
                wishes.file_mb = Some(most.ok_or_else(|| invalid("size of files"))?);
            }
            Some("--device") => wishes.devices.push(value.into()),
            Some("--memory-mb") => {
                wishes.memory_mb = value.to_str().and_then(|text| text.parse().ok());
            }
            Some("--group") => wishes.groups.push(value.into()),
            Some("--parent") => wishes.parent = value.to_str().and_then(|text| text.parse().ok()),
            Some("--user") => {
                let user = value.to_str().and_then(|text| text.parse().ok()).filter(|user| *user != 0);
                wishes.user = Some(user.ok_or_else(|| invalid("user"))?);
            }
            _ => return Err(invalid("unknown option")),
        }
    }
    Err(invalid("no program"))
}

fn limits(wishes: &Wishes) -> io::Result<()> {
    let memory = wishes.memory_mb.ok_or_else(|| invalid("no memory limit"))?;
    let address_space = memory.saturating_add(OWN_MB).saturating_mul(1 << 20);
    let mut limits = vec![(Resource::As, address_space)];
    // Counted per user: only where the user is the machine's own.
    limits.extend(wishes.user.map(|_| (Resource::Nproc, THREADS_MAX)));
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    for (resource, most) in [
        (Resource::Core, 0),
        (Resource::Fsize, wishes.file_mb.map_or(FILE_BYTES_MAX, |most| most.saturating_mul(1 << 20))),
        (Resource::Nofile, DESCRIPTORS_MAX),
        (Resource::Memlock, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Namespaces of its own. Without root they come with a user namespace.
fn isolate(user: Option<u32>) -> io::Result<()> {
    let mut flags = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWNS;
    if user.is_none() {
        flags |= UnshareFlags::NEWUSER;
    }
    #[expect(
        deprecated,
        reason = "its successor is unsafe for shared descriptor tables, which are not unshared here"
    )]
    let isolated = rustix::thread::unshare(flags);
    Ok(isolated?)
}

/// Makes a device usable for the user, in this mount namespace only: a node of its own over the host's.
fn own_device(device: &Path, wishes: &Wishes, user: u32) -> io::Result<()> {
    let found = rustix::fs::stat(device)?;
    let folder = wishes.writable.first().ok_or_else(|| invalid("a device needs a folder"))?;
    let node = folder.join("device");
    let (owner, group) = (Uid::from_raw(user), Gid::from_raw(user));
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &node, FileType::CharacterDevice, mode, found.st_rdev)?;
    rustix::fs::chown(&node, Some(owner), Some(group))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private)?;
    Ok(rustix::mount::mount_bind(&node, device)?)
}

fn become_user(user: u32) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(user));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    Ok(rustix::thread::set_thread_res_uid(user, user, user)?)
}

fn restrict(wishes: &Wishes) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Kernels before 6.2 know no rule for truncating.
    let (mut rules, abi) = match ruleset(ABI::V3) {
        Ok(rules) => (rules, ABI::V3),
        Err(_) => (ruleset(ABI::V1)?, ABI::V1),
    };
    // No links and no pipes: what it makes in its folder is what the host opens there.
    let mut own = AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::ReadDir
        | AccessFs::MakeReg
        | AccessFs::MakeSock
        | AccessFs::RemoveFile;
    if abi == ABI::V3 {
        own |= AccessFs::Truncate;
    }
    let read = AccessFs::from_read(abi);
    for path in &wishes.writable {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, own))?;
    }
    for path in &wishes.readable {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, AccessFs::ReadFile))?;
    }
    for path in &wishes.executable {
        let execute = AccessFs::ReadFile | AccessFs::Execute;
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, execute))?;
    }
    for path in &wishes.devices {
        rules =
            rules.add_rule(PathBeneath::new(PathFd::new(path)?, AccessFs::ReadFile | AccessFs::WriteFile))?;
    }
    // Its program, libraries and firmware.
    for path in SYSTEM_FOLDERS {
        if let Ok(folder) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(folder, read))?;
        }
    }
    if let Ok(file) = PathFd::new(LOADER_CACHE) {
        rules = rules.add_rule(PathBeneath::new(file, AccessFs::ReadFile))?;
    }
    let status = rules.restrict_self()?;
    if status.ruleset != RulesetStatus::FullyEnforced || !status.no_new_privs {
        return Err("Landlock is not in force".into());
    }
    Ok(())
}

/// Every access that this version of Landlock knows is to be ruled, or there is no ruleset.
fn ruleset(abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules.handle_access(AccessFs::from_all(abi))?.create()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

const SYSTEM_FOLDERS: [&str; 4] = ["/usr", "/lib", "/lib64", "/proc/self"];
const LOADER_CACHE: &str = "/etc/ld.so.cache";
/// Address space beside the guest's memory: translated code, stacks, libraries. Most of it is never touched.
const OWN_MB: u64 = 2_048;
pub(crate) const THREADS_MAX: u64 = 64;
/// The console and the program's own words. QEMU's guest's memory is not a file of a folder and already has its size.
const FILE_BYTES_MAX: u64 = 1 << 20;
const DESCRIPTORS_MAX: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> io::Result<Wishes> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn wishes_that_are_not_understood_start_nothing() {
        assert!(
            parsed(&["--writable", "/a", "--user", "7", "--memory-mb", "64", "--", "/bin/x", "-y"]).is_ok()
        );
        for bad in [
            &["--", "x"][..0],
            &["--writable", "/a"],
            &["--writable"],
            &["--user", "0", "--", "x"],
            &["--user", "root", "--", "x"],
            &["--file-mb", "all", "--", "x"],
            &["--everything", "yes", "--", "x"],
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_started_for_a_server_that_has_ended() {
        assert!(die_with(None).is_err());
        assert!(die_with(Some(1 << 29)).is_err());
    }

    #[test]
    fn program_without_a_memory_limit_is_not_started() {
        assert!(limits(&Wishes::default()).is_err());
    }
}
