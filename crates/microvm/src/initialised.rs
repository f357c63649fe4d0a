//! Templates of functions that have initialised: made of a machine whose function has asked for its first event, and kept among
//! the other templates, within the same bounds.
//!
//! ```text
//!   template of the runtime ──copied──▶ machine ──function asks for an event──▶ kept ──▶ machine, machine, …
//! ```
//! Knows neither functions nor what their state is made of: whose a template is, is for its user to say in full.

use std::{os::fd::OwnedFd, sync::Arc};

use casemate_sandbox::PlannedRoot;
use tokio::time::{Instant, timeout};

use crate::{
    disk::Disk,
    driver::{Fresh, FunctionSpec, Image},
    error::Error,
    machine::Machine,
    stock::{Key, Of, Stock, files_of, shared_ram_mb},
    template::{Aside, Pending, Template},
};

/// Whose a template is. It is used for nobody of whom anything of this differs.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Whose {
    /// The function.
    pub function: String,
    /// All that its state may depend on, in an order that is always the same.
    pub state: Vec<String>,
}

/// What of a machine becomes a template with it.
#[derive(Debug)]
pub struct Basis {
    ram: Option<OwnedFd>,
    image: Image,
    runtime: String,
    files: String,
}

impl Stock {
    /// The template of a function that has initialised, where there is one.
    pub async fn initialised(&self, root: &PlannedRoot, whose: Whose) -> Result<Option<Template>, Error> {
        let (runtime, files) = (root.runtime_id().to_owned(), files_of(root).await?);
        let outdated = |key: &Key| key.is_outdated(root.runtime_id(), &files);
        let key = Key { runtime, files: files.clone(), of: Of::Function(whose) };
        Ok(self.templates.find((&key, Instant::now()), outdated))
    }

    /// The same as [`Stock::start`] in a machine that can become a template.
    pub async fn start_for_template(
        &self,
        root: PlannedRoot,
        code: Arc<Disk>,
        spec: FunctionSpec,
        fresh: Arc<dyn Fn() -> Fresh + Send + Sync>,
    ) -> Result<(Machine, Basis), Error> {
        let started = timeout(self.start, self.started_for_template(root, code, spec, fresh));
        started.await.unwrap_or(Err(Error::TookTooLong(self.start)))
    }

    async fn started_for_template(
        &self,
        root: PlannedRoot,
        code: Arc<Disk>,
        spec: FunctionSpec,
        fresh: Arc<dyn Fn() -> Fresh + Send + Sync>,
    ) -> Result<(Machine, Basis), Error> {
        let runtime = root.runtime_id().to_owned();
        let (template, files) = self.template(root, shared_ram_mb(&spec), Arc::clone(&fresh)).await?;
        let driver = self.driver();
        let mut copy = driver.copy_with(&template, code, &fresh()).await?;
        driver.start(&mut copy.machine, spec).await?;
        let basis = Basis { ram: copy.ram, image: copy.image, runtime, files };
        Ok((copy.machine, basis))
    }

    /// Ends a machine and keeps its state, whatever the outcome. `pending` are its open connections.
    pub async fn keep(
        &self,
        (machine, basis): (&Machine, Basis),
        pending: Vec<Pending>,
        (whose, aside): (Whose, Aside),
    ) -> Result<Template, Error> {
        let Basis { ram, image, runtime, files } = basis;
        let kept = timeout(self.start, self.driver().snapshot_of(machine, (ram, image), pending)).await;
        machine.kill();
        let template = kept.unwrap_or(Err(Error::TookTooLong(self.start)))?;
        let template = Template { aside: Some(aside), ..template };
        let key = Key { runtime, files, of: Of::Function(whose) };
        self.templates.put((key, Instant::now()), (template.clone(), template.bytes()?))?;
        Ok(template)
    }

    /// A machine that goes on where a function's template stopped.
    pub async fn go_on(&self, template: &Template, fresh: &Fresh) -> Result<Machine, Error> {
        let started = timeout(self.start, self.driver().clone_of(template, fresh));
        started.await.unwrap_or(Err(Error::TookTooLong(self.start)))
    }

    /// Drops what there is of a function that has changed or is gone. Machines that run go on.
    pub fn forget(&self, function: &str) {
        self.templates.forget(|key| matches!(&key.of, Of::Function(whose) if whose.function == function));
    }
}
