//! Attempts to get out, or at something of somebody else's. Each is refused, and recorded where there is a record.

use std::fmt::Write as _;

use casemate_sandbox::Event;
use tokio::io::AsyncReadExt;

use crate::harness::{
    PYTHON_PRELUDE, driver, finish, package, python, run, run_node, run_python, run_python_with, spec,
};

#[test]
fn root_holds_no_program_but_the_interpreter() {
    let outcome = run(run_python(
        r#"
import sys
for path in ["/bin/sh", "/usr/bin/env", "/bin/busybox", "/usr/bin/id", "/sbin/init", "/sys", "/home", "/boot"]:
    show("exists:" + path, lambda: os.path.exists(path))
programs = []
for folder, _, names in os.walk("/"):
    if folder.startswith("/proc"): continue
    if folder.endswith(("/bin", "/sbin")):
        programs += [os.path.join(folder, name) for name in names]
show("programs", lambda: [path for path in programs if path != os.path.realpath(sys.executable)])
"#,
    ));
    for path in
        ["/bin/sh", "/usr/bin/env", "/bin/busybox", "/usr/bin/id", "/sbin/init", "/sys", "/home", "/boot"]
    {
        assert_eq!(outcome.value(&format!("exists:{path}")), "False");
    }
    assert_eq!(outcome.value("programs"), "[]");
}

#[test]
fn os_system_is_refused_and_recorded() {
    let outcome = run(run_python("show('status', lambda: os.waitstatus_to_exitcode(os.system('id')))\n"));
    assert_eq!(outcome.value("status"), "127");
    assert_eq!(outcome.executions_denied(), ["/bin/sh"]);
}

#[test]
fn every_way_to_execute_is_refused_and_recorded() {
    let outcome = run(run_python(&format!(
        r#"
import subprocess
me = os.path.realpath(sys.executable)
loader = "/lib64/ld-linux-x86-64.so.2"
def child(function):
    pid = os.fork()
    if pid == 0:
        try: function()
        except OSError as error: os._exit(error.errno)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
memory = os.memfd_create("program")
os.write(memory, open(me, "rb").read(4096))
open("/tmp/program", "wb").write(b"\x23!/bin/true"); os.chmod("/tmp/program", 0o755)
show("self", lambda: child(lambda: os.execv(me, [me, "-c", "print('escaped')"])))
show("loader", lambda: child(lambda: os.execv(loader, [loader, me])))
show("tmp", lambda: child(lambda: os.execv("/tmp/program", ["x"])))
show("fd", lambda: child(lambda: os.execve(memory, ["x"], {{}})))
show("proc", lambda: child(lambda: os.execv("/proc/self/fd/%d" % memory, ["x"])))
show("execveat", lambda: child(lambda: call({execveat}, memory, ctypes.c_char_p(b""), None, None, 0x1000)))
show("subprocess", lambda: subprocess.run([me, "-V"]))
show("spawn", lambda: os.posix_spawn(me, [me], {{}}))
"#,
        execveat = libc::SYS_execveat
    )));
    for key in ["self", "loader", "tmp", "fd", "proc", "execveat"] {
        assert_eq!(outcome.value(key), libc::EPERM.to_string(), "{key}: {outcome:?}");
    }
    for key in ["subprocess", "spawn"] {
        assert_eq!(outcome.value(key), "EPERM", "{key}: {outcome:?}");
    }
    assert!(!outcome.stdout.contains("escaped"));
    let denied = outcome.executions_denied();
    assert_eq!(denied.len(), 8, "{denied:?}");
    assert!(denied[1].ends_with("ld-linux-x86-64.so.2"));
    assert!(denied[3].contains("memfd:program") || denied[3].contains("/proc/self/fd"), "{denied:?}");
    assert!(denied[5].contains("memfd:program"), "{denied:?}");
}

