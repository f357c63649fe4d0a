//! What one invocation leaves for the next: its processes never, its files and the state of `/tmp` where asked.
//!
//! Everything here is done from outside while the environment is frozen, so nothing inside can run meanwhile. Knows
//! nothing of invocations, nor of what the processes are.

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use crate::{environment::Environment, spec::ResetOutcome, sys};

/// Processes that are part of an environment rather than left over in it: those it had when its start was over.
#[derive(Clone, Debug, Default)]
pub struct Residents(Vec<Process>);

/// A process by number and start: numbers are used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Process {
    pid: libc::pid_t,
    started: u64,
}

impl Environment {
    /// The processes it has now.
    pub fn residents(&self) -> io::Result<Residents> {
        let of = |pid| started(pid).map(|started| Process { pid, started });
        Ok(Residents(self.group.members()?.into_iter().filter_map(of).collect()))
    }

    /// Whether there are processes besides the runtime and `residents`. While it runs more may come.
    pub fn has_strays(&self, residents: &Residents) -> io::Result<bool> {
        Ok(self.strays(residents)?.next().is_some())
    }

    /// Kills every process that is not the runtime and is none of `residents`. While frozen. Answers how many.
    pub fn kill_strays(&self, residents: &Residents) -> io::Result<usize> {
        self.frozen()?;
        let mut killed = 0;
        for pid in self.strays(residents)? {
            // Frozen: the number cannot have passed to another process.
            sys::kill(pid, libc::SIGKILL)?;
            killed += 1;
        }
        Ok(killed)
    }

    fn strays(&self, residents: &Residents) -> io::Result<impl Iterator<Item = libc::pid_t>> {
        let is_resident = |pid: libc::pid_t| {
            let known = residents.0.iter().find(|process| process.pid == pid);
            known.is_some_and(|process| started(pid) == Some(process.started))
        };
        let others = self.group.members()?.into_iter().filter(|pid| pid.cast_unsigned() != self.pid);
        Ok(others.filter(move |pid| !is_resident(*pid)))
    }

    /// Between invocations, while frozen: kills every process but the runtime, empties `/tmp` and gives the folder back
    /// its rights and attributes.
    ///
    /// Without root the server may not touch the files of subordinate users: then this fails, and the environment
    /// must be replaced instead.
    pub async fn reset(&self) -> io::Result<ResetOutcome> {
        let strays = self.kill_strays(&Residents::default())?;
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

/// When a process was started, in ticks since the machine's start. `None`: it is gone.
fn started(pid: libc::pid_t) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields after it are numbers.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(START_FIELD)?.parse().ok()
}

/// Field 22 of `/proc/PID/stat`, counted from the third.
const START_FIELD: usize = 19;

/// Empties the folder and makes it as it was mounted: nothing about it tells of those who used it.
fn restore(folder: &OwnedFd) -> io::Result<usize> {
    // First: rights taken away from the folder must not keep it from being emptied.
    // SAFETY: an open descriptor and an integer.
    sys::check(libc::c_long::from(unsafe { libc::fchmod(folder.as_raw_fd(), TMP_MODE) }))?;
    let removed = empty(&format!("/proc/self/fd/{}", folder.as_raw_fd()))?;
    remove_attributes(folder)?;
    let epoch = [libc::timespec { tv_sec: 0, tv_nsec: 0 }; 2];
    // SAFETY: an open descriptor and an array that outlives the call.
    sys::check(libc::c_long::from(unsafe { libc::futimens(folder.as_raw_fd(), epoch.as_ptr()) }))?;
    Ok(removed)
}

/// As the file system was mounted.
const TMP_MODE: libc::mode_t = 0o1777;

/// Removes what a folder holds, without recursion: a tree as deep as the number of files allows would exhaust stack and
/// descriptors of the server. Folders within folders are moved to the top until there are none. Links are not followed.
fn empty(path: &str) -> io::Result<usize> {
    let top = Path::new(path);
    let (mut removed, mut moved) = (0, 0_u64);
    loop {
        let entries = fs::read_dir(top)?.collect::<io::Result<Vec<_>>>()?;
        if entries.is_empty() {
            return Ok(removed);
        }
        for entry in entries {
            if entry.file_type()?.is_dir() {
                flatten(top, &entry.path(), &mut moved)?;
                fs::remove_dir(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
            removed += 1;
        }
    }
}

/// Removes the files of one folder and moves its folders to the top.
fn flatten(top: &Path, folder: &Path, moved: &mut u64) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()? {
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
            continue;
        }
        loop {
            *moved += 1;
            let taken = |error: &io::Error| {
                matches!(error.raw_os_error(), Some(libc::ENOTEMPTY | libc::EEXIST | libc::ENOTDIR))
            };
            match fs::rename(entry.path(), top.join(format!("{moved}"))) {
                // Somebody's file already has that name.
                Err(error) if taken(&error) && *moved < NAMES_MAX => {}
                other => break other?,
            }
        }
    }
    Ok(())
}

/// Names tried: more than twice as many as there can be files.
const NAMES_MAX: u64 = 200_000;

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
        fs::write(top.join("2"), "a file with a name that the emptying would use").unwrap();
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
        assert!(restore(&opened).unwrap() >= 3);
        assert_eq!(fs::read_dir(&top).unwrap().count(), 0);
        assert_eq!(fs::metadata(&top).unwrap().permissions().mode() & 0o7777, 0o1777);
        assert!(folder.path().exists());
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = libc::pid_t::try_from(std::process::id()).unwrap();
        assert_eq!(started(own), started(own));
        assert!(started(own).is_some() && started(libc::pid_t::MAX).is_none());
    }
}
