//! Environments that are started before it is known for which function: the runtime runs in its sandbox, and nothing else.
//!
//! ```text
//!   start_blank ──▶ Blank ──bind──▶ Environment        (once: binding takes the blank away)
//! ```
//! A blank has every layer of an ordinary environment and no code, no variables of anybody, no credentials and no way out. What
//! its layers depend on besides the template is the same for all that can be made of it: programs are not executed, `/tmp`
//! has one size. Whoever wants something else is started anew.

use std::{
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, Weak},
};

use tokio::net::TcpListener;

use crate::{
    Driver, Environment, MEMORY_MB,
    egress::Rules,
    error::StartError,
    link::Link,
    notify::{Boundary, Judgement},
    spec::{Companions, EnvironmentSpec, ExecPolicy, PIDS_MAX, Template},
    wire::{Report, Request},
};

/// An environment without a function. Dropping it kills it.
#[derive(Debug)]
pub struct Blank {
    environment: Environment,
    judgement: Arc<RwLock<Judgement>>,
    /// Whose root it stands in.
    template: Template,
    /// The spawner that made it, and with which it ends.
    spawner: Weak<Link>,
}

/// What a blank becomes.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Unpacked package, shown read-only at `/var/task`.
    pub code_dir: PathBuf,
    /// Unpacked layers, shown read-only at `/opt`.
    pub layers_dir: Option<PathBuf>,
    /// Memory limit in MB; also the share of processor time.
    pub memory_mb: u64,
}

impl Blank {
    /// Listens on 127.0.0.1:9001 inside.
    pub fn runtime_api(&self) -> &TcpListener {
        self.environment.runtime_api()
    }

    /// Whether its process has ended.
    pub fn is_over(&self) -> bool {
        self.environment.is_over()
    }

    /// Stops its processes until it is bound.
    pub async fn freeze(&self) -> std::io::Result<()> {
        self.environment.freeze().await
    }
}

impl Driver {
    /// Starts an environment that is told later what it is for. `env` is all its process gets until then. It may execute
    /// nothing, and connect to nothing but its own listeners.
    pub async fn start_blank(
        &self,
        template: Template,
        env: Vec<(String, String)>,
        tmp_mb: u64,
        hostname: String,
    ) -> Result<Blank, StartError> {
        let spec = EnvironmentSpec {
            template: template.clone(),
            code_dir: PathBuf::new(),
            layers_dir: None,
            env,
            memory_mb: *MEMORY_MB.start(),
            tmp_mb,
            pids_max: PIDS_MAX,
            exec_policy: ExecPolicy::Deny,
            egress: Rules::default(),
            hostname,
            companions: Companions::default(),
        };
        let spawner = Arc::downgrade(&self.link().await?);
        let (environment, judgement) = self.begin(spec, None).await?;
        // Made by another one, if the first ended meanwhile, it is refused when it is bound.
        Ok(Blank { environment, judgement, template, spawner })
    }

    /// Makes a blank the environment of one function, and lets it run. A failure ends it.
    pub async fn bind(&self, blank: Blank, binding: Binding) -> Result<Environment, StartError> {
        let Binding { code_dir, layers_dir, memory_mb } = binding;
        if !MEMORY_MB.contains(&memory_mb) {
            return Err(StartError::Specification("memory_mb must be 128 to 10,240"));
        }
        let Blank { environment, judgement, template, spawner } = blank;
        let link = self.link().await?;
        // With another spawner, what the first has made is dying, however alive it still looks.
        if !std::ptr::eq(spawner.as_ptr(), Arc::as_ptr(&link)) {
            return Err(StartError::SpawnerGone);
        }
        // While it waited nobody looked: what is no longer as it was digested gets no function.
        self.look(&template).await?;
        {
            // Before any of the function's code can ask.
            let code = std::iter::once(code_dir.as_path()).chain(layers_dir.as_deref().map(Path::new));
            let mut judgement = judgement.write().unwrap_or_else(PoisonError::into_inner);
            judgement.boundary = Boundary::new(template.inner.contained.clone(), code);
        }
        environment.group.grow(memory_mb).map_err(StartError::Supervisor)?;
        environment.begin_init().map_err(StartError::Supervisor)?;
        let request = Request::Bind { code_dir, layers_dir };
        match link.ask_about(&request, &[environment.pidfd.as_raw_fd()]).await? {
            Report::Bound => {}
            Report::Failed(failure) => return Err(failure.into()),
            _ => return Err(StartError::SpawnerGone),
        }
        environment.thaw().await.map_err(StartError::Supervisor)?;
        Ok(environment)
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, fs, os::unix::fs::PermissionsExt};

    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{Bootstrap, BootstrapFile, Event, RuntimeTable, spawner};

    const PROGRAM: &str = r#"
import os, socket
stream = socket.create_connection(("127.0.0.1", 9001))
before = os.listdir("/var/task") + os.listdir("/opt") + sorted(os.environ)
stream.sendall(b"r")
stream.recv(1)
os.chdir("/var/task")
print("before", before)
print("after", os.listdir("/var/task"), os.listdir("/opt"), open("main.txt").read())
for name in ("/var/task/main.txt", "/var/task/new", "/opt/layer.txt"):
    try:
        open(name, "a")
    except OSError as error:
        print(name, error.strerror)
try:
    os.listdir(open("main.txt").read())
except OSError as error:
    print("host", error.strerror)
try:
    os.execv("/proc/self/exe", ["x"])
except OSError as error:
    print("exec", error.strerror)
"#;

