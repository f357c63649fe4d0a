//! The start of one environment: the spawner is asked, what it and the new process hand over is put together, and whatever goes
//! wrong, nothing is left of it.
//!
//! ```text
//!   groups, user id ──▶ asked ──▶ gathered ──▶ supervised ──▶ the program is executed
//!                         └──────────┴──▶ abandoned: killed as soon as it is known, then groups, then the user id
//! ```

use std::{
    io,
    path::PathBuf,
    sync::{Arc, RwLock},
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use super::{Driver, Judged, Leads, Tries};
use crate::{
    cgroup::{Group, Limits},
    egress::Gateway,
    environment::Environment,
    error::StartError,
    layer::Layer,
    link::Link,
    members::Members,
    notify::{Boundary, Judgement, Supervisor, WayOut},
    pump::{self, Activity, MemoryWatch, Pump, Recorder},
    slots::SlotLease,
    spec::EnvironmentSpec,
    supervision::Roles,
    wire::{Report, Request, Start},
    wiring::{Parts, Wiring, gather_in_time, listener, next_report},
};

impl Driver {
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
    pub(super) async fn begin_with(
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

/// Events kept for a slow receiver.
const EVENTS_MAX: usize = 1_024;