#[test]
fn child_process_of_node_is_refused_and_recorded() {
    let outcome = run(run_node(
        r"
const { execSync, spawnSync } = require('child_process');
try { console.log('sh ' + execSync('id')); } catch (error) { console.log('sh ' + (error.code || error.errno)); }
console.log('self ' + spawnSync(process.execPath, ['-v']).error.code);
console.log('uid ' + process.getuid());
",
    ));
    assert_eq!(outcome.value("sh"), "EPERM");
    assert_eq!(outcome.value("self"), "EPERM");
    assert_eq!(outcome.value("uid"), "993");
    assert_eq!(outcome.executions_denied().first(), Some(&"/bin/sh"));
    assert_eq!(outcome.executions_denied().len(), 2);
}

#[test]
fn system_calls_that_reach_for_the_kernel_are_refused() {
    let calls = [
        ("unshare", libc::SYS_unshare, "EPERM"),
        ("setns", libc::SYS_setns, "EPERM"),
        ("mount", libc::SYS_mount, "EPERM"),
        ("umount2", libc::SYS_umount2, "EPERM"),
        ("open_tree", libc::SYS_open_tree, "EPERM"),
        ("move_mount", libc::SYS_move_mount, "EPERM"),
        ("fsopen", libc::SYS_fsopen, "EPERM"),
        ("mount_setattr", libc::SYS_mount_setattr, "EPERM"),
        ("pivot_root", libc::SYS_pivot_root, "EPERM"),
        ("chroot", libc::SYS_chroot, "EPERM"),
        ("ptrace", libc::SYS_ptrace, "EPERM"),
        ("process_vm_readv", libc::SYS_process_vm_readv, "EPERM"),
        ("process_vm_writev", libc::SYS_process_vm_writev, "EPERM"),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, "EPERM"),
        ("bpf", libc::SYS_bpf, "EPERM"),
        ("io_uring_setup", libc::SYS_io_uring_setup, "EPERM"),
        ("io_uring_enter", libc::SYS_io_uring_enter, "EPERM"),
        ("io_setup", libc::SYS_io_setup, "EPERM"),
        ("keyctl", libc::SYS_keyctl, "EPERM"),
        ("add_key", libc::SYS_add_key, "EPERM"),
        ("request_key", libc::SYS_request_key, "EPERM"),
        ("userfaultfd", libc::SYS_userfaultfd, "EPERM"),
        ("perf_event_open", libc::SYS_perf_event_open, "EPERM"),
        ("personality", libc::SYS_personality, "EPERM"),
        ("quotactl", libc::SYS_quotactl, "EPERM"),
        ("kexec_load", libc::SYS_kexec_load, "EPERM"),
        ("init_module", libc::SYS_init_module, "EPERM"),
        ("finit_module", libc::SYS_finit_module, "EPERM"),
        ("delete_module", libc::SYS_delete_module, "EPERM"),
        ("syslog", libc::SYS_syslog, "EPERM"),
        ("reboot", libc::SYS_reboot, "EPERM"),
        ("swapon", libc::SYS_swapon, "EPERM"),
        ("sethostname", libc::SYS_sethostname, "EPERM"),
        ("clock_settime", libc::SYS_clock_settime, "EPERM"),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, "EPERM"),
        ("fanotify_init", libc::SYS_fanotify_init, "EPERM"),
        ("setresuid", libc::SYS_setresuid, "EPERM"),
        ("setgroups", libc::SYS_setgroups, "EPERM"),
        ("capset", libc::SYS_capset, "EPERM"),
        ("seccomp", libc::SYS_seccomp, "EPERM"),
        ("sync", libc::SYS_sync, "EPERM"),
        ("shmget", libc::SYS_shmget, "EPERM"),
        ("kcmp", libc::SYS_kcmp, "EPERM"),
        ("memfd_secret", libc::SYS_memfd_secret, "EPERM"),
        ("modify_ldt", libc::SYS_modify_ldt, "EPERM"),
        ("iopl", libc::SYS_iopl, "EPERM"),
        ("clone3", libc::SYS_clone3, "ENOSYS"),
    ];
    let mut snippet = String::new();
    for (name, number, _) in calls {
        writeln!(snippet, "show('{name}', lambda: call({number}, 0, 0, 0, 0, 0, 0))").unwrap();
    }
    writeln!(snippet, "show('clone', lambda: call({}, 0x10000011, 0, 0, 0, 0))", libc::SYS_clone).unwrap();
    writeln!(snippet, "show('pdeathsig', lambda: call({}, 1, 0, 0, 0, 0))", libc::SYS_prctl).unwrap();
    writeln!(snippet, "show('tiocsti', lambda: call({}, 0, 0x5412, 0))", libc::SYS_ioctl).unwrap();
    writeln!(snippet, "show('future', lambda: call(500, 0, 0, 0))").unwrap();
    let outcome = run(run_python(&snippet));
    for (name, _, expected) in calls {
        assert_eq!(outcome.value(name), expected, "{name}");
    }
    for name in ["clone", "pdeathsig", "tiocsti"] {
        assert_eq!(outcome.value(name), "EPERM", "{name}");
    }
    assert_eq!(outcome.value("future"), "ENOSYS");
    let told = outcome.calls_refused();
    for name in ["unshare", "mount", "ptrace", "bpf", "io_uring_setup", "keyctl", "clone into new namespaces"]
    {
        assert!(told.contains(&name.to_owned()), "{name} is not among {told:?}");
    }
}

