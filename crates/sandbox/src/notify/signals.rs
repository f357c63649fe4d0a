//! Signals to processes and to threads of other processes, for the record: whom one is sent to, and whether there is anybody of
//! that number.
//!
//! They always go on: the namespace is the barrier, in which nobody else has a number. Runtimes signal their own threads all the
//! time (`raise`, pre-emption, collecting garbage), which is no event; a filter cannot tell whose a thread is, since processes that
//! were forked have the same one, so those are asked about too.
//!
//! Arguments are plain numbers and nobody's memory. Whose `tgkill` is, is certain: the asker's process cannot end before its call
//! has, and the kernel delivers nothing where the thread is not of the process that was named. `tkill` names no process: where a
//! thread of the asker's own ends after it was looked for, and its number passes to another process's new thread before the
//! call goes on, that one is signalled and nobody is told. Numbers come round again after all others were given.

use super::{Question, numbers::Numbers};
use crate::spec::Event;

/// The calls that are asked about.
pub(crate) fn signalling() -> impl Iterator<Item = libc::c_long> {
    [libc::SYS_kill, libc::SYS_pidfd_send_signal, libc::SYS_tgkill, libc::SYS_tkill].into_iter()
}

/// What there is to record of such a call. Nothing where one only looks whether a process of its own is there (signal 0), or
/// signals a thread of its own.
pub(super) fn sent(question: &Question, numbers: &mut Numbers) -> Option<Event> {
    let [first, second, third, ..] = question.data.args;
    // The kernel ignores the high halves.
    let [first, second, third] = [first, second, third].map(|argument| (argument & 0xffff_ffff) as u32);
    let (signal, (target, missing)) = match libc::c_long::from(question.data.nr) {
        libc::SYS_tgkill => (third, to_thread(question.pid, first, second, numbers)?),
        libc::SYS_tkill => (second, to_thread_alone(question.pid, first, numbers)?),
        libc::SYS_pidfd_send_signal => (second, (format!("the process of descriptor {first}"), false)),
        _ => (second, to_process(first.cast_signed(), numbers)),
    };
    let event = Event::Signal { pid: question.pid, signal: signal.cast_signed(), target, missing };
    (signal != 0 || missing).then_some(event)
}

/// Whom `kill` means, and whether there is nobody.
fn to_process(target: i32, numbers: &Numbers) -> (String, bool) {
    match target {
        0 => ("its own group".to_owned(), false),
        -1 => ("everybody".to_owned(), false),
        number if number < 0 => (format!("group {}", number.unsigned_abs()), false),
        number => (format!("process {number}"), !numbers.has(number.unsigned_abs())),
    }
}

/// A thread of a named process; `None` where that is the asker's own.
fn to_thread(asker: u32, process: u32, thread: u32, numbers: &mut Numbers) -> Option<(String, bool)> {
    if numbers.of_thread(asker).is_ok_and(|own| own.process == process) {
        return None;
    }
    let missing = !numbers.is_thread_of(process, thread);
    Some((format!("thread {} of process {}", thread.cast_signed(), process.cast_signed()), missing))
}

