//! What one invocation leaves for the next: its processes never, its files and the state of `/tmp` where asked.
//!
//! Everything here is done from outside while the environment is frozen, so nothing inside can run meanwhile. Knows
//! nothing of invocations, nor of what the processes are.

use std::{
    ffi::{CString, OsStr, OsString},
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    environment::Environment,
    members::Members,
    residents::{Kept, Process, Residents},
    spec::ResetOutcome,
    sys,
};

impl Environment {
    /// The processes it has now.
    pub fn residents(&self) -> io::Result<Residents> {
        Ok(Residents::known(self.group.members()?.into_iter().filter_map(Process::find).collect()))
    }

    /// Whether there are processes besides the runtime, its companions and `residents`. While it runs more may come. An error:
    /// that could not be told, see [`crate::Unclear`].
    pub fn has_strays(&self, residents: &Residents) -> io::Result<bool> {
        Ok(!self.strays(&self.kept(residents)?)?.is_empty())
    }

    /// Kills every process that is not the runtime, no companion and none of `residents`, and waits until each has ended: what
    /// it held is free, and whoever it belongs to can take its end. While frozen, and frozen afterwards. Answers how many.
    ///
    /// A signal alone is not enough: what is killed dies when the scheduler comes to it, and until then its sockets are open
    /// and it is seen. An error means that something may be left; with [`crate::Unclear`] in it, that nobody was ended.
    pub async fn kill_strays(&self, residents: &Residents) -> io::Result<usize> {
        self.frozen()?;
        // Once: what asks may be ended by the first sweep, because it was there before it may have been.
        let kept = self.kept(residents)?;
        let mut killed = 0;
        for _ in 0..SWEEPS_MAX {
            let strays = self.strays(&kept)?;
            if strays.is_empty() {
                return Ok(killed);
            }
            self.end(&strays).await?;
            killed += strays.len();
        }
        Err(io::Error::from(io::ErrorKind::TimedOut))
    }

