//! Programs beside the runtime: when they run, under which rules, and what is told of their ends.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use casemate_sandbox::{
    Companions, Environment, EnvironmentSpec, ExecPolicy, ExitStatus, MemberEnd, Signal, Template,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{PYTHON_PRELUDE, driver, package, python, run, spec};

/// Layers with one executable script, run by the interpreter of `template`.
async fn layers(template: &Template, text: &str) -> TempDir {
    let runtime = driver().await.runtimes().find(template.runtime_id()).unwrap().clone();
    let first = format!("#!{}", runtime.interpreter.unwrap().display());
    let folder = package("companion", &format!("{first}\n{PYTHON_PRELUDE}{text}"));
    fs::set_permissions(folder.path().join("companion"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn beside(spec: EnvironmentSpec, layers: &Path, program: &str) -> EnvironmentSpec {
    let env = vec![("ONLY".to_owned(), "this".to_owned())];
    let companions = Companions { programs: vec![program.to_owned()], env };
    EnvironmentSpec { layers_dir: Some(layers.to_owned()), companions, ..spec }
}

async fn start(companion: &str, main: &str, policy: ExecPolicy) -> (Environment, [TempDir; 2]) {
    let template = python().await;
    let layers = layers(&template, companion).await;
    let package = package("main.py", &format!("{PYTHON_PRELUDE}{main}"));
    let spec = EnvironmentSpec { exec_policy: policy, ..spec(template, package.path()) };
    let spec = beside(spec, layers.path(), "/opt/companion");
    (driver().await.start(spec).await.unwrap(), [layers, package])
}

async fn text(mut pipe: tokio::net::unix::pipe::Receiver) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

const COMPANION: &str = "
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('sandbox.localdomain', 8080)); s.listen()
show('variables', lambda: sorted(set(os.environ) - {'LC_CTYPE'}))
show('capabilities', lambda: [line for line in open('/proc/self/status') if line.startswith(('CapEff', 'Seccomp:', 'NoNewPrivs'))])
show('write', lambda: open('/opt/x', 'w'))
show('again', lambda: os.execv('/opt/companion', ['x']))
go = socket.create_connection(('127.0.0.1', 9001)); go.send(b'g')
c = s.accept()[0]
while (byte := c.recv(1)) == b'a': c.send(byte)
c.close()
c = s.accept()[0]
print('second', c.recv(1), flush=True)
sys.exit(3)
";

#[test]
fn a_companion_runs_before_the_runtime_and_under_the_same_rules() {
    run(async {
        let main = "
show('argument', lambda: open('/proc/1/cmdline').read().strip('\\0'))
show('environ', lambda: open('/proc/1/environ').read())
show('memory', lambda: open('/proc/1/mem'))
show('kill', lambda: os.kill(1, 9))
show('channel', lambda: os.listdir('/proc/1/fd'))
show('exec', lambda: os.execv('/opt/companion', ['x']))
beside = os.getpid() + 1
show('seen', lambda: [name for name in os.listdir('/proc') if name.isdigit()] == [str(os.getpid())])
show('its memory', lambda: open(f'/proc/{beside}/mem', 'rb'))
show('its environ', lambda: open(f'/proc/{beside}/environ').read())
show('its descriptors', lambda: os.listdir(f'/proc/{beside}/fd'))
show('its end', lambda: os.kill(beside, 9))
sys.exit(5)
";
        let (mut environment, _folders) = start(COMPANION, main, ExecPolicy::Deny).await;
        let (mut connection, _) = environment.runtime_api().accept().await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'g');
        let mut outlet = environment.take_outlet().unwrap();
        assert!(environment.take_outlet().is_none(), "one for each companion");
        assert!(outlet.connect(8081).await.is_err());
        let mut stream = outlet.connect(8080).await.unwrap();
        stream.write_all(b"a").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
        // It ends the connection itself.
        stream.write_all(b"e").await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        drop(stream);
        environment.run_runtime().unwrap();
        let output = environment.take_stdout().unwrap();
        assert_eq!(environment.exited().await.status, ExitStatus::Code(5));
        // The runtime is gone, the companion goes on.
        outlet.connect(8080).await.unwrap().write_all(b"z").await.unwrap();
        assert_eq!(environment.companion_ended(&[]).await, (0, MemberEnd::Exited(ExitStatus::Code(3))));
        environment.companions_over().await;
        let (runtime, companion) =
            (text(output).await, text(environment.take_companion_output().unwrap()).await);
        for refused in [
            "argument ENOENT",
            "environ ENOENT",
            "memory ENOENT",
            "channel ENOENT",
            "exec EPERM",
            "seen True",
            "its memory ENOENT",
            "its environ ENOENT",
            "its descriptors ENOENT",
        ] {
            assert!(runtime.contains(refused), "{runtime}");
        }
        for line in [
            "variables ['ONLY']",
            "CapEff:\\t0000000000000000",
            "NoNewPrivs:\\t1",
            "Seccomp:\\t2",
            "write EROFS",
            "again EPERM",
            "second b'z'",
        ] {
            assert!(companion.contains(line), "{line} in {companion}");
        }
        let scoped = runtime.contains("its end EPERM") && runtime.contains("kill EPERM");
        assert!(scoped || !signals_are_scoped(), "{runtime}");
        environment.stop().await;
    });
}

/// Landlock keeps signals within a domain from Linux 6.12 on.
fn signals_are_scoped() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(12))
}

