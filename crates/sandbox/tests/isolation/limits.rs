//! Limits: what is too much ends, is counted, and hurts nobody else.

use casemate_sandbox::{Event, ExitStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{
    FORK_BOMB, PYTHON_PRELUDE, driver, finish, package, python, run, run_python, run_python_with, spec,
};

#[test]
fn memory_hog_is_killed_and_recorded() {
    let snippet = "
show('before', lambda: 'ok')
hog = []
while True: hog.append(bytearray(8 << 20))
";
    let outcome = run(run_python_with(snippet, |mut spec| {
        spec.memory_mb = 128;
        spec
    }));
    assert_eq!(outcome.value("before"), "ok");
    assert_eq!(outcome.exit.status, ExitStatus::Signal(libc::SIGKILL), "{outcome:?}");
    assert!(outcome.exit.out_of_memory);
    assert!(outcome.events.contains(&Event::OutOfMemory));
    let peak = outcome.exit.usage.memory_peak_bytes;
    assert!((100 << 20..=(128 + 16) << 20).contains(&peak), "{peak}");
}

#[test]
fn what_lies_in_tmp_does_not_count_as_the_functions_memory() {
    let snippet = "
with open('/tmp/big', 'wb') as f:
    for _ in range(200): f.write(bytes(1 << 20))
show('tmp', lambda: os.stat('/tmp/big').st_size >> 20)
own = bytearray(60 << 20)
show('own', lambda: len(own) >> 20)
hog = []
while True: hog.append(bytearray(4 << 20))
";
    let outcome = run(run_python_with(snippet, |mut spec| {
        (spec.memory_mb, spec.tmp_mb) = (128, 256);
        spec
    }));
    assert_eq!((outcome.value("tmp"), outcome.value("own")), ("200", "60"));
    assert!(outcome.exit.out_of_memory && outcome.events.contains(&Event::OutOfMemory), "{outcome:?}");
    let peak = outcome.exit.usage.memory_peak_bytes >> 20;
    assert!((320..=384).contains(&peak), "{peak}");
}

#[test]
fn files_that_are_read_do_not_count_as_the_functions_memory() {
    run(async {
        let snippet = "
total = 0
with open('/var/task/data', 'rb') as f:
    while chunk := f.read(1 << 20): total += len(chunk)
show('read', lambda: total >> 20)
";
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{snippet}"));
        // Sparse on the disk, but not in the page cache.
        std::fs::File::create(code.path().join("data")).unwrap().set_len(300 << 20).unwrap();
        let mut spec = spec(python().await, code.path());
        (spec.memory_mb, spec.tmp_mb) = (128, 64);
        let outcome = finish(driver().await.start(spec).await.unwrap()).await;
        assert_eq!((outcome.value("read"), outcome.exit.out_of_memory), ("300", false), "{outcome:?}");
    });
}

#[test]
fn memory_hog_in_a_child_process_ends_the_environment_too() {
    let snippet = "
if os.fork() == 0:
    hog = []
    while True: hog.append(bytearray(8 << 20))
os.wait()
socket.create_connection(('127.0.0.1', 9001)).recv(1)
";
    let outcome = run(run_python_with(snippet, |mut spec| {
        spec.memory_mb = 128;
        spec
    }));
    assert!(outcome.exit.out_of_memory, "{outcome:?}");
    assert!(outcome.events.contains(&Event::OutOfMemory));
}

#[test]
fn fork_bomb_stops_at_the_process_limit_and_is_recorded() {
    let outcome = run(run_python_with(FORK_BOMB, |mut spec| {
        spec.pids_max = 20;
        spec
    }));
    assert_eq!(outcome.value("error"), "EAGAIN");
    assert_eq!(outcome.value("made"), "19");
    let counted = outcome.events.iter().any(|event| matches!(event, Event::ProcessLimit { refused: 1.. }));
    assert!(counted, "{outcome:?}");
}

#[test]
fn what_is_full_after_a_request_is_told_once_for_each() {
    run(async {
        let snippet = "
kept = []
stream = socket.create_connection(('127.0.0.1', 9001))
with open('/tmp/big', 'wb') as f:
    try:
        while True: f.write(b'x' * 65536); f.flush()
    except OSError: pass
try:
    while True: kept.append(os.open('/dev/null', os.O_RDONLY))
except OSError: pass
stream.send(b'f')
stream.recv(1)
os.unlink('/tmp/big')
for fd in kept: os.close(fd)
stream.send(b'x')
stream.recv(1)
";
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{snippet}"));
        let mut environment = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let mut events = environment.take_events().unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'f');
        for _ in 0..2 {
            // Looked at twice, told once.
            environment.begin_invocation();
            environment.usage();
            environment.usage();
        }
        stream.write_all(b"g").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        environment.begin_invocation();
        environment.usage();
        let pid = environment.pid();
        environment.stop().await;
        let mut told = Vec::new();
        while let Some(recorded) = events.recv().await {
            told.push((recorded.event, recorded.invocation));
        }
        let both = |at| [(Event::TmpFull, at), (Event::DescriptorLimit { pid }, at)];
        assert_eq!(told, [both(1), both(2)].concat());
    });
}

#[test]
fn datagrams_of_other_protocols_are_refused_and_recorded_and_streams_only_refused() {
    let outcome = run(run_python(
        "
show('ping', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1))
show('lite', lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, 136))
show('mptcp', lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
show('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close())
",
    ));
    for name in ["ping", "lite", "mptcp"] {
        assert_eq!(outcome.value(name), "EPROTONOSUPPORT");
    }
    assert_eq!(outcome.value("udp"), "None");
    assert_eq!(outcome.calls_refused(), ["datagram socket of protocol 1", "datagram socket of protocol 136"]);
}

#[test]
fn tmp_is_full_at_its_quota_and_executes_nothing() {
    let outcome = run(run_python(
        r"
import mmap
def fill():
    written = 0
    try:
        with open('/tmp/big', 'wb') as f:
            while True: written += f.write(b'x' * 65536); f.flush()
    except OSError as error:
        return errno.errorcode[error.errno], written
show('fill', fill)
os.truncate('/tmp/big', 4096)
def map_executable():
    with open('/tmp/big', 'r+b') as f: return bool(mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))
show('map', map_executable)
show('many', lambda: [open('/tmp/f%d' % i, 'w').close() for i in range(70000)])
",
    ));
    let fill = outcome.value("fill");
    assert!(fill.contains("ENOSPC") || fill.contains("EFBIG"), "{fill}");
    let written: u64 = fill.trim_end_matches(')').rsplit(' ').next().unwrap().parse().unwrap();
    assert!((15 << 20..=16 << 20).contains(&written), "{written}");
    assert_eq!(outcome.value("map"), "EPERM");
    assert_eq!(outcome.value("many"), "ENOSPC");
}

#[test]
fn descriptors_end_at_their_limit_which_cannot_be_raised() {
    let outcome = run(run_python(
        r"
import resource
def open_all():
    kept = []
    try:
        while True: kept.append(os.open('/dev/null', os.O_RDONLY))
    except OSError as error:
        for fd in kept: os.close(fd)
        return errno.errorcode[error.errno], len(kept) + 3
show('open', open_all)
show('raise', lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)))
show('core', lambda: resource.getrlimit(resource.RLIMIT_CORE))
",
    ));
    assert_eq!(outcome.value("open"), "('EMFILE', 1024)");
    assert_eq!(outcome.value("raise"), "ValueError");
    assert_eq!(outcome.value("core"), "(1, 1)");
}
