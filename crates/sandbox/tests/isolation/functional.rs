//! What an environment is for: it runs, answers, freezes, is reset, ends, and says how.

use std::time::Duration;

use casemate_sandbox::{Bootstrap, BootstrapFile, Event, ExecPolicy, ExitStatus, Layer, StartError, Status};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{
    PYTHON_PRELUDE, custom, driver, finish, package, python, run, run_node, run_python, spec, static_package,
};

/// Answers each byte it reads with the same byte; `b` makes a stray process and some files first.
const ECHO: &str = "
s = socket.create_connection(('127.0.0.1', 9001))
while True:
    byte = s.recv(1)
    if not byte: break
    if byte == b'b':
        os.makedirs('/tmp/a/b'); open('/tmp/a/b/c', 'w').write('x'); os.symlink('/etc', '/tmp/l')
        stray = os.fork()
        if stray == 0:
            import signal
            while True: signal.pause()
    if byte == b'l':
        print('tmp', os.listdir('/tmp'), flush=True)
        print('stray', os.waitpid(stray, 0)[1], flush=True)
    s.send(byte)
";

const NEVER: Duration = Duration::from_millis(150);

pub(crate) async fn echo(stream: &mut TcpStream, byte: u8) {
    stream.write_all(&[byte]).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), byte);
}

#[test]
fn every_layer_is_in_force_on_this_host() {
    run(async {
        let probe = driver().await.probe().await;
        assert_eq!(probe.absent().collect::<Vec<_>>(), []);
        assert_eq!(probe.layers.len(), 24, "{probe}");
        assert!(matches!(probe.status(Layer::MemoryLimit), Some(Status::InForce(_))), "{probe}");
        assert!(probe.to_string().contains("landlock"));
    });
}

#[test]
fn program_runs_and_its_streams_and_exit_code_arrive() {
    let outcome = run(run_python("print('out', 1)\nprint('err', file=sys.stderr)\nsys.exit(7)\n"));
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out 1\n", "err\n"));
    assert_eq!(outcome.exit.status, ExitStatus::Code(7));
    assert!(!outcome.exit.out_of_memory && outcome.exit.usage.cpu_us > 0);
    assert_eq!(outcome.events, []);
}

#[test]
fn crash_is_told_by_its_signal() {
    let outcome = run(run_python("ctypes.string_at(0)\n"));
    assert_eq!(outcome.exit.status, ExitStatus::Signal(libc::SIGSEGV));
    assert!(!outcome.exit.out_of_memory);
}

#[test]
fn non_blocking_connections_to_the_own_listeners_work() {
    let outcome = run(async {
        let code = package(
            "main.py",
            "
import asyncio
async def main():
    reader, writer = await asyncio.open_connection('127.0.0.1', 4566)
    print('got', (await reader.readexactly(5)).decode(), flush=True)
    server = await asyncio.start_server(lambda r, w: w.close(), '127.0.0.1', 8080)
    reader, writer = await asyncio.open_connection('localhost', 8080)
    print('own', await reader.read(1))
asyncio.run(main())
",
        );
        let environment = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let (mut stream, _) = environment.aws_endpoint().accept().await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        finish(environment).await
    });
    assert_eq!((outcome.value("got"), outcome.value("own")), ("hello", "b''"), "{outcome:?}");
    assert_eq!(outcome.events, []);
}

#[test]
fn node_runs_and_speaks_to_the_runtime_api() {
    run(async {
        let code = package(
            "main.js",
            "const http = require('http');
             http.get('http://127.0.0.1:9001/next', (answer) => { answer.pipe(process.stdout); });",
        );
        let environment =
            driver().await.start(spec(crate::harness::node().await, code.path())).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        let mut head = vec![0; 14];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(head, b"GET /next HTTP");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            .await
            .unwrap();
        let outcome = finish(environment).await;
        assert_eq!(outcome.stdout, "hello", "{outcome:?}");
    });
    let outcome = run(run_node(
        "console.log('threads ' + typeof new (require('worker_threads').Worker)('', {eval: true}))",
    ));
    assert_eq!(outcome.value("threads"), "object");
}

#[test]
fn static_program_runs_with_nothing_but_a_loader_around_it() {
    run(async {
        let code = static_package();
        let spec = casemate_sandbox::EnvironmentSpec {
            exec_policy: ExecPolicy::Allow,
            ..spec(custom().await, code.path())
        };
        let environment = driver().await.start(spec).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        let mut head = [0; 44];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"GET /2018-06-01/runtime/invocation/next HTTP");
        // Executing is allowed to custom runtimes; there is only nothing to execute.
        stream.write_all(b"eq").await.unwrap();
        let outcome = finish(environment).await;
        assert_eq!((outcome.stdout.as_str(), outcome.exit.status), ("Err(NotFound)\n", ExitStatus::Code(0)));
        assert_eq!(outcome.executions_denied(), Vec::<&str>::new());
    });
}