#[test]
fn an_environment_with_companions_is_not_reset_and_its_companions_are_no_strays() {
    run(async {
        let companion = "go = socket.create_connection(('127.0.0.1', 9001)); go.send(b'g'); go.recv(1)";
        let main = "
go = socket.create_connection(('127.0.0.1', 9001))
if os.fork() == 0:
    go.send(b'f')
    while True: signal.pause()
go.recv(1)
";
        let main = format!("import signal\n{main}");
        let (environment, _folders) = start(companion, &main, ExecPolicy::Deny).await;
        let (mut companion, _) = environment.runtime_api().accept().await.unwrap();
        assert_eq!(companion.read_u8().await.unwrap(), b'g');
        let none = casemate_sandbox::Residents::default();
        environment.run_runtime().unwrap();
        let (mut runtime, _) = environment.runtime_api().accept().await.unwrap();
        assert_eq!(runtime.read_u8().await.unwrap(), b'f');
        assert!(environment.has_strays(&none).unwrap());
        environment.freeze().await.unwrap();
        // Where freezing is sure; where it is not, neither is done.
        if let Ok(killed) = environment.kill_strays(&none).await {
            assert_eq!(killed, 1);
        }
        assert!(environment.reset().await.is_err());
        environment.thaw().await.unwrap();
        companion.write_all(b"e").await.unwrap();
        environment.companions_over().await;
        assert_eq!(environment.companion_ended(&[]).await, (0, MemberEnd::Exited(ExitStatus::Code(0))));
        environment.stop().await;
    });
}

#[test]
fn without_the_word_the_runtime_does_not_begin_and_all_ends_with_the_environment() {
    run(async {
        let companion = "go = socket.create_connection(('127.0.0.1', 9001)); go.send(b'g'); go.recv(1)";
        let (mut environment, _folders) =
            start(companion, "print('ran', flush=True)", ExecPolicy::Deny).await;
        let (mut connection, _) = environment.runtime_api().accept().await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'g');
        let output = environment.take_stdout().unwrap();
        environment.kill();
        environment.over().await;
        assert_eq!(text(output).await, "");
        assert_eq!(connection.read(&mut [0]).await.unwrap_or(0), 0);
    });
}

#[test]
fn a_runtime_is_asked_to_end_and_a_companion_outlives_it() {
    run(async {
        let companion = "go = socket.create_connection(('127.0.0.1', 9001)); go.send(b'g'); go.recv(1)";
        let main = "
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
print('ready', flush=True)
while True: signal.pause()
";
        let (mut environment, _folders) = start(companion, main, ExecPolicy::Deny).await;
        let (mut connection, _) = environment.runtime_api().accept().await.unwrap();
        environment.run_runtime().unwrap();
        let mut output = environment.take_stdout().unwrap();
        assert_eq!(output.read_u8().await.unwrap(), b'r');
        environment.end_runtime(Signal::Terminate);
        assert_eq!(environment.exited().await.status, ExitStatus::Code(9));
        assert_eq!(connection.read_u8().await.unwrap(), b'g');
        connection.write_all(b"e").await.unwrap();
        environment.companions_over().await;
        assert_eq!(environment.companion_ended(&[]).await, (0, MemberEnd::Exited(ExitStatus::Code(0))));
        environment.stop().await;
    });
}

#[test]
fn what_cannot_be_executed_is_told_and_lists_do_not_cover_companions() {
    run(async {
        let template = python().await;
        let layers = package("companion", "#!/no/such/interpreter\n");
        fs::set_permissions(layers.path().join("companion"), fs::Permissions::from_mode(0o755)).unwrap();
        let package = package("main.py", "");
        let wanted = beside(spec(template.clone(), package.path()), layers.path(), "/opt/companion");
        let environment = driver().await.start(wanted).await.unwrap();
        let ended = environment.companion_ended(&[]).await;
        assert_eq!(ended, (0, MemberEnd::NotExecuted(2)));
        drop(environment);
        let list = ExecPolicy::List(vec!["/var/task/other".to_owned()]);
        let (mut environment, _folders) =
            start("sys.exit(4)", "show('exec', lambda: os.execv('/opt/companion', ['x']))", list).await;
        assert_eq!(environment.companion_ended(&[]).await, (0, MemberEnd::Exited(ExitStatus::Code(4))));
        environment.run_runtime().unwrap();
        let output = environment.take_stdout().unwrap();
        environment.exited().await;
        environment.kill();
        assert!(text(output).await.contains("exec EPERM"));
    });
}
