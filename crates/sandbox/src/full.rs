//! Limits that the kernel holds without telling anybody: whether they are met is looked at when a request is over.
//!
//! What was full and is not any more is not seen. Knows nothing of events.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{spec::DESCRIPTORS_MAX, sys};

/// What was found full.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Full {
    pub(crate) tmp: bool,
    /// A process without a free descriptor.
    pub(crate) descriptors: Option<u32>,
}

impl Full {
    /// Looks at `/tmp` and at some processes.
    pub(crate) fn find(tmp: &OwnedFd, members: &[libc::pid_t]) -> Self {
        let mut looked_at = members.iter().take(PROCESSES_MAX);
        let descriptors = looked_at.find(|pid| has_all_descriptors(**pid)).map(|pid| pid.cast_unsigned());
        // One that cannot be asked any more is gone with its environment.
        let tmp = sys::has_room(tmp.as_fd(), TMP_LEFT_BYTES).is_ok_and(|has_room| !has_room);
        Self { tmp, descriptors }
    }
}

/// The table grows by doubling and never shrinks: where it is smaller, there is nothing to count. Counted in `fdinfo`, because
/// `fd` opens to the process's user only: a server without root may trace its environments, but is not their user.
fn has_all_descriptors(pid: libc::pid_t) -> bool {
    let status = sys::process_table(format!("/proc/{pid}/status")).unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")?.trim().parse().ok());
    if size.is_none_or(|size: u64| size < DESCRIPTORS_MAX) {
        return false;
    }
    let open = fs::read_dir(format!("/proc/{pid}/fdinfo")).map_or(0, Iterator::count);
    u64::try_from(open).is_ok_and(|open| open >= DESCRIPTORS_MAX)
}

/// Says it, if it has not been said.
pub(crate) fn is_news(said: &AtomicBool) -> bool {
    !said.swap(true, Ordering::Relaxed)
}

/// What has been said already.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) tmp: AtomicBool,
    pub(crate) descriptors: AtomicBool,
}

impl Said {
    pub(crate) fn forget(&self) {
        self.tmp.store(false, Ordering::Relaxed);
        self.descriptors.store(false, Ordering::Relaxed);
    }
}

/// With less than this left, `/tmp` is full. Ours: what does not fit is usually written in larger pieces.
const TMP_LEFT_BYTES: u64 = 4_096;
/// Processes of an environment that are looked at: requests that leave more are rare, and looking takes time.
const PROCESSES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_room_is_not_full() {
        let folder = tempfile::tempdir().unwrap();
        let opened = OwnedFd::from(fs::File::open(folder.path()).unwrap());
        assert_eq!(Full::find(&opened, &[sys::own_pid()]), Full::default());
        assert!(!sys::has_room(opened.as_fd(), u64::MAX).unwrap());
    }
}
