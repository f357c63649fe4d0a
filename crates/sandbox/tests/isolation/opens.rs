//! Names of files beyond the environment are recorded; those of ordinary functions are not.

use casemate_sandbox::{EnvironmentSpec, Event, ExecPolicy};

use crate::harness::{
    Outcome, PYTHON_PRELUDE, driver, finish, package, python, run, run_node, run_python, run_python_with,
    spec,
};

fn opens_denied(outcome: &Outcome) -> Vec<(&str, bool)> {
    let open = |event| match event {
        &Event::OpenDenied { ref path, write, .. } => Some((path.as_str(), write)),
        _ => None,
    };
    outcome.events.iter().filter_map(open).collect()
}

#[test]
fn attempts_to_read_what_is_not_the_functions_are_recorded() {
    let outcome = run(run_python(
        r#"
def read(path, **more):
    with open(path, "rb", **more) as file: return file.read(100)
show("shadow", lambda: read("/etc/shadow"))
show("dotted", lambda: read("/tmp/../etc//./shadow"))
show("relative", lambda: read("../../etc/gshadow"))
show("door", lambda: read("/proc/self/root/etc/shadow-"))
show("parent", lambda: read(f"/proc/{os.getppid()}/environ"))
show("other", lambda: read("/proc/4000000/environ"))
show("folder", lambda: os.listdir("/work"))
show("socket", lambda: read("/run/docker.sock"))
top = os.open("/", os.O_RDONLY)
show("dirfd", lambda: os.open("tmp/../etc/sudoers", os.O_RDONLY, dir_fd=top))
how = (ctypes.c_uint64 * 3)(os.O_RDONLY, 0, 0)
show("openat2", lambda: call(437, -100, ctypes.c_char_p(b"/etc/ssh/key"), how, 24))
"#,
    ));
    for key in
        ["shadow", "dotted", "relative", "door", "parent", "other", "folder", "socket", "dirfd", "openat2"]
    {
        assert_eq!(outcome.value(key), "ENOENT", "{outcome:?}");
    }
    let expected = [
        "/etc/shadow",
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/shadow-",
        "/proc/0/environ",
        "/proc/4000000/environ",
        "/work",
        "/run/docker.sock",
        "/etc/sudoers",
        "/etc/ssh/key",
    ];
    assert_eq!(opens_denied(&outcome), expected.map(|path| (path, false)), "{outcome:?}");
}

#[test]
fn folders_of_other_functions_are_recorded_wherever_they_lie() {
    run(async {
        let data = package("nothing", "");
        let code = data.path().join("functions/one");
        std::fs::create_dir_all(&code).unwrap();
        let folder = data.path().join("functions").display().to_string();
        let snippet = format!(
            "show('list', lambda: os.listdir('{folder}'))\nshow('read', lambda: open('{folder}/two/app.py'))\n"
        );
        std::fs::write(code.join("main.py"), format!("{PYTHON_PRELUDE}{snippet}")).unwrap();
        let outcome = finish(driver().await.start(spec(python().await, &code)).await.unwrap()).await;
        assert_eq!((outcome.value("list"), outcome.value("read")), ("ENOENT", "ENOENT"));
        let other = format!("{folder}/two/app.py");
        assert_eq!(opens_denied(&outcome), [(folder.as_str(), false), (other.as_str(), false)]);
    });
}

#[test]
fn attempts_to_write_outside_tmp_are_recorded_and_those_inside_are_not() {
    let outcome = run(run_python(
        r#"
import shutil, tempfile
def write(path, mode="w"):
    with open(path, mode): return "written"
show("inside", lambda: [write("/tmp/x"), write("/dev/null"), write("/proc/self/comm")])
os.mkdir("/tmp/y"); os.chdir("/tmp/y")
show("here", lambda: write("relative"))
os.mkdir("deep"); write("deep/file"); os.rename("deep/file", "../moved"); os.symlink("a", "b"); os.truncate("../moved", 0)
os.chmod("../moved", 0o600)
shutil.rmtree("/tmp/y")
with tempfile.TemporaryDirectory() as made: write(made + "/z")
os.chdir("/var/task")
show("root", lambda: write("/planted"))
show("code", lambda: write("/var/task/main.py", "a"))
show("cwd", lambda: write("main.py", "r+"))
show("mkdir", lambda: os.mkdir("/var/x"))
show("unlink", lambda: os.unlink("main.py"))
show("rename", lambda: os.rename("/tmp/moved", "/var/task/moved"))
show("link", lambda: os.symlink("/tmp/x", "/opt/x"))
show("kernel", lambda: write("/proc/sys/kernel/core_pattern"))
"#,
    ));
    assert_eq!(outcome.value("here"), "written", "{outcome:?}");
    for key in ["root", "code", "cwd", "mkdir", "unlink", "rename", "link", "kernel"] {
        assert_ne!(outcome.value(key), "written", "{outcome:?}");
    }
    let expected = [
        "/planted",
        "/var/task/main.py",
        "/var/task/main.py",
        "/var/x",
        "/var/task/main.py",
        "/var/task/moved",
        "/opt/x",
        "/proc/sys/kernel/core_pattern",
    ];
    assert_eq!(opens_denied(&outcome), expected.map(|path| (path, true)), "{outcome:?}");
}

