//! Machines that are ready before it is known for which function: a template per runtime and memory size, made when the first
//! of its kind is wanted, of a guest whose agent has said hello and that has seen no code, no variables and no credentials.
//!
//! Knows nothing of functions but their disks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_sandbox::{HostFile, Runtime};
use tokio::sync::OnceCell;

use crate::{
    disk::Disk,
    driver::{Driver, Fresh, FunctionSpec, Image, RuntimeDisk},
    error::Error,
    machine::Machine,
    template::Template,
};

/// See the module.
#[derive(Debug)]
pub struct Stock {
    driver: Driver,
    blank: Arc<Disk>,
    runtimes: Cells<String, RuntimeDisk>,
    templates: Cells<(String, u64), Template>,
}

/// What is made once for each key; whoever wants the same waits, others do not.
type Cells<K, T> = Mutex<BTreeMap<K, Arc<OnceCell<T>>>>;

impl Stock {
    /// Nothing is made yet.
    pub fn new(driver: Driver) -> Result<Self, Error> {
        let blank = driver.blank_disk()?;
        Ok(Self { driver, blank, runtimes: Mutex::default(), templates: Mutex::default() })
    }

    /// What makes the machines.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// A machine in which a function has been started: `code` is its disk. `mounts` are the same for every function of the
    /// runtime. `fresh` is asked when a machine begins to run.
    pub async fn start(
        &self,
        (runtime, mounts): (&Runtime, Vec<HostFile>),
        code: Arc<Disk>,
        spec: FunctionSpec,
        fresh: &(dyn Fn() -> Fresh + Send + Sync),
    ) -> Result<Machine, Error> {
        let template = self.template((runtime, mounts), &spec, fresh).await?;
        let (mut machine, image) = self.driver.clone_with(&template, code, &fresh()).await?;
        self.driver.start(&mut machine, &image, spec).await?;
        Ok(machine)
    }

    async fn template(
        &self,
        (runtime, mounts): (&Runtime, Vec<HostFile>),
        spec: &FunctionSpec,
        fresh: &(dyn Fn() -> Fresh + Send + Sync),
    ) -> Result<Template, Error> {
        let ram_mb = spec.ram_mb();
        let made = cell(&self.templates, (runtime.id.clone(), ram_mb));
        let make = || async {
            let disk = cell(&self.runtimes, runtime.id.clone());
            let disk =
                disk.get_or_try_init(|| self.driver.runtime_disk(&runtime.id, runtime, mounts)).await?;
            let image = Image { runtime: disk.clone(), code: Arc::clone(&self.blank) };
            let booted = self.driver.boot(&image, spec, &fresh()).await?;
            self.driver.snapshot(booted, Vec::new()).await
        };
        made.get_or_try_init(make).await.cloned()
    }
}

fn cell<K: Ord, T>(cells: &Cells<K, T>, key: K) -> Arc<OnceCell<T>> {
    Arc::clone(cells.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
}