    async fn driver() -> (Driver, Template) {
        let table = RuntimeTable::discover(OsStr::new("/usr/bin:/bin"));
        let python = table.iter().find(|runtime| runtime.id.starts_with("python3")).unwrap().clone();
        let driver = Driver::new(spawner::start().unwrap(), table).unwrap();
        let file = BootstrapFile { name: "blank.py".into(), contents: PROGRAM.into() };
        let program = python.interpreter.unwrap().display().to_string();
        let argv = vec![program, "-I".into(), "/var/runtime/blank.py".into()];
        let bootstrap = Bootstrap { files: vec![file], argv, mounts: Vec::new() };
        let template = driver.prepare(&python.id, bootstrap).await.unwrap();
        (driver, template)
    }

    /// A blank whose program waits.
    async fn blank(driver: &Driver, template: &Template) -> (Blank, tokio::net::TcpStream) {
        let env = vec![("ONLY".into(), "this".into())];
        let blank = driver.start_blank(template.clone(), env, 16, "function".into()).await.unwrap();
        let (mut stream, _) = blank.runtime_api().accept().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'r');
        (blank, stream)
    }

    /// A folder with one file, which says where the folder is.
    fn folder(name: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join(name);
        fs::write(&file, folder.path().display().to_string()).unwrap();
        // Everybody may write it: only the mount is in the way.
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
        folder
    }

    fn binding(code: &TempDir, layers: Option<&TempDir>, memory_mb: u64) -> Binding {
        let layers_dir = layers.map(|layers| layers.path().to_owned());
        Binding { code_dir: code.path().to_owned(), layers_dir, memory_mb }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_blank_is_given_its_function_while_it_is_frozen_and_may_do_no_more_than_others() {
        let (driver, template) = driver().await;
        let (blank, mut stream) = blank(&driver, &template).await;
        blank.freeze().await.unwrap();
        let (code, layers) = (folder("main.txt"), folder("layer.txt"));
        let mut environment = driver.bind(blank, binding(&code, Some(&layers), 512)).await.unwrap();
        assert_eq!(environment.group.memory_bytes(), 512 << 20);
        // Its burst is that of its new size, too, where the kernel has one.
        let cpu = environment.group.cpu.as_ref().unwrap().path.as_path();
        let burst = ["cpu.cfs_burst_us", "cpu.max.burst"].map(|name| fs::read_to_string(cpu.join(name)));
        for burst in burst.into_iter().flatten() {
            assert_eq!(burst.trim(), (512 * 20_000 / 1_769).to_string());
        }
        let mut events = environment.take_events().unwrap();
        stream.write_u8(b'g').await.unwrap();
        let mut said = String::new();
        environment.take_stdout().unwrap().read_to_string(&mut said).await.unwrap();
        let host = code.path().display();
        for line in [
            "before ['lib', 'lib', 'ONLY']",
            &format!("after ['main.txt'] ['layer.txt'] {host}"),
            "/var/task/main.txt Read-only file system",
            "/var/task/new Read-only file system",
            "/opt/layer.txt Read-only file system",
            "host No such file or directory",
            "exec Operation not permitted",
        ] {
            assert!(said.lines().any(|had| had == line), "{line} in {said}");
        }
        drop(environment);
        let mut seen = Vec::new();
        while let Some(event) = events.recv().await {
            seen.push(event.event);
        }
        let named =
            |event: &Event| matches!(event, Event::OpenDenied { path, .. } if *path == host.to_string());
        assert!(seen.iter().any(named), "{seen:?}");
        assert!(seen.iter().any(|event| matches!(event, Event::ExecDenied { .. })), "{seen:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_bound_twice_and_no_ordinary_environment_is_bound() {
        let (driver, template) = driver().await;
        let (blank, _stream) = blank(&driver, &template).await;
        let (judgement, of) = (Arc::clone(&blank.judgement), blank.template.clone());
        let spawner = Weak::clone(&blank.spawner);
        let (code, other) = (folder("main.txt"), folder("main.txt"));
        let environment = driver.bind(blank, binding(&code, None, 128)).await.unwrap();
        let again = Blank { environment, judgement, template: of, spawner };
        let refused = driver.bind(again, binding(&other, None, 128)).await.unwrap_err();
        assert!(refused.to_string().contains("Device or resource busy"), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_blank_of_another_spawner_is_not_bound_however_alive_it_is() {
        let (driver, template) = driver().await;
        let (mut alive, _stream) = blank(&driver, &template).await;
        let other = crate::sys::packet_pair().unwrap();
        let link = Arc::new(Link::new(other.0, crate::wiring::START_TIMEOUT).unwrap());
        alive.spawner = Arc::downgrade(&link);
        let code = folder("main.txt");
        let refused = driver.bind(alive, binding(&code, None, 128)).await;
        assert!(matches!(refused, Err(StartError::SpawnerGone)), "{refused:?}");
        // One that is gone altogether is no spawner either.
        let (mut left, _stream) = blank(&driver, &template).await;
        left.spawner = Arc::downgrade(&link);
        drop(link);
        let refused = driver.bind(left, binding(&code, None, 128)).await;
        assert!(matches!(refused, Err(StartError::SpawnerGone)), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn wrong_bindings_are_refused() {
        let (driver, template) = driver().await;
        let code = folder("main.txt");
        let (little, _stream) = blank(&driver, &template).await;
        let refused = driver.bind(little, binding(&code, None, 127)).await;
        assert!(matches!(refused, Err(StartError::Specification(_))), "{refused:?}");
        let (missing, _stream) = blank(&driver, &template).await;
        let nowhere = Binding { code_dir: "/nowhere".into(), ..binding(&code, None, 128) };
        let refused = driver.bind(missing, nowhere).await;
        assert!(matches!(refused, Err(StartError::CodeMissing { .. })), "{refused:?}");
    }
}
