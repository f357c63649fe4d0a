//! The extensions of an environment: which there are, how its start waits for them, and their last two seconds.
//!
//! ```text
//!   started ──all registered──▶ the runtime begins ──it asks for a request──▶ nobody registers any more ──all ask──▶ ready
//!   over: SIGTERM to the runtime, SIGKILL ──SHUTDOWN to the external ones──▶ gone, or SIGKILL to all
//! ```

use std::{
    fs, io,
    path::Path,
    sync::{Arc, PoisonError},
    time::Duration,
};

use casemate_kernel::{Decoy, Env, Fault as KernelFault};
use casemate_sandbox::{Companions, Signal};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{Berth, Environment, NotStarted, ending, root::Root};
use crate::{
    credentials::Endpoint,
    extensions::{About, EXTENSIONS_MAX, Extensions, FOLDER, Fault, Reason},
    function::Function,
    isolate::Isolate,
    output::Output,
    packages::Folder,
    process::{self, Given, Purpose},
    telemetry::Telemetry,
};

/// How long an extension that has reported a failure may take to end by itself. Ours: as long as in the end.
const REPORTED_LIMIT: Duration = Duration::from_secs(2);
/// How long the end waits for its processes to be gone and for its last lines to be delivered. Ours.
const DELIVERY_LIMIT: Duration = Duration::from_secs(2);
/// The external extensions of a function's layers.
#[derive(Debug, Default)]
pub(super) struct Listed(Vec<String>);

