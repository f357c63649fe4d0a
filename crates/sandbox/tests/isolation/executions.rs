//! Where executing is watched or listed: what runs, what is refused, what is recorded, tried from inside.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use casemate_sandbox::{EnvironmentSpec, Event, ExecPolicy};

use crate::harness::{
    Outcome, PYTHON_PRELUDE, driver, finish, node, package, python, run, run_python_with, spec,
};

/// Ways to execute: `tried(key, function)` prints what the child that executes printed, or its error.
const WAYS: &str = r#"
import subprocess, errno as numbers
me = os.path.realpath(sys.executable)
loader = "/lib64/ld-linux-x86-64.so.2"
def tried(key, function):
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(into, 1)
        try: function()
        except OSError as error: os.write(1, numbers.errorcode[error.errno].encode())
        os._exit(0)
    os.close(into)
    os.waitpid(pid, 0)
    print(key, open(out).read().strip(), flush=True)
code = ["-I", "-c", "print('ran')"]
def memory(flags):
    made = os.memfd_create("program", flags)
    os.write(made, open(me, "rb").read())
    return made
def by_descriptor(descriptor, path, arguments, flags):
    array = (ctypes.c_char_p * (len(arguments) + 1))(*[text.encode() for text in arguments], None)
    call(322, descriptor, ctypes.c_char_p(path), array, (ctypes.c_char_p * 1)(None), flags)
"#;

/// Paths and arguments, in order.
fn executed(outcome: &Outcome) -> Vec<(String, Vec<String>)> {
    let executed = |event: &Event| match event {
        Event::Executed { path, arguments, .. } => Some((path.clone(), arguments.clone())),
        _ => None,
    };
    outcome.events.iter().filter_map(executed).collect()
}

