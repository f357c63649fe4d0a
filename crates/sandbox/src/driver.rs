//! The process driver: asks the spawner for environments and puts their parts together.
//!
//! It never starts an environment in a weaker form than asked: a layer that cannot be had is a `StartError` that
//! names it. Weaker forms that are accepted everywhere are those the probe reports as degraded.

mod leads;
mod start;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{OnceCell, mpsc};

use leads::Leads;

use crate::{
    cgroup::Cgroups,
    contents::{Contents, Told},
    egress::Rules,
    environment::Environment,
    error::StartError,
    keeper::{Incident, Keeper},
    layer::{Layer, Probe, Status},
    link::Link,
    notify::Judgement,
    runtime_root::RootPlan,
    runtimes::{Runtime, RuntimeTable},
    slots::Slots,
    spawner::Spawner,
    spec::{Bootstrap, Template, TemplateInner},
    wire::{Report, Request},
};

/// Starts environments. Cheap to clone; the last clone takes the spawner and all environments with it.
#[derive(Clone, Debug)]
pub struct Driver {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    keeper: Keeper,
    runtimes: RuntimeTable,
    cgroups: Cgroups,
    egress_ceiling: Rules,
    numbers: AtomicU64,
    slots: Arc<Slots>,
    /// What the spawner says of the limit on processes, where no control group holds it.
    limits_processes: OnceCell<Option<Status>>,
}

/// An environment, and what it is judged by.
pub(crate) type Judged = (Environment, Arc<RwLock<Judgement>>);

impl Driver {
    /// Takes over a spawner. Must be called inside a tokio runtime. Sweeps the control groups of dead servers.
    ///
    /// Environments may not connect to anything; see [`Driver::with_egress_ceiling`].
    pub fn new(spawner: Spawner, runtimes: RuntimeTable) -> io::Result<Self> {
        Self::with_egress_ceiling(spawner, runtimes, Rules::default())
    }

    /// As [`Driver::new`], with the destinations that environments may be allowed at all.
    pub fn with_egress_ceiling(
        spawner: Spawner,
        runtimes: RuntimeTable,
        egress_ceiling: Rules,
    ) -> io::Result<Self> {
        let own_processes = [spawner.pid(), std::process::id()];
        let inner = Inner {
            cgroups: Cgroups::discover(&own_processes)?,
            keeper: Keeper::new(spawner)?,
            runtimes,
            egress_ceiling,
            numbers: AtomicU64::new(1),
            slots: Arc::default(),
            limits_processes: OnceCell::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What happens to the spawner, once. Every one is worth an alarm.
    pub fn take_incidents(&self) -> Option<mpsc::Receiver<Incident>> {
        self.inner.keeper.take_incidents()
    }

    /// The runtimes this host has.
    pub fn runtimes(&self) -> &RuntimeTable {
        &self.inner.runtimes
    }

    /// What environments may be allowed to connect to at all.
    pub fn egress_ceiling(&self) -> &Rules {
        &self.inner.egress_ceiling
    }

    /// Tries every layer on this host.
    pub async fn probe(&self) -> Probe {
        let mut probe = Probe::default();
        let answer = match self.inner.keeper.link().await {
            Ok(link) => link.ask(&Request::Probe).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Report::Probed(layers)) => probe.layers = layers,
            Ok(other) => {
                probe.push(Layer::UserNamespace, Status::Absent(format!("the spawner answered {other:?}")));
            }
            Err(error) => probe.push(Layer::UserNamespace, Status::Absent(error.to_string())),
        }
        probe.settle_process_limit(self.inner.cgroups.probe());
        probe.layers.push(self.inner.keeper.report());
        probe
    }

    /// Assembles the root of a runtime, once; environments are then started from the template.
    pub async fn prepare(&self, runtime_id: &str, bootstrap: Bootstrap) -> Result<Template, StartError> {
        let Some(runtime) = self.inner.runtimes.find(runtime_id).cloned() else {
            let known = self.inner.runtimes.iter().map(|runtime| runtime.id.clone()).collect();
            return Err(StartError::UnknownRuntime { id: runtime_id.to_owned(), known });
        };
        self.prepare_runtime(runtime, bootstrap).await
    }

    /// The same for a runtime that is not in the table, such as the root of a container image.
    pub async fn prepare_runtime(
        &self,
        runtime: Runtime,
        bootstrap: Bootstrap,
    ) -> Result<Template, StartError> {
        let runtime_id = runtime.id.clone();
        let Bootstrap { files, argv, mounts } = bootstrap;
        let planned = tokio::task::spawn_blocking(move || {
            let (root, added) = (runtime.root()?, RootPlan::default().with_bootstrap(files, mounts)?);
            // INVARIANT: before the mounts are made, so that whatever changes later is seen.
            let contents = Contents::take(&root, &added)?;
            Ok((root.and(added), Arc::new(contents)))
        });
        let planned = planned.await.map_err(|error| StartError::Supervisor(io::Error::other(error)))?;
        let (plan, contents) = planned.map_err(StartError::Supervisor)?;
        let of = (runtime_id, WORKING_DIR.into());
        let template = self.assembled(of, argv, (plan, Arc::clone(&contents))).await?;
        // Reading takes long, and nobody waits for it: until it is done, every difference counts as a change.
        let reader = std::thread::Builder::new().name("root-digest".into());
        reader.spawn(move || contents.digest()).map_err(StartError::Supervisor)?;
        Ok(template)
    }

    /// Has a root assembled.
    pub(crate) async fn assembled(
        &self,
        (runtime_id, working_dir): (String, PathBuf),
        argv: Vec<String>,
        (plan, contents): (RootPlan, Arc<Contents>),
    ) -> Result<Template, StartError> {
        if argv.is_empty() || argv.iter().any(|text| text.contains('\0')) {
            return Err(StartError::Specification("argv must name a program and have no NUL byte"));
        }
        let name = format!("{runtime_id}-{}", self.number());
        let contained = plan.contained();
        let inner = TemplateInner { name, runtime_id, argv, working_dir, contained, plan, contents };
        let template = Template { inner: Arc::new(inner) };
        let mut tries = Tries::default();
        loop {
            let link = self.inner.keeper.link().await?;
            let done = link.assemble(&template.inner).await;
            if !(tries.is_lost(&done) && self.inner.keeper.has_lost(&link).await) {
                return done.map(|()| template);
            }
        }
    }

    /// The way to the spawner there is now.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, StartError> {
        self.inner.keeper.link().await
    }