#[test]
fn custom_runtime_may_execute_programs_of_its_package() {
    run(async {
        let code = static_package();
        std::fs::copy(code.path().join("bootstrap"), code.path().join("bootstrap2")).unwrap();
        let custom = custom().await;
        let allow = casemate_sandbox::EnvironmentSpec {
            exec_policy: ExecPolicy::Allow,
            ..spec(custom.clone(), code.path())
        };
        let environment = driver().await.start(allow).await.unwrap();
        let (mut first, _) = environment.runtime_api().accept().await.unwrap();
        first.write_all(b"e").await.unwrap();
        let (mut second, _) = environment.runtime_api().accept().await.unwrap();
        second.write_all(b"q").await.unwrap();
        first.write_all(b"q").await.unwrap();
        let outcome = finish(environment).await;
        assert_eq!(outcome.stdout, "Ok(ExitStatus(unix_wait_status(0)))\n", "{outcome:?}");
        let executed = |event: &Event| match event {
            Event::Executed { path, arguments, .. } => Some((path.clone(), arguments.clone())),
            _ => None,
        };
        let executed: Vec<_> = outcome.events.iter().filter_map(executed).collect();
        assert_eq!(executed, [("/var/task/bootstrap2".to_owned(), Vec::new())], "{outcome:?}");
        // The same package where executing is denied.
        let environment = driver().await.start(spec(custom, code.path())).await.unwrap();
        let (mut first, _) = environment.runtime_api().accept().await.unwrap();
        first.write_all(b"eq").await.unwrap();
        let outcome = finish(environment).await;
        assert_eq!(outcome.stdout, "Err(PermissionDenied)\n", "{outcome:?}");
        assert_eq!(outcome.executions_denied(), ["/var/task/bootstrap2"]);
    });
}

#[test]
fn frozen_environment_makes_no_progress_until_thawed() {
    run(async {
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{ECHO}"));
        let environment = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        echo(&mut stream, b'1').await;
        environment.end_init().unwrap();
        environment.freeze().await.unwrap();
        stream.write_all(b"2").await.unwrap();
        assert!(timeout(NEVER, stream.read_u8()).await.is_err(), "it answered while frozen");
        environment.thaw().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'2');
        for byte in 0..20 {
            environment.freeze().await.unwrap();
            environment.thaw().await.unwrap();
            echo(&mut stream, byte).await;
        }
        environment.stop().await;
    });
}

#[test]
fn frozen_environment_can_be_killed() {
    run(async {
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{ECHO}"));
        let environment = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        echo(&mut stream, b'1').await;
        environment.freeze().await.unwrap();
        assert_eq!(environment.stop().await.status, ExitStatus::Signal(libc::SIGKILL));
    });
}

#[test]
fn reset_kills_strays_and_empties_tmp_and_nothing_else() {
    run(async {
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{ECHO}"));
        let mut environment = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        echo(&mut stream, b'b').await;
        assert!(environment.reset().await.is_err(), "a running environment was reset");
        environment.freeze().await.unwrap();
        let outcome = environment.reset().await.unwrap();
        assert_eq!((outcome.strays, outcome.tmp_entries), (1, 2));
        environment.thaw().await.unwrap();
        echo(&mut stream, b'l').await;
        let mut text = vec![0; 15];
        environment.take_stdout().unwrap().read_exact(&mut text).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&text), "tmp []\nstray 9\n");
        environment.stop().await;
    });
}

/// On `f` becomes many processes that fork and end without pause, hold a port and memory, and ignore what can be ignored.
const FORKS: &str = "
import signal
# Takes the ends of all that are left to it: they never fill the process limit.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
s = socket.create_connection(('127.0.0.1', 9001))
while True:
    byte = s.recv(1)
    if not byte: break
    if byte == b'f':
        listener = socket.socket(); listener.bind(('127.0.0.1', 7777)); listener.listen()
        for _ in range(6):
            child = None
            while child is None:
                try: child = os.fork()
                except OSError: pass
            if child == 0:
                s.close(); os.setsid()
                for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
                held = bytearray(4 << 20)
                while True:
                    try:
                        if os.fork() > 0: os._exit(0)
                    except OSError: pass
        listener.close()
    s.send(byte)
";

/// Living processes below this one, at this moment, as the host sees them.
pub(crate) fn living_below(top: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let parents: std::collections::BTreeMap<u32, (u32, bool)> = numbers
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
            let lives = !matches!(fields.next()?, "Z" | "X");
            Some((pid, (fields.next()?.parse().ok()?, lives)))
        })
        .collect();
    let is_below = |pid: u32| {
        let mut at = pid;
        while let Some((parent, _)) = parents.get(&at) {
            if *parent == top {
                return true;
            }
            at = *parent;
        }
        false
    };
    parents.iter().filter(|(pid, (_, lives))| *lives && is_below(**pid)).map(|(pid, _)| *pid).collect()
}

