//! Machines that are ready before it is known for which function: a template per runtime and memory size, made when the first
//! of its kind is wanted, of a guest whose agent has said hello and that has seen no code, no variables and no credentials.
//!
//! So many templates are kept and so long; see [`Limits`]. A template of a runtime whose files have changed is not used any
//! more. Knows nothing of functions but their disks.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use casemate_sandbox::PlannedRoot;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    disk::Disk,
    driver::{Driver, Fresh, FunctionSpec, Image, RuntimeDisk, blocking},
    error::Error,
    fingerprint,
    initialised::Whose,
    kept::{Bounds, Kept},
    machine::Machine,
    template::Template,
};

/// What templates and starts may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The whole start of a machine, the making of its template included.
    pub start: Duration,
    /// The making of a template, once its turn has come: its runtime's disk, its boot, its snapshot.
    pub making: Duration,
    /// How long it is not tried again after it has failed.
    pub failed: Duration,
    /// How long a template is kept that nobody uses.
    pub unused: Duration,
    /// Templates, those being made included.
    pub templates: usize,
    /// Bytes of all templates' memory and disks. What a dropped template's running clones still have is theirs.
    pub bytes: u64,
}

impl Limits {
    /// Ours. A boot with hardware virtualisation takes a second, an emulated one on a busy machine minutes.
    pub fn of(driver: &Driver) -> Self {
        let (making, start) =
            if driver.is_emulating() { (MAKING_EMULATED, START_EMULATED) } else { (MAKING, START) };
        Self { start, making, failed: FAILED, unused: UNUSED, templates: TEMPLATES_MAX, bytes: BYTES_MAX }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Stock {
    maker: Arc<Maker>,
    pub(crate) start: Duration,
    pub(crate) templates: Kept<Key, Template>,
}

/// What a template is made of: the runtime's name, its files, and what else.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key {
    pub(crate) runtime: String,
    pub(crate) files: String,
    pub(crate) of: Of,
}

/// See [`Key`].
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Of {
    /// Any function's, with so much memory in MB.
    Runtime { ram_mb: u64 },
    /// One that has initialised.
    Function(Whose),
}

impl Key {
    /// Of a runtime whose files are others now.
    pub(crate) fn is_outdated(&self, runtime: &str, files: &str) -> bool {
        self.runtime == runtime && self.files != files
    }
}

#[derive(Debug)]
struct Maker {
    driver: Driver,
    blank: Arc<Disk>,
    /// Disks that something still has, by runtime and its files.
    disks: Mutex<BTreeMap<(String, String), Weak<RuntimeDisk>>>,
    numbers: AtomicU64,
}

impl Stock {
    /// Nothing is made yet.
    pub fn new(driver: Driver) -> Result<Self, Error> {
        let limits = Limits::of(&driver);
        Self::with_limits(driver, limits)
    }

    /// The same with other limits.
    pub fn with_limits(driver: Driver, limits: Limits) -> Result<Self, Error> {
        let Limits { start, making, failed, unused, templates, bytes } = limits;
        let blank = driver.blank_disk()?;
        let maker = Maker { driver, blank, disks: Mutex::default(), numbers: AtomicU64::new(1) };
        let bounds = Bounds { count: templates, bytes, unused, failed, making, turns: BOOTS_MAX };
        let templates = Kept::new(bounds);
        Ok(Self { maker: Arc::new(maker), start, templates })
    }

    /// What makes the machines.
    pub fn driver(&self) -> &Driver {
        &self.maker.driver
    }

    /// A machine in which a function has been started: `root` is what it stands in, `code` its disk. `fresh` is asked when a machine begins to run. What is not ready within the limit is ended.
    pub async fn start(
        &self,
        root: PlannedRoot,
        code: Arc<Disk>,
        spec: FunctionSpec,
        fresh: Arc<dyn Fn() -> Fresh + Send + Sync>,
    ) -> Result<Machine, Error> {
        let started = timeout(self.start, self.started(root, code, spec, fresh));
        started.await.unwrap_or(Err(Error::TookTooLong(self.start)))
    }

    async fn started(
        &self,
        root: PlannedRoot,
        code: Arc<Disk>,
        spec: FunctionSpec,
        fresh: Arc<dyn Fn() -> Fresh + Send + Sync>,
    ) -> Result<Machine, Error> {
        let (template, _) = self.template(root, shared_ram_mb(&spec), Arc::clone(&fresh)).await?;
        let driver = self.driver();
        let mut machine = driver.clone_with(&template, code, &fresh()).await?;
        driver.start(&mut machine, spec).await?;
        Ok(machine)
    }

