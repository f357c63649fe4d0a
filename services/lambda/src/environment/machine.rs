//! What a function's environment stands in: a process sandbox, or a virtual machine with the same sandbox inside.

use std::{fmt, sync::Arc, time::Duration};

use casemate_microvm::{Basis, CodeDisk, Disk, Error as MachineError, Fresh, FunctionSpec, Machine, Stock};
use casemate_names::{Timestamp, hex_id};
use casemate_sandbox::{EgressRules, EnvironmentSpec, PlannedRoot, Runtime, StartError};

use super::{Environment, Host, NotStarted, late::Started, root::Root};
use crate::{
    api::Error,
    controls::Controls,
    function::Function,
    isolate::Isolate,
    machines::{CodeKey, Isolation},
    process::Purpose,
};

/// How many times longer a start, or a restore, may take in a machine that is emulated.
// DIVERGES: 10 seconds are not enough for an interpreter under emulation, which is for tests and for trying things out.
const EMULATED_START: u32 = 6;

impl Host {
    /// In what a function runs, or why it must not run here.
    pub(super) fn isolation(&self, function: &Function, controls: &Controls) -> Result<Isolation, String> {
        self.machines.isolation(controls, self.own_runtime(function))
    }

    /// Of this host; `None`: it brings one of its own. An image is a root of its own, whatever runtime its function might name.
    pub(super) fn own_runtime(&self, function: &Function) -> Option<&Runtime> {
        let is_image = function.image.is_some();
        self.driver.runtimes().find(&function.settings.runtime).filter(|_| !is_image)
    }

    /// Whether a function's requests may run in forks of one process: in machines each gets a machine instead.
    pub(crate) fn forks(&self, function: &Function) -> bool {
        let variables = function.settings.variables.clone().unwrap_or_default();
        let isolation = Controls::of(&variables).and_then(|controls| self.isolation(function, &controls));
        isolation == Ok(Isolation::Process)
    }

    /// How long the start of a runtime may take.
    pub(super) fn start_limit(&self, isolation: Isolation, limit: Duration) -> Duration {
        let emulated = |stock: &Arc<Stock>| stock.driver().is_emulating();
        match isolation {
            Isolation::Machine if self.machines.stock().is_ok_and(emulated) => limit * EMULATED_START,
            _ => limit,
        }
    }

    /// Starts a function's process in what it runs in.
    pub(super) async fn isolated(
        &self,
        (isolation, purpose): (Isolation, Purpose),
        (spec, suits_blank, now): (EnvironmentSpec, bool, Timestamp),
        (function, root): (&Function, &Root),
    ) -> Result<Started, NotStarted> {
        match isolation {
            Isolation::Process => {
                let started = self.sandbox(spec, suits_blank, now).await;
                started.map_err(|error| root.not_started(error))
            }
            Isolation::Machine => Ok((self.in_machine(spec, purpose, (function, root)).await?, None)),
        }
    }

    async fn in_machine(
        &self,
        spec: EnvironmentSpec,
        purpose: Purpose,
        (function, root): (&Function, &Root),
    ) -> Result<Isolate, NotStarted> {
        let failed = |error: MachineError| failed(function, &error);
        let stock = self.machines.stock().map_err(unavailable)?;
        self.driver.check_egress(&spec.egress).map_err(|error| root.not_started(error))?;
        // INVARIANT: a machine's root is the one that was verified and recorded, before and after it was copied to a disk.
        let template = spec.template.clone();
        self.driver.unchanged(&template).await.map_err(|error| root.not_started(error))?;
        let scratch = self.packages.scratch().await?;
        let (planned, code_dir) = match root.task() {
            Some(_) => (root.planned(), scratch.path().to_owned()),
            None => (root.planned(), spec.code_dir),
        };
        let code = CodeDisk { code_dir, layers_dir: spec.layers_dir };
        let code = self.code_disk(stock, function, code).await.map_err(failed)?;
        let wanted = FunctionSpec {
            argv: template.argv().to_vec(),
            working_dir: template.working_dir().to_owned(),
            env: spec.env,
            memory_mb: spec.memory_mb,
            tmp_mb: spec.tmp_mb,
            pids_max: spec.pids_max,
            exec_policy: spec.exec_policy,
            hostname: spec.hostname,
            way_out: !spec.egress.is_empty(),
            companions: spec.companions,
        };
        let begun = self.begun((stock, purpose), planned, Arc::clone(&code), wanted).await;
        self.driver.unchanged(&template).await.map_err(|error| root.not_started(error))?;
        let (machine, basis) = begun.map_err(|error| match error {
            MachineError::NotBegun { step, source } => {
                root.not_started(StartError::Step { step, what: String::new(), source })
            }
            error => failed(error),
        })?;
        self.taken_up(machine, (code, basis), &spec.egress).await.map_err(failed)
    }