#[test]
fn only_ordinary_sockets_can_be_made() {
    let outcome = run(run_python(
        r"
for family in range(46):
    show('family:%d' % family, lambda: bool(socket.socket(family, socket.SOCK_STREAM)))
show('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
show('raw6', lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6))
show('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
show('vsock', lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
",
    ));
    for family in 0..46 {
        let expected = if [1, 2, 10].contains(&family) { "True" } else { "EAFNOSUPPORT" };
        assert_eq!(outcome.value(&format!("family:{family}")), expected, "family {family}");
    }
    assert_eq!((outcome.value("raw"), outcome.value("raw6")), ("EPERM", "EPERM"));
    for name in ["packet", "vsock"] {
        assert_eq!(outcome.value(name), "EAFNOSUPPORT");
    }
    let told = outcome.calls_refused();
    for name in ["raw socket", "socket of family 17", "socket of family 40"] {
        assert!(told.contains(&name.to_owned()), "{name} is not among {told:?}");
    }
}

#[test]
fn network_is_out_of_reach_and_each_attempt_is_recorded() {
    let outcome = run(run_python(
        r"
def tcp(host, port, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(5); s.connect((host, port)); return 'connected'
def udp(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return s.sendto(b'x', (host, 53))
def udp_connect(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((host, 53)); return 'connected'
show('metadata', lambda: tcp('169.254.169.254', 80))
show('credentials', lambda: tcp('169.254.170.2', 80))
show('public', lambda: tcp('8.8.8.8', 443))
show('private', lambda: tcp('10.0.0.1', 22))
show('six', lambda: tcp('2001:4860:4860::8888', 443, socket.AF_INET6))
show('mapped', lambda: tcp('::ffff:8.8.4.4', 443, socket.AF_INET6))
show('udp', lambda: udp('8.8.8.8'))
show('udp_connect', lambda: udp_connect('1.1.1.1'))
show('name', lambda: socket.getaddrinfo('example.com', 80))
show('closed', lambda: tcp('127.0.0.1', 5432))
",
    ));
    for key in ["metadata", "credentials", "public", "private", "six", "mapped", "udp", "udp_connect"] {
        assert_eq!(outcome.value(key), "ENETUNREACH", "{key}");
    }
    assert_ne!(outcome.value("name"), "connected");
    assert!(!outcome.value("name").contains("AddressFamily"), "{}", outcome.value("name"));
    assert_eq!(outcome.value("closed"), "ECONNREFUSED");
    assert_eq!(
        outcome.connections_denied(),
        [
            "169.254.169.254:80",
            "169.254.170.2:80",
            "8.8.8.8:443",
            "10.0.0.1:22",
            "[2001:4860:4860::8888]:443",
            "8.8.4.4:443",
            "1.1.1.1:53",
        ]
    );
}

#[test]
fn processes_and_environment_of_the_host_are_invisible() {
    let outcome = run(run_python(
        r"
show('pid', os.getpid)
show('parent', os.getppid)
show('processes', lambda: sorted(name for name in os.listdir('/proc') if name.isdigit()))
show('environ', lambda: dict(os.environ))
show('raw', lambda: open('/proc/1/environ').read())
show('signal', lambda: os.kill(os.getppid() or 2, 0))
show('all', lambda: os.kill(-1, 0))
show('root', lambda: 'work' in os.listdir('/proc/1/root'))
show('cgroup', lambda: set(line.rsplit(':', 1)[1] for line in open('/proc/self/cgroup').read().split() if 'memory' in line or line.startswith('0:')))
show('mounts', lambda: 'vda' in open('/proc/self/mountinfo').read() and '/work' in open('/proc/self/mountinfo').read())
show('host', lambda: socket.gethostname())
",
    ));
    assert_eq!((outcome.value("pid"), outcome.value("parent")), ("1", "0"));
    assert_eq!(outcome.value("processes"), "['1']");
    assert_eq!(outcome.value("environ"), "{'GREETING': 'hello'}");
    assert_eq!(outcome.value("raw").trim_end_matches('\0'), "GREETING=hello");
    assert_eq!(outcome.value("signal"), "ESRCH");
    assert_eq!(outcome.value("root"), "False");
    assert_eq!(outcome.value("cgroup"), "{'/'}");
    assert_eq!(outcome.value("host"), "casemate");
}

#[test]
fn another_environment_cannot_be_reached() {
    run(async {
        let victim_code = package(
            "main.py",
            &format!(
                "{PYTHON_PRELUDE}
open('/tmp/secret', 'w').write('s3cret')
a = socket.socket(socket.AF_UNIX); a.bind('\\0meeting'); a.listen()
p = socket.socket(socket.AF_UNIX); p.bind('/tmp/socket'); p.listen()
t = socket.socket(); t.bind(('127.0.0.1', 7777)); t.listen()
print('ready', flush=True)
a.accept()
"
            ),
        );
        let mut victim = driver().await.start(spec(python().await, victim_code.path())).await.unwrap();
        let mut line = [0; 6];
        victim.take_stdout().unwrap().read_exact(&mut line).await.unwrap();
        let outcome = run_python(&format!(
            r#"
def meet(address):
    with socket.socket(socket.AF_UNIX) as s: s.connect(address); return 'met'
def tcp(port):
    with socket.socket() as s: s.connect(('127.0.0.1', port)); return 'met'
show('abstract', lambda: meet('\0meeting'))
show('path', lambda: meet('/tmp/socket'))
show('tcp', lambda: tcp(7777))
show('tmp', lambda: os.listdir('/tmp'))
show('secret', lambda: open('/tmp/secret').read())
show('code', lambda: 'ready' in open('/var/task/main.py').read().replace("'re" + "ady'", ''))
show('hostcode', lambda: os.listdir('{}'))
show('kill', lambda: os.kill({}, 9))
"#,
            victim_code.path().display(),
            victim.pid(),
        ))
        .await;
        assert_eq!(outcome.value("abstract"), "ECONNREFUSED");
        assert_eq!(outcome.value("path"), "ENOENT");
        assert_eq!(outcome.value("tcp"), "ECONNREFUSED");
        assert_eq!(outcome.value("tmp"), "[]");
        assert_eq!(outcome.value("secret"), "ENOENT");
        assert_eq!(outcome.value("hostcode"), "ENOENT");
        assert_eq!(outcome.value("kill"), "ESRCH");
        let missing = |event: &Event| match event {
            Event::SocketMissing { name, .. } => Some(name.clone()),
            _ => None,
        };
        // What lies in /tmp is its own business.
        assert_eq!(
            outcome.events.iter().filter_map(missing).collect::<Vec<_>>(),
            ["@meeting"],
            "{outcome:?}"
        );
        victim.stop().await;
    });
}

#[test]
fn runtime_api_of_another_environment_is_never_the_one_reached() {
    run(async {
        let code = package(
            "main.py",
            "import socket\ns = socket.create_connection(('127.0.0.1', 9001))\ns.recv(1)\n",
        );
        let one = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let quiet =
            package("main.py", "import socket\nsocket.create_connection(('127.0.0.1', 4566)).recv(1)\n");
        let other = driver().await.start(spec(python().await, quiet.path())).await.unwrap();
        let (accepted, _) = tokio::join!(one.runtime_api().accept(), other.aws_endpoint().accept());
        accepted.unwrap();
        let never = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(never, other.runtime_api().accept()).await.is_err());
        assert!(tokio::time::timeout(never, one.aws_endpoint().accept()).await.is_err());
    });
}

#[test]
fn nothing_but_tmp_can_be_written() {
    let outcome = run(run_python(
        r"
import sysconfig
def write(path):
    with open(path, 'w'): return 'written'
for path in ['/x', '/var/task/x', '/var/task/main.py', '/var/runtime/x', '/opt/x', '/etc/passwd', '/var/x', '/dev/x', '/proc/x']:
    show('write:' + path, lambda: write(path))
show('interpreter', lambda: open(os.path.realpath(sys.executable), 'r+b'))
show('library', lambda: write(sysconfig.get_path('stdlib') + '/x.py'))
show('mkdir', lambda: os.mkdir('/d'))
show('unlink', lambda: os.unlink('/var/task/main.py'))
show('chmod', lambda: os.chmod('/var/task/main.py', 0o777))
show('device', lambda: os.mknod('/tmp/device', 0o20666, os.makedev(1, 1)))
show('link', lambda: os.link('/etc/passwd', '/tmp/passwd'))
show('tmp', lambda: write('/tmp/x'))
show('null', lambda: write('/dev/null'))
show('random', lambda: len(open('/dev/urandom', 'rb').read(8)))
",
    ));
    for path in [
        "/x",
        "/var/task/x",
        "/var/task/main.py",
        "/var/runtime/x",
        "/opt/x",
        "/etc/passwd",
        "/var/x",
        "/dev/x",
    ] {
        assert_eq!(outcome.value(&format!("write:{path}")), "EROFS", "{path}: {outcome:?}");
    }
    for key in ["library", "mkdir", "unlink", "chmod"] {
        assert_eq!(outcome.value(key), "EROFS", "{key}");
    }
    // Refused already because it is somebody else's file.
    assert_eq!(outcome.value("interpreter"), "EACCES");
    assert!(["EPERM", "EACCES"].contains(&outcome.value("device")), "{outcome:?}");
    assert_ne!(outcome.value("link"), "None");
    assert_eq!(
        (outcome.value("tmp"), outcome.value("null"), outcome.value("random")),
        ("written", "written", "8")
    );
}

#[test]
fn kernel_controls_in_proc_are_covered() {
    let outcome = run(run_python(
        r"
def write(path, text):
    with open(path, 'w') as f: f.write(text); return 'written'
show('sys', lambda: os.listdir('/proc/sys'))
show('pattern', lambda: write('/proc/sys/kernel/core_pattern', '|/tmp/x'))
show('sysrq', lambda: write('/proc/sysrq-trigger', 'h'))
show('kcore', lambda: len(open('/proc/kcore', 'rb').read(16)))
show('keys', lambda: open('/proc/keys').read() == '')
show('kallsyms', lambda: open('/proc/kallsyms').read() == '')
show('modules', lambda: open('/proc/modules').read() == '')
show('timers', lambda: open('/proc/timer_list').read() == '')
show('cmdline', lambda: open('/proc/cmdline').read() == '')
show('locks', lambda: open('/proc/locks').read() == '')
show('disks', lambda: open('/proc/diskstats').read() == '')
show('bus', lambda: os.listdir('/proc/bus'))
show('mem', lambda: open('/proc/1/mem', 'r+b'))
show('oom', lambda: write('/proc/self/oom_score_adj', '-1000'))
show('map', lambda: write('/proc/self/uid_map', '0 0 1'))
",
    ));
    assert_eq!(outcome.value("sys"), "[]");
    assert_eq!(outcome.value("pattern"), "ENOENT");
    // Where the kernel has them, they are /dev/null in here: whatever is written goes nowhere.
    assert!(["written", "EACCES", "ENOENT"].contains(&outcome.value("sysrq")), "{outcome:?}");
    assert!(["0", "EACCES", "ENOENT"].contains(&outcome.value("kcore")), "{outcome:?}");
    for key in ["keys", "kallsyms", "modules", "timers", "cmdline", "locks", "disks"] {
        assert!(["True", "ENOENT"].contains(&outcome.value(key)), "{key} {outcome:?}");
    }
    assert!(["[]", "ENOENT"].contains(&outcome.value("bus")));
    for key in ["mem", "oom", "map"] {
        assert!(["EACCES", "EPERM"].contains(&outcome.value(key)), "{key} {outcome:?}");
    }
}

#[test]
fn process_has_no_rights_no_groups_and_no_descriptors() {
    let outcome = run(run_python(
        r"
status = dict(line.rstrip('\n').split(':\t', 1) for line in open('/proc/self/status') if ':\t' in line)
for key in ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Uid', 'Gid', 'Groups']:
    show(key, lambda: status[key].strip().replace('\t', ' ') or '-')
show('fds', lambda: sorted(int(name) for name in os.listdir('/proc/self/fd')))
show('stdin', lambda: (os.readlink('/proc/self/fd/0'), os.read(0, 1)))
show('cwd', os.getcwd)
show('priority', lambda: (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), open('/proc/self/oom_score_adj').read().strip()))
show('favour', lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
show('realtime', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
show('umap', lambda: open('/proc/self/uid_map').read().split()[0::2])
",
    ));
    for key in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(outcome.value(key), "0000000000000000");
    }
    assert_eq!((outcome.value("NoNewPrivs"), outcome.value("Seccomp")), ("1", "2"));
    assert_eq!((outcome.value("Uid"), outcome.value("Gid")), ("993 993 993 993", "990 990 990 990"));
    assert_eq!(outcome.value("Groups"), "-");
    assert_eq!(outcome.value("fds"), "[0, 1, 2, 3]", "3 is the listing itself");
    assert_eq!(outcome.value("stdin"), "('/dev/null', b'')");
    assert_eq!(outcome.value("cwd"), "/var/task");
    // Ordinary scheduling; a server that was itself started with lower priority keeps it for its functions.
    let priority = outcome.value("priority");
    assert!(priority.ends_with(", 0, '500')") && !priority.starts_with("(-"), "{priority}");
    for key in ["favour", "realtime"] {
        assert!(["EACCES", "EPERM"].contains(&outcome.value(key)), "{key} {outcome:?}");
    }
    assert_eq!(outcome.value("umap"), "['993', '1']");
}

#[test]
fn host_user_ids_differ_between_environments_and_own_nothing() {
    run(async {
        let code =
            package("main.py", "import socket\nsocket.create_connection(('127.0.0.1', 9001)).recv(1)\n");
        let one = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let other = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let user = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap().to_owned();
            line.split('\t').next().unwrap().parse::<u32>().unwrap()
        };
        let (first, second) = (user(one.pid()), user(other.pid()));
        assert_ne!(first, second);
        assert!(first >= 2_000_000 && second >= 2_000_000);
        finish_by_kill(one).await;
        finish_by_kill(other).await;
    });
}

async fn finish_by_kill(environment: casemate_sandbox::Environment) {
    environment.kill();
    let outcome = finish(environment).await;
    assert_eq!(outcome.exit.status, casemate_sandbox::ExitStatus::Signal(libc::SIGKILL));
}

#[test]
fn host_packages_are_not_part_of_the_runtime() {
    let outcome = run(run_python_with(
        r"
import sysconfig
show('packages', lambda: os.listdir(sysconfig.get_path('purelib')))
show('ssl', lambda: __import__('ssl').create_default_context().cert_store_stats()['x509_ca'] > 0)
for name in ['hashlib', 'zlib', 'sqlite3', 'decimal', 'asyncio', 'json', 'urllib.request', 'multiprocessing']:
    show('import:' + name, lambda: bool(__import__(name)))
",
        |spec| spec,
    ));
    assert!(["[]", "ENOENT"].contains(&outcome.value("packages")), "{outcome:?}");
    assert_eq!(outcome.value("ssl"), "True", "{outcome:?}");
    for name in
        ["hashlib", "zlib", "sqlite3", "decimal", "asyncio", "json", "urllib.request", "multiprocessing"]
    {
        assert_eq!(outcome.value(&format!("import:{name}")), "True", "{outcome:?}");
    }
}