    /// Kills these and waits for their ends.
    async fn end(&self, strays: &[libc::pid_t]) -> io::Result<()> {
        let die_frozen = self.group.kills_frozen();
        if !die_frozen && strays.len() > ENDED_AT_ONCE_MAX {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        for some in strays.chunks(ENDED_AT_ONCE_MAX) {
            // Frozen, and not killed yet: the numbers cannot have passed to other processes.
            let ends = some.iter().map(|pid| sys::pidfd(*pid)).collect::<io::Result<Vec<_>>>()?;
            ends.iter().try_for_each(|pidfd| sys::pidfd_signal(pidfd.as_fd(), libc::SIGKILL))?;
            if !die_frozen {
                // The killed run no more of their own; what the others start meanwhile the next sweep finds.
                self.thaw().await?;
            }
            tokio::time::timeout(END_LIMIT, all_ended(ends)).await??;
            if !die_frozen || self.group.thaws_by_deaths() {
                self.freeze().await?;
            }
        }
        Ok(())
    }

    /// Ends the processes that are neither the runtime nor `residents`, while it runs; how many they were. None of them is
    /// there any more afterwards.
    pub async fn end_strays(&self, residents: &Residents) -> io::Result<usize> {
        // One that forks and ends again and again is always in the list: the new one is added at its end. What is unclear while
        // it runs may be clear when it has stopped.
        if self.group.lists_surely() && self.has_strays(residents).is_ok_and(|has_strays| !has_strays) {
            return Ok(0);
        }
        // Stopped first: what runs could fork faster than it is ended.
        let ended = match self.freeze().await {
            Ok(()) => self.kill_strays(residents).await,
            Err(error) => Err(error),
        };
        let thawed = self.thaw().await;
        let ended = ended?;
        thawed.map(|()| ended)
    }

    /// The runtime, its companions and the first of its processes, to whom belongs what loses its parent.
    fn own(&self) -> Vec<libc::pid_t> {
        let members = self.members.iter().flat_map(Members::pids);
        members.chain([self.pid]).map(u32::cast_signed).collect()
    }

    /// Whom `residents` means among the processes there are.
    fn kept(&self, residents: &Residents) -> io::Result<Kept> {
        residents.resolved(&self.own(), &self.group.members()?, self.runtime_api.local_addr()?)
    }

    fn strays(&self, kept: &Kept) -> io::Result<Vec<libc::pid_t>> {
        Ok(kept.strays(&self.own(), &self.group.members()?))
    }

    /// Between invocations, while frozen: kills every process but the runtime, empties `/tmp` and gives the folder back
    /// its rights and attributes.
    ///
    /// Without root the server may not touch the files of subordinate users: then this fails, and the environment
    /// must be replaced instead. So it is where there are companions: what they keep in memory is of earlier invocations.
    pub async fn reset(&self) -> io::Result<ResetOutcome> {
        if self.members.is_some() {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let strays = self.kill_strays(&Residents::default()).await?;
        let tmp = Arc::clone(&self.tmp);
        let emptied = tokio::task::spawn_blocking(move || restore(&tmp)).await;
        let tmp_entries = emptied.map_err(io::Error::other)??;
        Ok(ResetOutcome { strays, tmp_entries })
    }

    fn frozen(&self) -> io::Result<()> {
        if self.group.is_frozen()? {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "only a frozen environment can be reset"))
    }
}

/// Resolves when all have ended, so far that their parents can take their ends.
async fn all_ended(processes: Vec<OwnedFd>) -> io::Result<()> {
    for process in processes {
        drop(sys::watch(process)?.readable().await?);
    }
    Ok(())
}

/// Looks for processes that are left. One is enough where nothing runs meanwhile.
const SWEEPS_MAX: usize = 8;
/// Killed processes that are waited for at a time: a descriptor each.
const ENDED_AT_ONCE_MAX: usize = 64;
/// Dying takes a millisecond or two; on a machine in trouble the environment is replaced.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Empties the folder and makes it as it was mounted: nothing about it tells of those who used it.
fn restore(folder: &OwnedFd) -> io::Result<usize> {
    // First: flags and rights must not keep the folder from being emptied.
    clear_flags(folder)?;
    // SAFETY: an open descriptor and an integer.
    sys::check(libc::c_long::from(unsafe { libc::fchmod(folder.as_raw_fd(), TMP_MODE) }))?;
    let removed = empty(folder)?;
    remove_attributes(folder)?;
    let epoch = [libc::timespec { tv_sec: 0, tv_nsec: 0 }; 2];
    // SAFETY: an open descriptor and an array that outlives the call.
    sys::check(libc::c_long::from(unsafe { libc::futimens(folder.as_raw_fd(), epoch.as_ptr()) }))?;
    Ok(removed)
}

/// Takes back the flags a user can have set on the folder (see `chattr`); others belong to the file system.
fn clear_flags(folder: &OwnedFd) -> io::Result<()> {
    let mut flags: libc::c_int = 0;
    // SAFETY: an open descriptor; the kernel writes an int, whatever the number of the request says.
    let got = unsafe { libc::ioctl(folder.as_raw_fd(), libc::FS_IOC_GETFLAGS, &raw mut flags) };
    let without = |error: &io::Error| {
        // A file system without flags has none to clear.
        matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EOPNOTSUPP | libc::ENOSYS))
    };
    match sys::check(libc::c_long::from(got)) {
        Err(error) if without(&error) => return Ok(()),
        other => other.map(drop)?,
    }
    if flags & USER_FLAGS == 0 {
        return Ok(());
    }
    let cleared = flags & !USER_FLAGS;
    // SAFETY: an open descriptor and an int that outlives the call.
    let set = unsafe { libc::ioctl(folder.as_raw_fd(), libc::FS_IOC_SETFLAGS, &raw const cleared) };
    match sys::check(libc::c_long::from(set)) {
        Err(error) if without(&error) => Ok(()),
        other => other.map(drop),
    }
}

/// Secure deletion, undeletable, synchronous, immutable, append only, not dumped, no access times (linux/fs.h).
const USER_FLAGS: libc::c_int = 0x01 | 0x02 | 0x08 | 0x10 | 0x20 | 0x40 | 0x80;