/// A package whose `main.py` tries and whose `tool` and `other` are programs in Python.
fn tools(interpreter: &Path, tries: &str) -> tempfile::TempDir {
    let folder = package("main.py", &format!("{PYTHON_PRELUDE}{WAYS}{tries}"));
    for name in ["tool", "other"] {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!{} -I\nprint('{name} ran')\n", interpreter.display())).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

async fn run_listed(tries: &str, listed: &[&str]) -> Outcome {
    let template = python().await;
    let runtime = driver().await.runtimes().find(template.runtime_id()).unwrap();
    let folder = tools(runtime.interpreter.as_ref().unwrap(), tries);
    let exec_policy = ExecPolicy::List(listed.iter().map(|path| (*path).to_owned()).collect());
    let spec = EnvironmentSpec { exec_policy, ..spec(template, folder.path()) };
    finish(driver().await.start(spec).await.unwrap()).await
}

#[test]
fn audited_executions_go_on_and_each_is_recorded_with_its_arguments() {
    let tries = r#"
open("/tmp/program", "w").write("\x23!%s -I\nprint('ran')" % me); os.chmod("/tmp/program", 0o755)
tried("self", lambda: os.execv(me, [me] + code))
tried("loader", lambda: os.execv(loader, [loader, me] + code))
tried("memory", lambda: os.execve(memory(0), [me] + code, {}))
tried("execveat", lambda: by_descriptor(os.open(me, os.O_RDONLY), b"", [me] + code, 0x1000))
tried("tmp", lambda: os.execv("/tmp/program", ["x"]))
tried("missing", lambda: os.execv("/bin/sh", ["sh", "-c", "id"]))
print("subprocess", subprocess.run([me] + code, capture_output=True, text=True).stdout.strip())
"#;
    let snippet = format!("{WAYS}{tries}");
    let outcome =
        run(run_python_with(&snippet, |spec| EnvironmentSpec { exec_policy: ExecPolicy::Audit, ..spec }));
    for key in ["self", "loader", "memory", "execveat", "tmp", "subprocess"] {
        assert_eq!(outcome.value(key), "ran", "{key}: {outcome:?}");
    }
    assert_eq!(outcome.value("missing"), "ENOENT");
    assert!(outcome.executions_denied().is_empty());
    let executed = executed(&outcome);
    assert_eq!(executed.len(), 7, "{executed:?}");
    assert_eq!(executed[0].1[1..], ["-I", "-c", "print('ran')"]);
    assert!(executed[1].0.ends_with("ld-linux-x86-64.so.2") && executed[1].1[1] == executed[0].0);
    assert!(executed[2].0.contains("memfd:program"), "{executed:?}");
    assert_eq!(executed[3].0, executed[0].0);
    assert_eq!(executed[5], ("/bin/sh".to_owned(), vec!["sh".to_owned(), "-c".to_owned(), "id".to_owned()]));
}

#[test]
fn listed_program_runs_and_every_other_way_to_execute_is_refused() {
    let tries = r#"
open("/tmp/program", "w").write("\x23!%s -I\nprint('ran')" % me); os.chmod("/tmp/program", 0o755)
os.symlink("/var/task/tool", "/tmp/tool")
SEALED = 8
tried("listed", lambda: os.execv("/var/task/tool", ["tool"]))
tried("relative", lambda: os.execv("./tool", ["tool"]))
print("subprocess", subprocess.run(["/var/task/tool"], capture_output=True, text=True).stdout.strip())
tried("unlisted", lambda: os.execv("/var/task/other", ["other"]))
tried("upwards", lambda: os.execv("/var/task/../task/tool", ["tool"]))
tried("link", lambda: os.execv("/tmp/tool", ["tool"]))
tried("self", lambda: os.execv(me, [me] + code))
tried("proc", lambda: os.execv("/proc/self/exe", [me] + code))
tried("loader", lambda: os.execv(loader, [loader, me] + code))
tried("tmp", lambda: os.execv("/tmp/program", ["x"]))
tried("execveat", lambda: by_descriptor(os.open("/var/task/other", os.O_RDONLY), b"", ["x"], 0x1000))
tried("folder", lambda: by_descriptor(os.open("/var/task", os.O_RDONLY), b"other", ["x"], 0))
tried("memory", lambda: os.execve(memory(0), [me] + code, {}))
tried("sealed", lambda: os.execve(memory(SEALED), [me] + code, {}))
"#;
    let outcome = run(run_listed(tries, &["/var/task/tool", "/not/there"]));
    for key in ["listed", "relative", "subprocess"] {
        assert_eq!(outcome.value(key), "tool ran", "{key}: {outcome:?}");
    }
    let refused =
        ["unlisted", "upwards", "link", "self", "proc", "loader", "tmp", "execveat", "folder", "sealed"];
    for key in refused {
        assert_eq!(outcome.value(key), "EPERM", "{key}: {outcome:?}");
    }
    // Memory that could be executed is not even made.
    assert_eq!(outcome.value("memory"), "EACCES");
    assert_eq!(executed(&outcome).len(), 3, "{outcome:?}");
    assert_eq!(outcome.executions_denied().len(), refused.len(), "{outcome:?}");
}

#[test]
fn path_that_changes_while_it_is_judged_reaches_no_program_beyond_the_list() {
    // Another process writes the names of a listed and an unlisted program by turns into memory they share.
    let tries = r#"
import mmap
shared = mmap.mmap(-1, 4096)
address = ctypes.addressof(ctypes.c_char.from_buffer(shared))
first, second = b"/var/task/tool\0\0", b"/var/task/other\0"
flipper = os.fork()
if flipper == 0:
    while True:
        ctypes.memmove(address, first, 16)
        ctypes.memmove(address, second, 16)
array = (ctypes.c_char_p * 2)(b"x", None)

def execute():
    call(59, address, array, (ctypes.c_char_p * 1)(None))

for _ in range(60):
    tried("raced", execute)
os.kill(flipper, 9)
print("done yes")
"#;
    let outcome = run(run_listed(tries, &["/var/task/tool"]));
    assert_eq!(outcome.value("done"), "yes", "{outcome:?}");
    assert!(!outcome.stdout.contains("other ran"), "{outcome:?}");
    assert!(outcome.stdout.contains("EPERM") || outcome.stdout.contains("tool ran"), "{outcome:?}");
}

#[test]
fn audited_child_processes_of_node_are_recorded() {
    let outcome = run(async {
        let code = package(
            "main.js",
            "console.log('child ' + require('child_process').execFileSync(process.execPath, ['-p', '6*7']));",
        );
        let spec = EnvironmentSpec { exec_policy: ExecPolicy::Audit, ..spec(node().await, code.path()) };
        finish(driver().await.start(spec).await.unwrap()).await
    });
    assert_eq!(outcome.value("child"), "42", "{outcome:?}");
    let executed = executed(&outcome);
    assert!(matches!(&executed[..], [(_, arguments)] if arguments[1..] == ["-p", "6*7"]), "{executed:?}");
}

#[test]
fn signals_to_processes_are_recorded_and_whether_there_is_anybody() {
    let outcome = run(run_python_with(
        r#"
import signal
child = os.fork()
if child == 0:
    while True: signal.pause()
show("looked", lambda: os.kill(child, 0))
show("ended", lambda: os.kill(child, signal.SIGTERM))
show("waited", lambda: os.waitpid(child, 0)[1])
show("nobody", lambda: os.kill(4_000_000, 9))
show("looked for", lambda: os.kill(4_000_001, 0))
descriptor = os.pidfd_open(os.getpid())
show("descriptor", lambda: signal.pidfd_send_signal(descriptor, signal.SIGWINCH))
print("child", child, "by", descriptor)
"#,
        |spec| spec,
    ));
    let keys = ["looked", "ended", "waited", "nobody", "looked for", "descriptor"];
    assert_eq!(
        keys.map(|key| outcome.value(key)),
        ["None", "None", "15", "ESRCH", "ESRCH", "None"],
        "{outcome:?}"
    );
    let value = outcome.value("child");
    let (child, descriptor) = value.split_once(" by ").unwrap();
    let signals = outcome.events.iter().map(|event| match event {
        Event::Signal { signal, target, missing, .. } => (*signal, target.clone(), *missing),
        other => panic!("{other:?}"),
    });
    let expected = [
        (15, format!("process {child}"), false),
        (9, "process 4000000".to_owned(), true),
        (0, "process 4000001".to_owned(), true),
        (28, format!("the process of descriptor {descriptor}"), false),
    ];
    assert_eq!(signals.collect::<Vec<_>>(), expected);
}

#[test]
fn signals_to_threads_are_recorded_where_they_are_another_processs() {
    let outcome = run(run_python_with(
        r#"
import signal, threading
signal.signal(signal.SIGUSR1, lambda *_: None)
TKILL, TGKILL = (200, 234) if os.uname().machine == "x86_64" else (130, 131)
own, running = os.getpid(), threading.Event()
ended = threading.Event()
def wait():
    running.set()
    ended.wait()
thread = threading.Thread(target=wait)
thread.start()
running.wait()
for number in (threading.get_native_id(), thread.native_id):
    show("own tgkill", lambda: call(TGKILL, own, number, signal.SIGUSR1))
    show("own tkill", lambda: call(TKILL, number, signal.SIGUSR1))
show("raised", lambda: signal.raise_signal(signal.SIGUSR1))
show("pthread", lambda: signal.pthread_kill(thread.ident, signal.SIGUSR1))
ended.set()
thread.join()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    # What is forked from the one that was asked about is somebody else, and its own threads are its own.
    signal.raise_signal(signal.SIGUSR1)
    call(TGKILL, own, own, signal.SIGUSR1)
    os.write(writing, b"x")
    while True: signal.pause()
os.read(reading, 1)
show("looked", lambda: call(TGKILL, child, child, 0))
show("tkill", lambda: call(TKILL, child, signal.SIGCONT))
show("nobody", lambda: call(TGKILL, child, 4_000_000, signal.SIGTERM))
show("nobody alone", lambda: call(TKILL, 4_000_000, signal.SIGTERM))
show("ended", lambda: call(TGKILL, child, child, signal.SIGKILL))
show("waited", lambda: os.waitpid(child, 0)[1])
show("queued", lambda: call(297 if TKILL == 200 else 240, own, own, 10, ctypes.create_string_buffer(128)))
print("who", own, child)
"#,
        |spec| spec,
    ));
    let keys = ["own tgkill", "own tkill", "raised", "pthread", "looked", "tkill", "ended", "waited"];
    let values = keys.map(|key| outcome.value(key));
    assert_eq!(values, ["0", "0", "None", "None", "0", "0", "0", "9"], "{outcome:?}");
    let refused = ["nobody", "nobody alone", "queued"].map(|key| outcome.value(key));
    assert_eq!(refused, ["ESRCH", "ESRCH", "EPERM"], "{outcome:?}");
    let (own, child) = outcome.value("who").split_once(' ').unwrap();
    let signals = outcome.events.iter().map(|event| match event {
        Event::Signal { signal, target, missing, .. } => (*signal, target.clone(), *missing),
        other => panic!("{other:?}"),
    });
    let expected = [
        (10, format!("thread {own} of process {own}"), false),
        (18, format!("thread {child}"), false),
        (15, format!("thread 4000000 of process {child}"), true),
        (15, "thread 4000000".to_owned(), true),
        (9, format!("thread {child} of process {child}"), false),
    ];
    assert_eq!(signals.collect::<Vec<_>>(), expected);
}
