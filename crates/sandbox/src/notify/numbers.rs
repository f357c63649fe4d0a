//! Processes and threads as an environment numbers them.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
};

use crate::sys;

/// An environment's numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Its own `/proc`.
    proc: PathBuf,
    /// Threads that were asked for, by our numbers. What the kernel writes of one takes it twenty times as long as to say that it is
    /// still there.
    known: HashMap<u32, Known>,
}

/// A thread, by the environment's numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Own {
    pub(super) process: u32,
    pub(super) thread: u32,
}

#[derive(Debug)]
struct Known {
    /// Of `/proc`: this thread's while it lives, and then nobody's, whoever has its number.
    folder: OwnedFd,
    own: Own,
}

impl Numbers {
    /// `first_pid`: the first of its pid namespace, in our numbers.
    pub(super) fn of(first_pid: u32) -> Self {
        Self { proc: PathBuf::from(format!("/proc/{first_pid}/root/proc")), known: HashMap::new() }
    }

    /// Whether the environment has a process, or a thread, of this number: its own `/proc` knows.
    pub(super) fn has(&self, number: u32) -> bool {
        number != 0 && self.proc.join(number.to_string()).exists()
    }

    /// Whether a process of the environment has this thread.
    pub(super) fn is_thread_of(&self, process: u32, thread: u32) -> bool {
        let folder = format!("{process}/task/{thread}");
        process != 0 && thread != 0 && self.proc.join(folder).exists()
    }

    /// Which one a thread of our numbering is.
    pub(super) fn of_thread(&mut self, thread: u32) -> io::Result<Own> {
        if let Some(known) = self.known.get(&thread).filter(|known| is_there(&known.folder)) {
            return Ok(known.own);
        }
        let path = format!("/proc/{thread}");
        let folder = OwnedFd::from(File::open(&path)?);
        let own = innermost(&sys::process_table(format!("{path}/status"))?)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        // Read by number: of the one whose folder is held, if that is still there.
        if !is_there(&folder) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(thread, Known { folder, own });
        Ok(own)
    }
}

/// Whether the thread of a folder of `/proc` lives, or nobody has taken its end yet.
fn is_there(folder: &OwnedFd) -> bool {
    // SAFETY: an open descriptor, a NUL-terminated string, integers.
    unsafe { libc::faccessat(folder.as_raw_fd(), c"comm".as_ptr(), libc::F_OK, 0) == 0 }
}

/// The last of the numbers that a process and its thread have in the namespaces around them, of a `status`.
fn innermost(status: &str) -> Option<Own> {
    let last = |name: &str| {
        let numbers = status.lines().find_map(|line| line.strip_prefix(name))?;
        numbers.split_ascii_whitespace().next_back()?.parse().ok()
    };
    Some(Own { process: last("NStgid:")?, thread: last("NSpid:")? })
}

/// Descriptors of an environment whose threads signal each other without pause.
const KNOWN_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_that_of_the_innermost_namespace() {
        let status = "Name:\tNStgid:\t5\nUmask:\t0022\nTgid:\t81\nNStgid:\t81\t7\t2\nNSpid:\t82\t8\t3\n";
        assert_eq!(innermost(status), Some(Own { process: 2, thread: 3 }));
        let outermost = innermost("Name:\tx\nNStgid:\t81\nNSpid:\t82\n");
        assert_eq!(outermost, Some(Own { process: 81, thread: 82 }));
        for missing in ["Name:\tx\nNStgid:\n", "Name:\tNStgid:\t5\nNSpid:\t5\n", "NStgid:\t81\n"] {
            assert_eq!(innermost(missing), None);
        }
    }

    fn this_thread() -> u32 {
        // SAFETY: always succeeds.
        unsafe { libc::gettid() }.cast_unsigned()
    }

    #[test]
    fn a_thread_has_a_process_while_it_is_there() {
        let process = std::process::id();
        let mut numbers = Numbers::of(process);
        let thread = std::thread::scope(|scope| {
            let ask = scope.spawn(|| {
                let thread = this_thread();
                assert_ne!(thread, process);
                for _ in 0..2 {
                    assert_eq!(numbers.of_thread(thread).unwrap(), Own { process, thread });
                }
                assert!(numbers.is_thread_of(process, thread) && numbers.has(thread));
                assert!(!numbers.is_thread_of(1, thread) && !numbers.is_thread_of(process, 0));
                thread
            });
            ask.join().unwrap()
        });
        // It has been joined, and may still be on its way out.
        while numbers.of_thread(thread).is_ok() {
            std::thread::yield_now();
        }
        assert!(numbers.of_thread(0x3fff_ffff).is_err() && !numbers.has(0));
    }

    #[test]
    fn what_is_known_of_a_number_is_not_said_of_who_has_it_later() {
        let mut numbers = Numbers::of(std::process::id());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let folder = OwnedFd::from(File::open(format!("/proc/{}", child.id())).unwrap());
        child.wait().unwrap();
        // As if this thread had the number of one that has ended.
        let (thread, process) = (this_thread(), std::process::id());
        numbers.known.insert(thread, Known { folder, own: Own { process: 1, thread: 1 } });
        assert_eq!(numbers.of_thread(thread).unwrap(), Own { process, thread });
    }

    #[test]
    fn as_many_are_held_as_may_be_and_no_more() {
        let mut numbers = Numbers::of(std::process::id());
        for _ in 0..3 * KNOWN_MAX {
            std::thread::scope(|scope| {
                scope.spawn(|| numbers.of_thread(this_thread()).unwrap()).join().unwrap();
            });
        }
        assert!((1..=KNOWN_MAX).contains(&numbers.known.len()));
    }
}