#[test]
fn of_what_forks_without_pause_nothing_lives_when_it_has_been_ended() {
    run(async {
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{FORKS}"));
        let environment = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        echo(&mut stream, b'0').await;
        let residents = environment.residents().unwrap();
        for round in 0..16 {
            echo(&mut stream, b'f').await;
            let before = living_below(environment.pid());
            let ended = if round % 2 == 0 {
                environment.end_strays(&residents).await.unwrap()
            } else {
                environment.freeze().await.unwrap();
                environment.reset().await.unwrap().strays
            };
            assert_eq!(living_below(environment.pid()), Vec::<u32>::new(), "round {round}");
            assert!(!environment.has_strays(&residents).unwrap());
            assert!(ended > 0 && !before.is_empty(), "nothing forked: {ended} ended, {before:?}");
            environment.thaw().await.unwrap();
        }
        environment.stop().await;
    });
}

#[test]
fn dropped_environment_is_dead() {
    run(async {
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{ECHO}"));
        let mut environment = driver().await.start(spec(python().await, code.path())).await.unwrap();
        let mut stdout = environment.take_stdout().unwrap();
        drop(environment);
        // The end of the stream comes only when the last holder of its other end is gone.
        assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn bootstrap_files_are_in_var_runtime_and_cannot_be_changed() {
    run(async {
        let python =
            driver().await.runtimes().iter().filter(|runtime| runtime.id.starts_with("python")).last();
        let runtime = python.unwrap().clone();
        let text = format!(
            "{PYTHON_PRELUDE}
show('file', lambda: __file__)
show('change', lambda: open(__file__, 'w'))
show('code', lambda: os.listdir('/var/task'))
show('layer', lambda: os.listdir('/opt'))
"
        );
        let bootstrap = Bootstrap {
            files: vec![BootstrapFile { name: "start.py".into(), contents: text.into_bytes() }],
            argv: vec![runtime.interpreter.unwrap().display().to_string(), "/var/runtime/start.py".into()],
            mounts: Vec::new(),
        };
        let template = driver().await.prepare(&runtime.id, bootstrap).await.unwrap();
        let (code, layer) = (package("handler.py", ""), package("layer.txt", ""));
        let mut spec = spec(template, code.path());
        spec.layers_dir = Some(layer.path().into());
        let outcome = finish(driver().await.start(spec).await.unwrap()).await;
        assert_eq!(outcome.value("file"), "/var/runtime/start.py");
        assert_eq!(outcome.value("change"), "EROFS");
        assert_eq!((outcome.value("code"), outcome.value("layer")), ("['handler.py']", "['layer.txt']"));
    });
}

#[test]
fn wrong_requests_are_refused_with_their_reason() {
    run(async {
        let driver = driver().await;
        let argv = vec!["/x".to_owned()];
        let unknown =
            driver.prepare("cobol85", Bootstrap { argv: argv.clone(), ..Bootstrap::default() }).await;
        assert!(matches!(unknown, Err(StartError::UnknownRuntime { .. })));
        let escaping = BootstrapFile { name: "../x".into(), contents: Vec::new() };
        let escaping = Bootstrap { files: vec![escaping], argv, ..Bootstrap::default() };
        assert!(driver.prepare("provided.al2023", escaping).await.is_err());
        let missing = driver.start(spec(python().await, "/nonexistent/code".as_ref())).await.unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/code"), "{missing}");
        assert!(matches!(missing, StartError::CodeMissing { .. }));
        let file = driver.start(spec(python().await, "/etc/passwd".as_ref())).await;
        assert!(matches!(file, Err(StartError::CodeMissing { .. })));
        let empty = package("nothing", "");
        let no_program = driver.start(spec(custom().await, empty.path())).await.unwrap_err();
        assert!(no_program.to_string().contains("/var/task/bootstrap"), "{no_program}");
        assert!(matches!(no_program, StartError::Step { .. }), "{no_program:?}");
    });
}

#[test]
fn every_python_of_this_host_starts_with_its_libraries() {
    run(async {
        let code = package(
            "main.py",
            "import bz2, ctypes, decimal, hashlib, json, lzma, socket, sqlite3, ssl, sys, uuid, zlib\n\
             print('version', '%d.%d' % sys.version_info[:2])\n",
        );
        let system = casemate_sandbox::RuntimeTable::discover("/usr/bin:/usr/local/bin".as_ref());
        let driver = driver().await;
        let own: Vec<_> = driver.runtimes().iter().map(|runtime| runtime.id.clone()).collect();
        assert!(own.iter().any(|id| id.starts_with("python3.")), "{own:?}");
        for id in own.iter().filter(|id| id.starts_with("python3.")) {
            let template = crate::harness::prepare(driver, id, "/var/task/main.py").await;
            let outcome = finish(driver.start(spec(template, code.path())).await.unwrap()).await;
            assert_eq!(Some(outcome.value("version")), id.strip_prefix("python"), "{outcome:?}");
        }
        // The distribution's own, where there is one.
        if system.iter().any(|runtime| runtime.id.starts_with("python")) {
            let driver =
                casemate_sandbox::Driver::new(casemate_sandbox::spawner::start().unwrap(), system).unwrap();
            let template = crate::harness::prepare(&driver, "python3.", "/var/task/main.py").await;
            let outcome = finish(driver.start(spec(template, code.path())).await.unwrap()).await;
            assert!(outcome.value("version").starts_with("3."), "{outcome:?}");
        }
    });
}
