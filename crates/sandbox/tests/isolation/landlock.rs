//! Landlock's rules over files where nothing else would refuse: `/proc`, which is mounted writable, and what an
//! unprivileged user may make in `/tmp`.

use std::process::Command;

use casemate_sandbox::{EnvironmentSpec, ExecPolicy};

use crate::harness::{PYTHON_PRELUDE, run, run_python_with};

/// Allowed to any process of an ordinary user, as the first of the tests shows.
const ATTEMPTS: &str = r"
import stat
def write(path, text):
    with open(path, 'w') as f: f.write(text)
    return 'written'
def whiteout():
    os.mknod('/tmp/whiteout-%d' % os.getpid(), stat.S_IFCHR | 0o600, os.makedev(0, 0))
    os.unlink('/tmp/whiteout-%d' % os.getpid())
    return 'made'
def held():
    # The folder is opened for looking and held; the name below it is opened for writing.
    folder = os.open('/proc/self', os.O_PATH | os.O_DIRECTORY)
    return os.write(os.open('comm', os.O_WRONLY, dir_fd=folder), b'other')
show('comm', lambda: write('/proc/self/comm', 'other'))
show('score', lambda: write('/proc/self/oom_score_adj', '900'))
show('dump', lambda: write('/proc/self/coredump_filter', '0'))
show('held', held)
show('device', whiteout)
show('own', lambda: write('/tmp/own', 'x'))
show('pipe', lambda: write('/proc/self/fd/%d' % os.pipe()[1], 'x'))
show('null', lambda: write('/dev/null', 'x'))
show('read', lambda: open('/proc/self/comm').read() != '')
";

/// What nothing but Landlock refuses.
const REFUSED: [&str; 5] = ["comm", "score", "dump", "held", "device"];
const ALLOWED: [&str; 4] = ["own", "pipe", "null", "read"];

#[test]
fn an_ordinary_process_may_do_all_of_it() {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-I", "-c"]);
    let output = command.arg(format!("{PYTHON_PRELUDE}{ATTEMPTS}")).current_dir("/").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let tried: Vec<_> = said.lines().filter_map(|line| line.split_once(' ')).collect();
    assert_eq!(tried.len(), REFUSED.len() + ALLOWED.len(), "{said}");
    for (key, value) in tried {
        assert!(["written", "made", "True", "5"].contains(&value), "{key}: {said}");
    }
}

#[test]
fn landlock_refuses_what_nothing_else_would_under_every_policy() {
    run(async {
        let listed = ExecPolicy::List(vec!["/var/task/main.py".to_owned()]);
        for policy in [ExecPolicy::Deny, ExecPolicy::Audit, ExecPolicy::Allow, listed] {
            let chosen = policy.clone();
            let change = |spec| EnvironmentSpec { exec_policy: chosen, ..spec };
            let outcome = run_python_with(ATTEMPTS, change).await;
            for key in REFUSED {
                assert_eq!(outcome.value(key), "EACCES", "{key} under {policy:?}: {outcome:?}");
            }
            for key in ALLOWED {
                let value = outcome.value(key);
                assert!(["written", "True"].contains(&value), "{key} under {policy:?}: {outcome:?}");
            }
        }
    });
}