    /// Begins to look whether the root is as it was, beside the making of the environment: where programs are asked about,
    /// none has been executed when the look is over. A custom runtime may have begun by then; it is killed unheard.
    pub(crate) fn look(&self, template: &Template) -> impl Future<Output = Result<(), StartError>> + use<> {
        let contents = Arc::clone(&template.inner.contents);
        let looking = (!contents.is_fresh(tokio::time::Instant::now()))
            .then(|| tokio::task::spawn_blocking(move || contents.look_unless_fresh()));
        let (driver, runtime_id) = (self.clone(), template.inner.runtime_id.clone());
        async move {
            let Some(looking) = looking else { return Ok(()) };
            let looked = looking.await.map_err(|error| StartError::Supervisor(io::Error::other(error)))?;
            let Err((change, first)) = looked else { return Ok(()) };
            if first == Told::First {
                let (runtime_id, change) = (runtime_id.clone(), change.clone());
                driver.inner.keeper.tell(Incident::RootChanged { runtime_id, change });
            }
            Err(StartError::RootChanged { runtime_id, change })
        }
    }

    /// Whether processes can be limited without a control group; asked once.
    async fn limits_processes(&self, link: &Link) -> Result<(), StartError> {
        let answer = self.inner.limits_processes.get_or_try_init(|| async {
            let Report::Probed(layers) = link.ask(&Request::Probe).await? else {
                return Err(StartError::SpawnerGone);
            };
            Ok(Probe { layers }.status(Layer::ProcessLimit).cloned())
        });
        match answer.await? {
            Some(Status::InForce(_)) => Ok(()),
            other => {
                let why = format!("no control group, and without one: {other:?}");
                Err(StartError::Layer { layer: Layer::ProcessLimit, why })
            }
        }
    }

    /// Whether the kernel's control groups hold all limits of environments; else which one they do not, and why.
    pub fn limits_by_groups(&self) -> Result<(), (Layer, String)> {
        self.inner.cgroups.hold_all()
    }

    pub(crate) fn cgroups(&self) -> &Cgroups {
        &self.inner.cgroups
    }

    pub(crate) fn number(&self) -> u64 {
        self.inner.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// What is done again with the next spawner when one is killed meanwhile.
#[derive(Debug, Default)]
struct Tries(u32);

impl Tries {
    /// Whether it may have been the spawner's end that was in the way, and another try is due.
    fn is_lost<T>(&mut self, done: &Result<T, StartError>) -> bool {
        self.0 += 1;
        matches!(done, Err(StartError::SpawnerGone)) && self.0 < TRIES_MAX
    }
}

/// Where runtimes begin.
// AWS: the package's folder.
const WORKING_DIR: &str = "/var/task";
/// Spawners tried for one start: who loses so many while one environment starts is told so.
const TRIES_MAX: u32 = 3;
