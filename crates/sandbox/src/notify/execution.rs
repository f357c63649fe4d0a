//! What is answered to an execution, and what is recorded of it.
//!
//! The path and the arguments are our own copies of memory that the process may change meanwhile. Refusing every
//! execution needs neither. Comparing with a list does: what the comparison lets through is bounded by Landlock, which
//! allows executing only files of that list and their interpreters. Knows nothing of the runtime's own start.

use std::fs;

use super::{
    AT_WORKING_DIRECTORY, RECORDED_CHARACTERS_MAX, Verdict, boundary::normalised, descriptor, memory, text,
};
use crate::spec::{Event, ExecPolicy};

/// Judges an `execve` or `execveat`.
pub(super) fn judge(policy: &ExecPolicy, question: &libc::seccomp_notif) -> (Verdict, Option<Event>) {
    let pid = question.pid;
    let named = named(question);
    let listed = match policy {
        ExecPolicy::Deny => false,
        ExecPolicy::Audit | ExecPolicy::Allow => true,
        ExecPolicy::List(programs) => absolute(pid, &named).is_some_and(|path| programs.contains(&path)),
    };
    if !listed {
        return (Verdict::Refuse(libc::EPERM), Some(Event::ExecDenied { pid, path: named.path }));
    }
    let arguments = match policy {
        ExecPolicy::Allow => Vec::new(),
        _ => arguments(pid, named.arguments),
    };
    let path = named.path.chars().take(RECORDED_CHARACTERS_MAX).collect();
    let event = Event::Executed { pid, path, arguments };
    (Verdict::GoOn, Some(event))
}

/// What an execution names.
struct Named {
    /// As given; of a descriptor alone, where it leads.
    path: String,
    /// The descriptor a relative path starts at.
    folder: u64,
    /// Address of the array of arguments.
    arguments: u64,
}

fn named(question: &libc::seccomp_notif) -> Named {
    let [first, second, third, ..] = question.data.args;
    if libc::c_long::from(question.data.nr) != libc::SYS_execveat {
        let path = text(question.pid, first);
        return Named { path, folder: AT_WORKING_DIRECTORY, arguments: second };
    }
    let folder = first & u64::from(u32::MAX);
    let path = text(question.pid, second);
    let path = if path.is_empty() { descriptor(question.pid, folder) } else { path };
    Named { path, folder, arguments: third }
}

/// The path from the root. None if that takes more than reading it: its way up may lead through a link.
fn absolute(pid: u32, named: &Named) -> Option<String> {
    if named.path.split('/').any(|part| part == ".." || part == "proc") {
        return None;
    }
    if named.path.starts_with('/') {
        return Some(normalised("", &named.path));
    }
    let link = match named.folder {
        AT_WORKING_DIRECTORY => format!("/proc/{pid}/cwd"),
        number => format!("/proc/{pid}/fd/{number}"),
    };
    Some(normalised(fs::read_link(link).ok()?.to_str()?, &named.path))
}

/// The first arguments, each cut.
fn arguments(pid: u32, at: u64) -> Vec<String> {
    let array = memory(pid, at, ARGUMENTS_MAX * POINTER_BYTES);
    let pointers = array.chunks_exact(POINTER_BYTES).map_while(|bytes| {
        let pointer = u64::from_ne_bytes(bytes.try_into().ok()?);
        (pointer != 0).then_some(pointer)
    });
    pointers.map(|pointer| text(pid, pointer).chars().take(ARGUMENT_CHARACTERS_MAX).collect()).collect()
}

const POINTER_BYTES: usize = 8;
/// Recorded of one execution. Ours: enough to tell what a command does.
const ARGUMENTS_MAX: usize = 16;
/// Recorded of one argument. Ours: as above.
const ARGUMENT_CHARACTERS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    /// An execution asked by this very process.
    fn judged(policy: &ExecPolicy, path: &str, arguments: &[&str]) -> (Verdict, Option<Event>) {
        let path = CString::new(path).unwrap();
        let texts: Vec<CString> = arguments.iter().map(|text| CString::new(*text).unwrap()).collect();
        let pointers: Vec<u64> = texts.iter().map(|text| text.as_ptr() as u64).chain([0]).collect();
        // SAFETY: all-zero bytes are a valid seccomp_notif.
        let mut question: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        question.pid = std::process::id();
        question.data.nr = i32::try_from(libc::SYS_execve).unwrap();
        question.data.args = [path.as_ptr() as u64, pointers.as_ptr() as u64, 0, 0, 0, 0];
        judge(policy, &question)
    }

    fn goes_on(policy: &ExecPolicy, path: &str) -> bool {
        matches!(judged(policy, path, &["x"]).0, Verdict::GoOn)
    }

    #[test]
    fn a_list_admits_its_paths_and_nothing_that_only_resembles_them() {
        let list = ExecPolicy::List(vec!["/var/task/tool".to_owned()]);
        for path in ["/var/task/tool", "/var/task//tool", "/var/./task/tool"] {
            assert!(goes_on(&list, path), "{path}");
        }
        for path in [
            "",
            "tool",
            "/var/task/tools",
            "/var/task/tool/x",
            "/var/task",
            "/var/task/TOOL",
            "/var/task/x/../tool",
            "/proc/self/fd/3",
            "/proc/self/cwd/tool",
            "/proc/self/root/var/task/tool",
            "/var/task/tool ",
        ] {
            assert!(!goes_on(&list, path), "{path}");
        }
        assert!(!goes_on(&ExecPolicy::Deny, "/var/task/tool"));
        assert!(goes_on(&ExecPolicy::Audit, "anything"));
    }

    #[test]
    fn arguments_are_recorded_where_somebody_asked_for_them() {
        let recorded = |policy| match judged(&policy, "/bin/curl", &["curl", "--user", "ann:secret"]) {
            (Verdict::GoOn, Some(Event::Executed { path, arguments, .. })) => (path, arguments.len()),
            (_, other) => panic!("{other:?}"),
        };
        assert_eq!(recorded(ExecPolicy::Audit), ("/bin/curl".to_owned(), 3));
        assert_eq!(recorded(ExecPolicy::List(vec!["/bin/curl".to_owned()])), ("/bin/curl".to_owned(), 3));
        assert_eq!(recorded(ExecPolicy::Allow), ("/bin/curl".to_owned(), 0));
    }

    #[test]
    fn the_record_of_an_execution_is_bounded() {
        let long = "y".repeat(1_000);
        let many: Vec<&str> = std::iter::repeat_n(long.as_str(), 40).collect();
        let (_, event) = judged(&ExecPolicy::Audit, &format!("/{long}"), &many);
        let Some(Event::Executed { path, arguments, .. }) = event else { panic!("{event:?}") };
        assert_eq!((path.len(), arguments.len()), (RECORDED_CHARACTERS_MAX, ARGUMENTS_MAX));
        assert!(arguments.iter().all(|argument| argument.len() == ARGUMENT_CHARACTERS_MAX));
    }
}