    /// A machine in which the function has been started; with what of it becomes a template, where it is there for that.
    async fn begun(
        &self,
        (stock, purpose): (&Stock, Purpose),
        root: PlannedRoot,
        code: Arc<Disk>,
        wanted: FunctionSpec,
    ) -> Result<(Machine, Option<Basis>), MachineError> {
        let fresh = self.fresh();
        if !matches!(purpose, Purpose::Forerunner(_)) {
            return Ok((stock.start(root, code, wanted, fresh).await?, None));
        }
        let (machine, basis) = stock.start_for_template(root, code, wanted, fresh).await?;
        Ok((machine, Some(basis)))
    }

    /// A machine in which a function has been started, or that goes on from one.
    pub(super) async fn taken_up(
        &self,
        machine: Machine,
        of: (Arc<Disk>, Option<Basis>),
        egress: &EgressRules,
    ) -> Result<Isolate, MachineError> {
        // INVARIANT: the host decides what the machine may connect to, whatever the machine says.
        let egress = (!egress.is_empty()).then_some((&self.driver, egress));
        let isolate = Isolate::machine(machine, of, Arc::clone(&self.env.clock), egress).await;
        isolate.map_err(|source| MachineError::Io { doing: "taking up the machine", source })
    }

    /// Time and randomness for a machine that begins to run.
    pub(super) fn fresh(&self) -> Arc<dyn Fn() -> Fresh + Send + Sync> {
        let (clock, entropy) = (Arc::clone(&self.env.clock), Arc::clone(&self.env.entropy));
        Arc::new(move || {
            let mut bytes = [0; 64];
            entropy.fill("lambda.machine", &mut bytes);
            Fresh { unix_ns: unix_ns(clock.now()), entropy: bytes }
        })
    }

    async fn code_disk(
        &self,
        stock: &Stock,
        function: &Function,
        code: CodeDisk,
    ) -> Result<Arc<Disk>, MachineError> {
        let layers = function.settings.layers.iter().map(|layer| layer.code);
        let package = function.image.is_none().then_some(function.code);
        let key: CodeKey = package.into_iter().chain(layers).collect();
        if let Some(disk) = self.machines.code(&key) {
            return Ok(disk);
        }
        let name = hex_id(&*self.env.entropy, "lambda.code-disk", 32);
        let disk = stock.driver().code_disk(&name, code).await?;
        self.machines.remember(key, &disk);
        Ok(disk)
    }
}

impl Environment {
    /// How many times longer than AWS's times its restore may take.
    pub(super) fn patience(&self) -> u32 {
        if self.sandbox.is_emulated() { EMULATED_START } else { 1 }
    }
}

pub(super) fn unavailable(why: impl fmt::Display) -> NotStarted {
    Error::service_exception(format!("the virtual machine cannot be started: {why}")).into()
}

/// Callers are told what they can do something about. The guest's console and the host's paths are the operator's: in its log,
/// once, and with what would end a line made visible.
pub(super) fn failed(function: &Function, error: &MachineError) -> NotStarted {
    if !error.is_remembered() {
        let why = error.to_string();
        tracing::warn!(function = %function.arn, ?why, "a virtual machine was not started");
    }
    unavailable(error.for_callers())
}

/// Nanoseconds since 1970.
pub(crate) fn unix_ns(now: Timestamp) -> u64 {
    u64::try_from(now.millis()).unwrap_or(0).saturating_mul(1_000_000)
}