    /// The template for any function of a runtime, and by what its files were known.
    pub(crate) async fn template(
        &self,
        root: PlannedRoot,
        ram_mb: u64,
        fresh: Arc<dyn Fn() -> Fresh + Send + Sync>,
    ) -> Result<(Template, String), Error> {
        let (runtime, files) = (root.runtime_id().to_owned(), files_of(&root).await?);
        let outdated = |key: &Key| key.is_outdated(&runtime, &files);
        let (maker, of) = (Arc::clone(&self.maker), (root, files.clone()));
        let make = move || async move { maker.template(of, ram_mb, &*fresh).await };
        let key = Key { runtime: runtime.clone(), files: files.clone(), of: Of::Runtime { ram_mb } };
        let template = self.templates.get((key, Instant::now()), outdated, make).await?;
        Ok((template, files))
    }
}

impl Maker {
    async fn template(
        &self,
        of: (PlannedRoot, String),
        ram_mb: u64,
        fresh: &(dyn Fn() -> Fresh + Send + Sync),
    ) -> Result<(Template, u64), Error> {
        let runtime = self.disk(of).await?;
        let image = Image { runtime, code: Arc::clone(&self.blank) };
        let booted = self.driver.boot_with(&image, ram_mb, &fresh()).await?;
        let template = self.driver.snapshot(booted, Vec::new()).await?;
        let bytes = template.bytes()?;
        Ok((template, bytes))
    }

    /// The runtime's disk: that of another template, or a new one.
    async fn disk(&self, (root, files): (PlannedRoot, String)) -> Result<Arc<RuntimeDisk>, Error> {
        let mut disks = self.disks.lock().await;
        disks.retain(|_, disk| disk.strong_count() > 0);
        let key = (root.runtime_id().to_owned(), files);
        if let Some(disk) = disks.get(&key).and_then(Weak::upgrade) {
            return Ok(disk);
        }
        // A name of its own: an earlier disk of this runtime may still be in use.
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", root.runtime_id());
        let disk = Arc::new(self.driver.runtime_disk(&name, root).await?);
        disks.insert(key, Arc::downgrade(&disk));
        Ok(disk)
    }
}

/// By what a root's files on the host are known.
pub(crate) async fn files_of(root: &PlannedRoot) -> Result<String, Error> {
    let root = root.clone();
    blocking(move || fingerprint::of(&root)).await
}

/// Memory of the template for a function, which has at least what the function's machine needs. The sizes are few, or one
/// account's functions would need all the templates that there may be. What the function may use is another matter: the
/// agent bounds it.
pub(crate) fn shared_ram_mb(spec: &FunctionSpec) -> u64 {
    let needed = spec.ram_mb();
    needed.checked_next_power_of_two().unwrap_or(needed)
}

const START: Duration = Duration::from_secs(45);
const MAKING: Duration = Duration::from_secs(30);
const START_EMULATED: Duration = Duration::from_mins(5);
const MAKING_EMULATED: Duration = Duration::from_mins(4);
/// As long as a root of the process driver that could not be made.
const FAILED: Duration = Duration::from_mins(1);
const UNUSED: Duration = Duration::from_mins(30);
/// Few runtimes and sizes are in use at a time; functions that have initialised share what is left.
const TEMPLATES_MAX: usize = 16;
/// A template that has just booted takes some 300 MB.
const BYTES_MAX: u64 = 6 << 30;
/// Templates that boot at a time; others wait for their turn.
const BOOTS_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_functions_of_a_runtime_share_six_sizes() {
        let mut sizes = BTreeSet::new();
        for memory_mb in 128..=10_240 {
            for tmp_mb in [512, 1_000, 5_000, 10_240] {
                let spec = FunctionSpec {
                    argv: Vec::new(),
                    working_dir: "/".into(),
                    env: Vec::new(),
                    memory_mb,
                    tmp_mb,
                    pids_max: 1,
                    exec_policy: casemate_sandbox::ExecPolicy::Deny,
                    hostname: String::new(),
                    way_out: false,
                    companions: casemate_sandbox::Companions::default(),
                };
                assert!(shared_ram_mb(&spec) >= spec.ram_mb());
                sizes.insert(shared_ram_mb(&spec));
            }
        }
        assert!(sizes.len() <= 6 && sizes.len() < TEMPLATES_MAX, "{sizes:?}");
    }
}