/// A thread, whosever it is; `None` where it is one of the asker's own process.
fn to_thread_alone(asker: u32, thread: u32, numbers: &mut Numbers) -> Option<(String, bool)> {
    let asker = numbers.of_thread(asker);
    // Mostly the asker means itself, which is quick to tell.
    if asker.is_ok_and(|own| own.thread == thread || numbers.is_thread_of(own.process, thread)) {
        return None;
    }
    Some((format!("thread {}", thread.cast_signed()), !numbers.has(thread)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom, which one, and whether there is nobody.
    type Said = (String, i32, bool);

    /// What is said of a call that this very thread makes.
    fn said(call: libc::c_long, arguments: [i64; 3]) -> Option<Said> {
        // SAFETY: all-zero bytes are a valid seccomp_notif.
        let mut question: Question = unsafe { std::mem::zeroed() };
        // SAFETY: always succeeds.
        question.pid = unsafe { libc::gettid() }.cast_unsigned();
        question.data.nr = i32::try_from(call).unwrap();
        let [first, second, third] = arguments.map(i64::cast_unsigned);
        question.data.args = [first, second, third, 0, 0, 0];
        match sent(&question, &mut Numbers::of(std::process::id()))? {
            Event::Signal { target, signal, missing, .. } => Some((target, signal, missing)),
            other => panic!("{other:?}"),
        }
    }

    fn told(target: &str, signal: i32, missing: bool) -> Said {
        (target.to_owned(), signal, missing)
    }

    /// More than any number of a process.
    const NOBODY: i64 = 0x3fff_ffff;

    #[test]
    fn whom_a_signal_goes_to_is_told_and_whether_there_is_anybody() {
        let kill = |target: i64, signal| said(libc::SYS_kill, [target, signal, 0]);
        let own = i64::from(std::process::id());
        assert_eq!(kill(own, 9), Some(told(&format!("process {own}"), 9, false)));
        assert_eq!(kill(NOBODY, 9), Some(told("process 1073741823", 9, true)));
        assert_eq!(kill(NOBODY, 0), Some(told("process 1073741823", 0, true)));
        assert_eq!(kill(own, 0), None);
        assert_eq!(kill(0, 15), Some(told("its own group", 15, false)));
        assert_eq!(kill(-1, 9), Some(told("everybody", 9, false)));
        assert_eq!(kill(-7, 9), Some(told("group 7", 9, false)));
        assert_eq!(kill(i64::from(i32::MIN), 9), Some(told("group 2147483648", 9, false)));
        // What the kernel does not look at.
        let high = 0xdead_0000_0000 | own;
        assert_eq!(kill(high, 0xbeef_0000_0009), Some(told(&format!("process {own}"), 9, false)));
        let descriptor = said(libc::SYS_pidfd_send_signal, [5, 15, 0]);
        assert_eq!(descriptor, Some(told("the process of descriptor 5", 15, false)));
    }

    #[test]
    fn threads_of_others_are_told_of_and_its_own_are_not() {
        let tgkill = |process, thread, signal| said(libc::SYS_tgkill, [process, thread, signal]);
        let tkill = |thread, signal| said(libc::SYS_tkill, [thread, signal, 0]);
        // SAFETY: always succeeds.
        let [thread, other] = [unsafe { libc::gettid() }, unsafe { libc::getppid() }].map(i64::from);
        let own = i64::from(std::process::id());
        assert_ne!(thread, own, "tests run in threads of their own");
        for thread in [thread, own] {
            assert_eq!([tgkill(own, thread, 6), tgkill(own, thread, 0)], [None, None]);
            assert_eq!([tkill(thread, 6), tkill(thread, 0)], [None, None]);
        }
        // What the kernel does not look at.
        assert_eq!(tgkill(0xdead_0000_0000 | own, thread, 6), None);
        // One that has ended is nobody else's.
        assert_eq!(tgkill(own, NOBODY, 6), None);

        let of_other = format!("thread {other} of process {other}");
        assert_eq!(tgkill(other, other, 9), Some(told(&of_other, 9, false)));
        assert_eq!(tgkill(other, other, 0), None);
        assert_eq!(tkill(other, 9), Some(told(&format!("thread {other}"), 9, false)));
        assert_eq!(tkill(other, 0), None);
        for signal in [0, 9] {
            let theirs = format!("thread {thread} of process {other}");
            assert_eq!(
                tgkill(other, thread, signal),
                Some(told(&theirs, i32::try_from(signal).unwrap(), true))
            );
            let nobody = told("thread 1073741823", i32::try_from(signal).unwrap(), true);
            assert_eq!(tkill(NOBODY, signal), Some(nobody));
        }
        assert_eq!(tkill(-1, 9), Some(told("thread -1", 9, true)));
    }
}