/// As the file system was mounted.
const TMP_MODE: libc::mode_t = 0o1777;

/// Removes what a folder holds and says how many entries were at its top. Without recursion, with one descriptor and without
/// naming long paths: a tree as deep as the number of files allows would exhaust stack and descriptors of the server. Links
/// are not followed. Nothing is created or moved: files may be made there by users of the environment only.
fn empty(top: &OwnedFd) -> io::Result<usize> {
    let mut here = open_below(top, OsStr::new("."))?;
    let mut removed = 0;
    // What is left to do at each level from the top down to `here`; each name with whether it has been entered.
    let mut levels = vec![names(&here)?];
    while let Some(level) = levels.last_mut() {
        let Some((name, entered)) = level.pop() else {
            levels.pop();
            if !levels.is_empty() {
                here = open_below(&here, OsStr::new(".."))?;
            }
            continue;
        };
        match remove(&below(&here, &name)) {
            Ok(()) => removed += usize::from(levels.len() == 1),
            Err(error) if error.raw_os_error() == Some(libc::ENOTEMPTY) && !entered => {
                level.push((name.clone(), true));
                here = open_below(&here, &name)?;
                levels.push(names(&here)?);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

/// Names in a folder, none entered yet.
fn names(folder: &OwnedFd) -> io::Result<Vec<(OsString, bool)>> {
    let entries = fs::read_dir(below(folder, OsStr::new(".")))?;
    entries.map(|entry| Ok((entry?.file_name(), false))).collect()
}

fn below(folder: &OwnedFd, name: &OsStr) -> PathBuf {
    Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)
}

fn open_below(folder: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    Ok(fs::OpenOptions::new().read(true).custom_flags(flags).open(below(folder, name))?.into())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.raw_os_error() == Some(libc::EISDIR) => fs::remove_dir(path),
        other => other,
    }
}

fn remove_attributes(folder: &OwnedFd) -> io::Result<()> {
    let mut names = vec![0_u8; ATTRIBUTES_BYTES_MAX];
    // SAFETY: the buffer outlives the call and its length is passed.
    let length = unsafe { libc::flistxattr(folder.as_raw_fd(), names.as_mut_ptr().cast(), names.len()) };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        // A file system without attributes has none to remove.
        return if error.raw_os_error() == Some(libc::ENOTSUP) { Ok(()) } else { Err(error) };
    };
    names.truncate(length);
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = CString::new(name).map_err(io::Error::other)?;
        // SAFETY: an open descriptor and a string that outlives the call.
        let done = unsafe { libc::fremovexattr(folder.as_raw_fd(), name.as_ptr()) };
        sys::check(libc::c_long::from(done))?;
    }
    Ok(())
}

/// The kernel's limit on the list of names.
const ATTRIBUTES_BYTES_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_emptied_however_deep_it_is_and_gets_its_rights_back() {
        let folder = tempfile::tempdir().unwrap();
        let (top, deep) = (folder.path().join("tmp"), 1_000);
        fs::create_dir(&top).unwrap();
        fs::write(top.join("2"), "x").unwrap();
        let mut rest = top.clone();
        for level in 0..deep {
            // Built from the bottom: a path of that length could not be named.
            let above = folder.path().join(format!("above-{}", level % 2));
            fs::create_dir(&above).unwrap();
            if level > 0 {
                fs::rename(&rest, above.join("d")).unwrap();
            }
            fs::write(above.join("f"), "x").unwrap();
            rest = above;
        }
        fs::rename(&rest, top.join("d")).unwrap();
        std::os::unix::fs::symlink(folder.path(), top.join("link")).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o000)).unwrap();
        let opened = OwnedFd::from(fs::File::open(&top).unwrap());
        assert_eq!(restore(&opened).unwrap(), 3);
        assert_eq!(fs::read_dir(&top).unwrap().count(), 0);
        assert_eq!(fs::metadata(&top).unwrap().permissions().mode() & 0o7777, 0o1777);
        assert!(folder.path().exists());
    }
}
