//! The machines of this process that have not ended. A server that stops ends them and waits, so that it leaves neither processes
//! nor control groups; one that is killed leaves the latter to be swept by the next.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Signal, pidfd_send_signal};

#[derive(Debug)]
struct Roll {
    closed: bool,
    last: u64,
    machines: BTreeMap<u64, OwnedFd>,
}

static ROLL: Mutex<Roll> = Mutex::new(Roll { closed: false, last: 0, machines: BTreeMap::new() });
static CHANGED: Condvar = Condvar::new();

/// A machine's entry, for as long as anything of it is there.
#[derive(Debug)]
pub(crate) struct Entry(u64);

/// Enters a machine; refused when all are to end.
pub(crate) fn enter(process: &OwnedFd) -> io::Result<Entry> {
    let process = process.try_clone()?;
    let mut roll = locked();
    if roll.closed {
        return Err(io::Error::other("the server is stopping"));
    }
    roll.last += 1;
    let number = roll.last;
    roll.machines.insert(number, process);
    Ok(Entry(number))
}

impl Drop for Entry {
    fn drop(&mut self) {
        locked().machines.remove(&self.0);
        CHANGED.notify_all();
    }
}

/// Ends every machine of this process, for good: none is started any more. Waits, at most for `limit`; how many are left then.
pub fn end_all(limit: Duration) -> usize {
    let mut roll = locked();
    roll.closed = true;
    for process in roll.machines.values() {
        let _ = pidfd_send_signal(process.as_fd(), Signal::KILL);
    }
    let waited = CHANGED.wait_timeout_while(roll, limit, |roll| !roll.machines.is_empty());
    waited.map_or_else(|poisoned| poisoned.into_inner().0.machines.len(), |(roll, _)| roll.machines.len())
}

fn locked() -> MutexGuard<'static, Roll> {
    ROLL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    fn sleeper() -> (Child, OwnedFd) {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        (child, pidfd_open(pid, PidfdFlags::empty()).unwrap())
    }

    #[test]
    fn all_end_and_none_is_started_afterwards() {
        let (mut child, process) = sleeper();
        let entry = enter(&process).unwrap();
        assert_eq!(end_all(Duration::ZERO), 1, "what has not been taken leave of is still there");
        assert!(!child.wait().unwrap().success());
        drop(entry);
        assert_eq!(end_all(Duration::ZERO), 0);
        assert!(enter(&process).is_err());
    }
}