#[test]
fn ordinary_python_is_not_recorded() {
    let outcome = run(run_python(
        r#"
import asyncio, decimal, hashlib, http.client, json, logging, mimetypes, multiprocessing, platform, sqlite3, ssl
import subprocess, tempfile, threading, urllib.request, uuid, zoneinfo, datetime, locale, random, zipfile, pwd
ssl.create_default_context()
mimetypes.init()
threading.Thread(target=print).start()
locale.setlocale(locale.LC_ALL, "")
show("zone", lambda: datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Berlin")).year > 2000)
show("name", lambda: socket.getaddrinfo("localhost", 80)[0][4][0])
show("none", lambda: socket.getaddrinfo("example.com", 80))
show("user", lambda: os.path.expanduser("~nobody"))
show("platform", lambda: bool(platform.freedesktop_os_release()))
def child():
    open("/proc/self/stat").read(); open(f"/proc/{os.getpid()}/stat").read()
pid = os.fork()
if pid == 0:
    child(); os._exit(0)
open(f"/proc/{pid}/status").read()
show("child", lambda: os.waitpid(pid, 0)[1])
for path in ["/proc/cpuinfo", "/proc/meminfo", "/etc/resolv.conf", "/etc/os-release", "/proc/self/status", "/sys/fs/cgroup/cpu.max", "/etc/ssl/certs/ca-certificates.crt"]:
    show(path, lambda: len(open(path).read()) > 0)
show("code", lambda: os.listdir("/var/task"))
show("root", lambda: len(os.listdir("/")) > 0)
"#,
    ));
    assert_eq!((outcome.value("zone"), outcome.value("child")), ("True", "0"), "{outcome:?}");
    assert_eq!(outcome.events, [], "{outcome:?}");
}

#[test]
fn ordinary_node_is_not_recorded() {
    let outcome = run(run_node(
        r"
const fs = require('fs'), http = require('http'), https = require('https'), os = require('os'), tls = require('tls');
const crypto = require('crypto'), path = require('path');
const { Worker } = require('worker_threads');
console.log('cpus ' + (os.cpus().length > 0), os.userInfo().uid, os.totalmem() > 0);
tls.createSecureContext();
crypto.randomBytes(8);
fs.writeFileSync(path.join(os.tmpdir(), 'x'), 'x');
try { require('not-there'); } catch (error) { console.log('missing ' + error.code); }
http.get('http://127.0.0.1:1').on('error', (error) => console.log('refused ' + error.code));
https.get('https://example.com').on('error', (error) => console.log('unknown ' + error.code));
import('fs/promises').then((m) => m.readFile('/proc/self/status')).then(() => console.log('module yes'));
new Worker('require(`fs`).readFileSync(`/proc/cpuinfo`)', { eval: true });
",
    ));
    assert_eq!(outcome.value("missing"), "MODULE_NOT_FOUND", "{outcome:?}");
    assert_eq!(outcome.value("module"), "yes", "{outcome:?}");
    assert_eq!(outcome.events, [], "{outcome:?}");
}

#[test]
fn node_that_looks_elsewhere_is_recorded() {
    let outcome = run(run_node(
        r"
const fs = require('fs');
const code = (action) => { try { action(); return 'done'; } catch (error) { return error.code; } };
console.log('list ' + code(() => fs.readdirSync('/work')));
console.log('write ' + code(() => fs.writeFileSync('/var/task/planted', 'x')));
console.log('shadow ' + code(() => fs.readFileSync('/etc/shadow')));
",
    ));
    assert_eq!((outcome.value("list"), outcome.value("write")), ("ENOENT", "EROFS"));
    assert_eq!(
        opens_denied(&outcome),
        [("/work", false), ("/var/task/planted", true), ("/etc/shadow", false)],
        "{outcome:?}"
    );
}

#[test]
fn a_function_that_tries_many_names_is_told_of_by_a_number() {
    let outcome = run(run_python("for n in range(1000):\n    show('n', lambda: open(f'/work/{n}'))\n"));
    assert_eq!(opens_denied(&outcome).len(), 64);
    let lost = outcome.events.iter().filter_map(|event| match event {
        Event::Lost { count } => Some(*count),
        _ => None,
    });
    assert_eq!(lost.sum::<u64>(), 1000 - 64);
}

#[test]
fn each_invocation_has_its_own_allowance() {
    run(async {
        let code = package(
            "main.py",
            &format!(
                "{PYTHON_PRELUDE}
for turn in range(2):
    for n in range(100):
        try: open(f'/work/{{n}}')
        except OSError: pass
    socket.create_connection(('127.0.0.1', 9001)).recv(1)
"
            ),
        );
        let mut environment = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let mut events = environment.take_events().unwrap();
        for _ in 0..2 {
            let asked = environment.runtime_api().accept().await.unwrap();
            environment.begin_invocation();
            for _ in 0..64 {
                assert!(matches!(events.recv().await.unwrap().event, Event::OpenDenied { .. }));
            }
            assert_eq!(events.recv().await.unwrap().event, Event::Lost { count: 36 });
            drop(asked);
        }
        environment.stop().await;
    });
}

#[test]
fn threads_that_open_at_once_all_go_on() {
    let outcome = run(run_python(
        r"
import threading
done = []
def work():
    for _ in range(500):
        with open('/var/task/main.py') as file: file.read(1)
    done.append(1)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
show('done', lambda: len(done))
",
    ));
    assert_eq!(outcome.value("done"), "8", "{outcome:?}");
    assert_eq!(outcome.events, []);
}

#[test]
fn names_are_watched_where_programs_may_be_run_too() {
    for policy in [ExecPolicy::Allow, ExecPolicy::Audit, ExecPolicy::List(vec!["/bin/true".to_owned()])] {
        let outcome = run(run_python_with("show('shadow', lambda: open('/etc/shadow'))\n", |spec| {
            EnvironmentSpec { exec_policy: policy, ..spec }
        }));
        assert_eq!(outcome.value("shadow"), "ENOENT");
        assert_eq!(opens_denied(&outcome), [("/etc/shadow", false)]);
        assert_eq!(outcome.events.len(), 1, "{outcome:?}");
    }
}

#[test]
fn names_that_are_no_text_hide_nothing() {
    let outcome = run(run_python(
        r#"
show("read", lambda: os.open(b"/root/\xff\xfe\n\x1b[2Jsecret", os.O_RDONLY))
show("write", lambda: os.open(b"/var/task/\xff\n", os.O_WRONLY | os.O_CREAT))
show("process", lambda: os.open(b"/proc/4000000/\xff", os.O_RDONLY))
show("device", lambda: os.open(b"/dev/\xff", os.O_RDONLY))
show("up", lambda: os.open(b"/tmp/\xff\n/../../etc/shadow", os.O_RDONLY))
folder = b"/tmp/\xff\n\xfe"
os.mkdir(folder)
os.chdir(folder)
show("from there", lambda: os.open(b"../../etc/gshadow", os.O_RDONLY))
top = os.open(folder, os.O_RDONLY)
show("by descriptor", lambda: os.open("../../planted", os.O_WRONLY | os.O_CREAT, dir_fd=top))
show("own", lambda: os.close(os.open(b"\xff", os.O_WRONLY | os.O_CREAT)))
show("executed", lambda: os.execv(b"/tmp/\xffprogram\n", ["x"]))
with socket.socket(socket.AF_UNIX) as one:
    show("abstract", lambda: one.connect(b"\0\xff\ncasemate-nobody"))
    show("file", lambda: one.connect(b"/run/\xff\n"))
"#,
    ));
    let keys = ["read", "process", "device", "up", "from there", "abstract", "file"];
    let refused = keys.map(|key| outcome.value(key));
    assert_eq!(
        refused,
        ["ENOENT", "ENOENT", "ENOENT", "ENOENT", "ENOENT", "ECONNREFUSED", "ENOENT"],
        "{outcome:?}"
    );
    assert_eq!((outcome.value("own"), outcome.value("executed")), ("None", "EPERM"), "{outcome:?}");
    assert!(["write", "by descriptor"].map(|key| outcome.value(key)).iter().all(|why| *why != "None"));
    let expected = [
        ("/root/\u{fffd}\u{fffd}\n\u{1b}[2Jsecret", false),
        ("/var/task/\u{fffd}\n", true),
        ("/proc/4000000/\u{fffd}", false),
        ("/dev/\u{fffd}", false),
        ("/etc/shadow", false),
        ("/etc/gshadow", false),
        ("/planted", true),
    ];
    assert_eq!(opens_denied(&outcome), expected, "{outcome:?}");
    assert_eq!(outcome.executions_denied(), ["/tmp/\u{fffd}program\n"]);
    let sockets = outcome.events.iter().filter_map(|event| match event {
        Event::SocketMissing { name, .. } => Some(name.as_str()),
        _ => None,
    });
    assert_eq!(sockets.collect::<Vec<_>>(), ["@\u{fffd}\ncasemate-nobody", "/run/\u{fffd}\n"]);
}