impl Listed {
    /// What lies in the layers' folder for it. An environment whose process is a template can have none.
    pub(super) fn of(layers: Option<&Path>, purpose: Purpose) -> Result<Self, NotStarted> {
        let names = layers.map(listed).transpose()?.unwrap_or_default();
        if names.len() > EXTENSIONS_MAX {
            return Err(NotStarted::Reported(Fault::too_many().report().into(), Vec::new()));
        }
        if purpose.is_before_requests() && !names.is_empty() {
            return Err(NotStarted::Unforkable("it has external extensions".to_owned()));
        }
        Ok(Self(names))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the sandbox starts them.
    pub(super) fn companions(&self, given: &Given<'_>, root: &Root) -> Companions {
        if self.0.is_empty() {
            return Companions::default();
        }
        let programs = self.0.iter().map(|name| format!("{FOLDER}/{name}")).collect();
        Companions { programs, env: root.environment(process::of_extensions(given), given.function) }
    }

    /// As the Extensions API knows them.
    pub(super) fn registry(&self, env: &Env, function: &Function) -> Arc<Extensions> {
        let about = About {
            account: function.arn.account_id().map(|account| account.as_str().to_owned()).unwrap_or_default(),
            name: function.name.clone(),
            version: function.version.to_string(),
            handler: function.settings.handler.clone(),
        };
        Arc::new(Extensions::new(about, Arc::clone(&env.entropy), &self.0))
    }
}

/// The names of the files in the folder of extensions. What cannot be read in full is not started without what is missing.
// AWS: every file of the folder, whatever it is; what is a folder itself is passed over.
fn listed(layers: &Path) -> Result<Vec<String>, NotStarted> {
    let folder = layers.join("extensions");
    let kind = match fs::symlink_metadata(&folder) {
        Ok(about) => about.file_type(),
        Err(error) if is_nowhere(&error) => return Ok(Vec::new()),
        Err(error) => return Err(KernelFault::internal(error).into()),
    };
    if kind.is_symlink() {
        // On the host it leads elsewhere than inside.
        return Err(unlisted(format!("{FOLDER} is a link")));
    }
    if !kind.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(KernelFault::internal)? {
        let entry = entry.map_err(KernelFault::internal)?;
        if entry.file_type().map_err(KernelFault::internal)?.is_dir() {
            continue;
        }
        // It registers with its name in a header, and log lines name it.
        match entry.file_name().into_string() {
            Ok(name) if name.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) => names.push(name),
            Ok(name) => return Err(unlisted(format!("{FOLDER}: invalid name {name:?}"))),
            Err(name) => {
                let name = name.to_string_lossy();
                return Err(unlisted(format!("{FOLDER}: invalid name {name:?}")));
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Is there simply nothing?
pub(super) fn is_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The start fails, as the function's owner can read.
pub(super) fn unlisted(why: String) -> NotStarted {
    NotStarted::Reported(Fault::unlisted(why).report().into(), Vec::new())
}

/// Tells the registry of processes that end.
pub(super) fn watch(sandbox: &Arc<Isolate>, extensions: &Arc<Extensions>) -> JoinHandle<()> {
    let (sandbox, extensions) = (Arc::clone(sandbox), Arc::clone(extensions));
    tokio::spawn(async move {
        let mut known = Vec::new();
        loop {
            let (index, end) = sandbox.companion_ended(&known).await;
            extensions.ended(index, end);
            known.push(index);
        }
    })
}

impl Environment {
    /// Resolves when an extension has failed.
    pub(super) async fn extension_failed(&self) -> Fault {
        match self.extensions.failed().await {
            Ok(fault) => fault,
            Err(said) => timeout(REPORTED_LIMIT, self.extensions.ended_by_itself()).await.unwrap_or(said),
        }
    }

    /// Does the environment have any?
    pub(crate) fn has_extensions(&self) -> bool {
        self.extensions.kinds() != (false, false)
    }

    /// For what extensions are told at the end. The first word counts.
    pub(super) fn ends_for(&self, reason: Reason) {
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        if *ending == Reason::Spindown {
            *ending = reason;
        }
    }

    /// Does it end some time after it is dropped, and its room comes free then?
    pub(crate) fn ends_slowly(&self) -> bool {
        self.has_extensions() && !self.is_template()
    }

    /// A request must not go on in the runtime; where there are external extensions, they still hear of the end.
    pub(super) async fn end_runtime(&self) {
        let (external, _) = self.extensions.kinds();
        if !external || self.sandbox.end_all_but_companions().await.is_err() {
            self.sandbox.kill();
        }
    }

    /// What is to be done at the end; `None`: nobody is to be told.
    pub(super) fn farewell(&mut self) -> Option<Farewell> {
        if !self.ends_slowly() {
            return None;
        }
        tokio::runtime::Handle::try_current().ok()?;
        let turn = self.farewells.begin()?;
        // Extensions send away what they have kept.
        self.duty.begin();
        Some(Farewell {
            sandbox: Arc::clone(&self.sandbox),
            extensions: Arc::clone(&self.extensions),
            telemetry: Arc::clone(&self.telemetry),
            reason: *self.ending.lock().unwrap_or_else(PoisonError::into_inner),
            env: self.env.clone(),
            tasks: std::mem::take(&mut self.tasks),
            endpoint: self.endpoint.take(),
            key: self.held.lock().unwrap_or_else(PoisonError::into_inner).access_key_id.take(),
            output: self.output.clone(),
            _folders: std::mem::take(&mut self.folders),
            _decoy: self.decoy.take(),
            berth: self.berth.take(),
            _turn: turn,
        })
    }
}

/// The last moments of an environment whose extensions are told of its end. Dropping it is the end.
pub(super) struct Farewell {
    sandbox: Arc<Isolate>,
    extensions: Arc<Extensions>,
    telemetry: Arc<Telemetry>,
    reason: Reason,
    env: Env,
    /// What serves its sockets.
    tasks: Vec<JoinHandle<()>>,
    endpoint: Option<Arc<Endpoint>>,
    key: Option<String>,
    /// Reads what they write to the last.
    output: Output,
    _folders: Vec<Arc<Folder>>,
    /// Whoever still runs may still use it.
    _decoy: Option<Decoy>,
    /// Its room is taken until its processes are gone.
    berth: Option<Berth>,
    _turn: OwnedSemaphorePermit,
}

impl Farewell {
    pub(super) async fn say(mut self) {
        let limit = ending::limit(&self.extensions) * self.sandbox.patience();
        let deadline = self.env.clock.now().plus_millis(i64::try_from(limit.as_millis()).unwrap_or_default());
        ending::end(&self, &self.extensions, (self.reason, deadline)).await;
        if let Some(endpoint) = &self.endpoint {
            endpoint.set(None);
        }
        if let (Some(key), Ok(sessions)) = (self.key.take(), self.env.sessions()) {
            // Bound to an environment that is gone, the key is worthless even where this fails.
            drop(sessions.revoke(&key).await);
        }
        let until = Instant::now() + DELIVERY_LIMIT;
        drop(timeout_at(until, self.sandbox.over()).await);
        drop(self.berth.take());
        // Whoever waits for this end may be the server, and nothing is delivered after it.
        drop(timeout_at(until, self.output.delivered()).await);
    }
}

impl ending::Processes for Farewell {
    async fn thaw(&self) -> bool {
        let thawed = self.sandbox.thaw().await.is_ok();
        if thawed {
            self.telemetry.set_running(true);
            self.telemetry.hurry();
        }
        thawed
    }

    async fn terminate_runtime(&self) {
        self.sandbox.end_runtime(Signal::Terminate).await;
    }

    async fn runtime_ended(&self) {
        self.sandbox.exited().await;
    }

    async fn end_all_but_extensions(&self) -> bool {
        self.sandbox.end_all_but_companions().await.is_ok()
    }

    async fn over(&self) {
        self.sandbox.over().await;
    }

    fn kill(&self) {
        self.sandbox.kill();
    }

    fn after(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        tokio::time::sleep(time * self.sandbox.patience())
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.sandbox.kill();
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_folder_are_extensions_and_folders_are_not() {
        let layers = tempfile::tempdir().unwrap();
        assert!(listed(layers.path()).unwrap().is_empty());
        let folder = layers.path().join("extensions");
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::write(folder.join("two"), "").unwrap();
        fs::write(folder.join("one.py"), "").unwrap();
        std::os::unix::fs::symlink("/etc", folder.join("zelda")).unwrap();
        assert_eq!(listed(layers.path()).unwrap(), ["one.py", "two", "zelda"]);
    }

    #[test]
    fn what_cannot_be_listed_is_not_started_without() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let reported = |layers: &Path| match listed(layers) {
            Err(NotStarted::Reported(report, _)) => String::from_utf8(report.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        for name in [&b"one\xff"[..], b"one\n", b"one\t", b"\x7f", "ä".as_bytes()] {
            let layers = tempfile::tempdir().unwrap();
            fs::create_dir_all(layers.path().join("extensions")).unwrap();
            fs::write(layers.path().join("extensions").join(OsStr::from_bytes(name)), "").unwrap();
            let report = reported(layers.path());
            assert!(report.contains("Extension.LaunchError") && report.contains("invalid name"), "{report}");
        }
        let layers = tempfile::tempdir().unwrap();
        fs::write(layers.path().join("extensions"), "").unwrap();
        assert!(listed(layers.path()).unwrap().is_empty(), "a file is no folder");
        assert!(listed(&layers.path().join("extensions")).unwrap().is_empty());
        let layers = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", layers.path().join("extensions")).unwrap();
        assert!(reported(layers.path()).contains("is a link"));
        let long = Path::new("/").join("x".repeat(300));
        assert!(matches!(listed(&long), Err(NotStarted::Refused(_))), "an error is not nothing");
    }
}
