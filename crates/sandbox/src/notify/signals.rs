//! Signals to processes, for the record: whom one is sent to, and whether there is anybody of that number.
//!
//! They always go on: the namespace is the barrier, in which nobody else has a number. Signals to single threads (`tgkill`, `tkill`)
//! are not asked about: runtimes send them to their own threads all the time, and a filter cannot tell whose a thread is.

use super::Question;
use crate::spec::Event;

/// The calls that are asked about.
pub(crate) fn signalling() -> impl Iterator<Item = libc::c_long> {
    [libc::SYS_kill, libc::SYS_pidfd_send_signal].into_iter()
}

/// What there is to record of such a call. Nothing where one only looks whether a process of its own is there (signal 0).
pub(super) fn sent(question: &Question, is_own: impl Fn(u32) -> bool) -> Option<Event> {
    let [first, second, ..] = question.data.args;
    // The kernel ignores the high halves.
    let [target, signal] = [first, second].map(|argument| (argument & 0xffff_ffff) as u32);
    let by_descriptor = libc::c_long::from(question.data.nr) == libc::SYS_pidfd_send_signal;
    let (target, missing) = match target.cast_signed() {
        _ if by_descriptor => (format!("the process of descriptor {target}"), false),
        0 => ("its own group".to_owned(), false),
        -1 => ("everybody".to_owned(), false),
        number if number < 0 => (format!("group {}", number.unsigned_abs()), false),
        number => (format!("process {number}"), !is_own(number.unsigned_abs())),
    };
    let event = Event::Signal { pid: question.pid, signal: signal.cast_signed(), target, missing };
    (signal != 0 || missing).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(call: libc::c_long, target: u64, signal: u64) -> Option<(String, i32, bool)> {
        // SAFETY: all-zero bytes are a valid seccomp_notif.
        let mut question: Question = unsafe { std::mem::zeroed() };
        question.data.nr = i32::try_from(call).unwrap();
        question.data.args = [target, signal, 0, 0, 0, 0];
        match sent(&question, |number| number == 7)? {
            Event::Signal { target, signal, missing, .. } => Some((target, signal, missing)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whom_a_signal_goes_to_is_told_and_whether_there_is_anybody() {
        let kill = |target: i64, signal| said(libc::SYS_kill, target.cast_unsigned(), signal);
        let told = |target: &str, signal, missing| Some((target.to_owned(), signal, missing));
        assert_eq!(kill(7, 9), told("process 7", 9, false));
        assert_eq!(kill(8, 9), told("process 8", 9, true));
        assert_eq!(kill(8, 0), told("process 8", 0, true));
        assert_eq!(kill(7, 0), None);
        assert_eq!(kill(0, 15), told("its own group", 15, false));
        assert_eq!(kill(-1, 9), told("everybody", 9, false));
        assert_eq!(kill(-7, 9), told("group 7", 9, false));
        assert_eq!(kill(i64::from(i32::MIN), 9), told("group 2147483648", 9, false));
        // What the kernel does not look at.
        assert_eq!(kill(0xdead_0000_0007, 0xbeef_0000_0009), told("process 7", 9, false));
        assert_eq!(said(libc::SYS_pidfd_send_signal, 5, 15), told("the process of descriptor 5", 15, false));
    }
}
