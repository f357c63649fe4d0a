//! The process driver: asks the spawner for environments and puts their parts together.
//!
//! It never starts an environment in a weaker form than asked: a layer that cannot be had is a `StartError` that
//! names it. Weaker forms that are accepted everywhere are those the probe reports as degraded.

mod leads;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OnceCell, mpsc, watch};

use leads::Leads;

use crate::{
    cgroup::{Cgroups, Group, Limits},
    contents::{Contents, Told},
    egress::{Gateway, Rules},
    environment::Environment,
    error::StartError,
    keeper::{Incident, Keeper},
    layer::{Layer, Probe, Status},
    link::Link,
    members::Members,
    notify::{Boundary, Judgement, Supervisor, WayOut},
    pump::{self, Activity, MemoryWatch, Pump, Recorder},
    runtime_root::RootPlan,
    runtimes::{Runtime, RuntimeTable},
    slots::{SlotLease, Slots},
    spawner::Spawner,
    spec::{Bootstrap, EnvironmentSpec, Template, TemplateInner},
    supervision::Roles,
    wire::{Report, Request, Start},
    wiring::{Parts, Wiring, gather_in_time, listener, next_report},
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

    /// Starts an environment; returns when its runtime program has been executed, or, where there are companions, when
    /// those are about to be.
    pub async fn start(&self, spec: EnvironmentSpec) -> Result<Environment, StartError> {
        let code_dir = spec.code_dir.clone();
        self.begin(spec, Some(code_dir)).await.map(|(environment, _)| environment)
    }

    /// Starts an environment, with its code or without. What it is judged by comes along, to be replaced when the code is
    /// known.
    pub(crate) async fn begin(
        &self,
        spec: EnvironmentSpec,
        code_dir: Option<PathBuf>,
    ) -> Result<Judged, StartError> {
        spec.check()?;
        self.check_egress(&spec.egress)?;
        let leads = (!spec.egress.is_empty()).then(|| Leads::Here(spec.egress.clone()));
        self.begin_with(spec, code_dir, leads).await
    }

    /// Begins a task of its own: a start that nobody waits for any more comes to its end, and is ended with what came of it. Half
    /// done, it would leave control groups behind, and give its user id back while its process may still run.
    async fn begin_with(
        &self,
        spec: EnvironmentSpec,
        code_dir: Option<PathBuf>,
        leads: Option<Leads>,
    ) -> Result<Judged, StartError> {
        let driver = self.clone();
        let started = tokio::spawn(async move { driver.try_begin(spec, code_dir, leads).await });
        started.await.unwrap_or_else(|error| Err(StartError::Supervisor(io::Error::other(error))))
    }

    async fn try_begin(
        &self,
        spec: EnvironmentSpec,
        code_dir: Option<PathBuf>,
        leads: Option<Leads>,
    ) -> Result<Judged, StartError> {
        let mut tries = Tries::default();
        loop {
            let link = self.inner.keeper.link().await?;
            let started = self.start_with(&link, spec.clone(), code_dir.clone(), leads.clone()).await;
            if !(tries.is_lost(&started) && self.inner.keeper.has_lost(&link).await) {
                return started;
            }
        }
    }

    /// The way to the spawner there is now.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, StartError> {
        self.inner.keeper.link().await
    }

    async fn start_with(
        &self,
        link: &Link,
        spec: EnvironmentSpec,
        code_dir: Option<PathBuf>,
        leads: Option<Leads>,
    ) -> Result<Judged, StartError> {
        link.assemble(&spec.template.inner).await?;
        let unchanged = self.look(&spec.template);
        let id = self.number();
        let lease = self.inner.slots.take();
        let limits = Limits { memory_mb: spec.memory_mb, tmp_mb: spec.tmp_mb, pids_max: spec.pids_max };
        let made = self.inner.cgroups.create(&format!("env-{id}"), limits);
        let group = made.map_err(|(layer, error)| StartError::Layer { layer, why: error.to_string() })?;
        let group = Arc::new(group);
        if group.roles().processes
            && let Err(error) = self.limits_processes(link).await
        {
            pump::remove(&group).await;
            return Err(error);
        }
        let mut wiring = match Wiring::new(&group) {
            Ok(wiring) => wiring,
            Err(error) => {
                pump::remove(&group).await;
                return Err(StartError::Supervisor(error));
            }
        };
        let code = code_dir.as_deref().into_iter().chain(spec.layers_dir.as_deref());
        let boundary = Boundary::new(spec.template.inner.contained.clone(), code);
        let judgement = Arc::new(RwLock::new(Judgement { executions: spec.exec_policy.clone(), boundary }));
        let way_out = leads.is_some();
        let start =
            start_request(spec, (code_dir, way_out), (lease.slot, group.unified.is_some(), group.roles()));
        let request = Request::Start(Box::new(start));
        let sent = link.send(&request, &wiring.theirs()).await;
        wiring.close_theirs();
        let parts = match sent {
            Ok(()) => gather_in_time(&wiring.channel, link.patience).await,
            Err(error) => Err(error),
        };
        let unchanged = unchanged.await;
        if let (Err(_), Ok(parts)) = (&unchanged, &parts) {
            // Not every host has a control group by which it could be found.
            pump::kill(&group, &parts.pidfd);
        }
        match unchanged.and(parts) {
            Ok(parts) => {
                let (judged, started) = (Arc::clone(&judgement), Arc::clone(&group));
                let process = parts.pidfd.try_clone();
                let run =
                    self.run((id, link.patience), (parts, judgement, leads), wiring, group, lease).await;
                if run.is_err() {
                    // Nobody else knows of the processes: they may wait for an answer that never comes, or run on.
                    if let Ok(process) = process {
                        pump::kill(&started, &process);
                    }
                    started.kill();
                    tokio::spawn(async move { pump::remove(&started).await });
                }
                run.map(|environment| (environment, judged))
            }
            Err(error) => {
                tokio::spawn(abandon(group, wiring, lease));
                Err(error)
            }
        }
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

    /// The child waits before its execve for the supervisor's answer: gives it its task and waits for the runtime.
    async fn run(
        &self,
        (id, patience): (u64, Duration),
        (parts, judgement, leads): (Parts, Arc<RwLock<Judgement>>, Option<Leads>),
        wiring: Wiring,
        group: Arc<Group>,
        lease: SlotLease,
    ) -> Result<Environment, StartError> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let recorder = Arc::new(Recorder::new(sender));
        let (done, ended) = watch::channel(None);
        let pidfd = Arc::new(parts.pidfd);
        let supervise = |io: io::Error| StartError::Supervisor(io);
        let tmp = Arc::new(parts.tmp);
        group
            .supervise(parts.pid, (&pidfd, &tmp))
            .map_err(|error| StartError::Layer { layer: Layer::MemoryLimit, why: error.to_string() })?;
        let (activity, active) = watch::channel(Activity::Running);
        let memory = MemoryWatch::new(&group, active, Arc::clone(&tmp))
            .map_err(|error| StartError::Layer { layer: Layer::MemoryLimit, why: error.to_string() });
        let pump = Pump {
            memory: memory?,
            exit: wiring.exit,
            group: Arc::clone(&group),
            recorder: Arc::clone(&recorder),
            pidfd: Arc::clone(&pidfd),
            done,
            lease,
        };
        let way = leads.map(|leads| self.way(leads, &recorder));
        let opened = way.zip(parts.way_out).map(|(way, sockets)| Gateway::open(way, sockets));
        let (gateway, out_tasks) = opened.transpose().map_err(supervise)?.unzip();
        let out = gateway.map(|gateway| WayOut { gateway, runtime: tokio::runtime::Handle::current() });
        let launching = match &parts.members {
            Some(members) => members.launching().map_err(supervise)?,
            None => vec![pidfd.try_clone().map_err(supervise)?],
        };
        let whose = (parts.pid, launching);
        let supervisor = Supervisor::new(parts.filter, whose, judgement, Arc::clone(&recorder), out);
        supervisor.start().map_err(supervise)?;
        tokio::spawn(pump.run());
        let (members, channel) = match parts.members {
            Some(parts) => (Some(Members::begin(parts, wiring.channel).map_err(supervise)?), None),
            None => (None, Some(wiring.channel)),
        };
        let environment = Environment {
            id,
            pid: parts.pid,
            runtime_api: listener(parts.runtime_api).map_err(supervise)?,
            aws_endpoint: listener(parts.aws_endpoint).map_err(supervise)?,
            stdout: Some(wiring.stdout),
            stderr: Some(wiring.stderr),
            events: Some(events),
            _egress: out_tasks,
            tmp,
            activity,
            pidfd,
            group,
            recorder,
            done: ended,
            members,
        };
        // From here on dropping the environment kills it.
        let Some(channel) = channel else { return Ok(environment) };
        let executed = tokio::time::timeout(patience, next_report(&channel)).await;
        match executed.map_err(|_| StartError::TimedOut)?.map_err(supervise)? {
            None => Ok(environment),
            Some((Report::Failed(failure), _)) => Err(failure.into()),
            Some(_) => Err(StartError::SpawnerGone),
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

fn start_request(
    spec: EnvironmentSpec,
    (code_dir, way_out): (Option<PathBuf>, bool),
    (user_slot, into_cgroup, roles): (u32, bool, Roles),
) -> Start {
    Start {
        template: spec.template.inner.name.clone(),
        argv: spec.template.inner.argv.clone(),
        working_dir: spec.template.inner.working_dir.clone(),
        env: spec.env,
        code_dir,
        companions: spec.companions.programs,
        companion_env: spec.companions.env,
        layers_dir: spec.layers_dir,
        tmp_mb: spec.tmp_mb,
        pids_max: spec.pids_max,
        exec_policy: spec.exec_policy,
        way_out,
        hostname: spec.hostname,
        user_slot,
        into_cgroup,
        roles,
    }
}

/// Waits for the end of a process whose start failed, then removes its control groups and gives its user id back. A spawner that
/// comes to the request only now reports the process before that does anything: it is killed then.
async fn abandon(group: Arc<Group>, mut wiring: Wiring, lease: SlotLease) {
    group.kill();
    while let Ok(Some((report, handles))) = next_report(&wiring.channel).await {
        if let (Report::Started { .. }, Some(process)) = (report, handles.first()) {
            pump::kill(&group, process);
        }
    }
    let mut status = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut wiring.exit, &mut status).await;
    pump::remove(&group).await;
    drop(lease);
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
/// Events kept for a slow receiver.
const EVENTS_MAX: usize = 1_024;
