//! A server brought up: what `up` and `serve` share.

use std::{path::PathBuf, sync::Arc};

use casemate_kernel::{Env, Kernel, Origin, Site, Task, audit::Audit};
use casemate_names::Secret;
use casemate_sandbox::{Driver, EgressRules, RuntimeTable, spawner::Spawner};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{CliError, ServerOptions, incidents, output, runtime};
use crate::{
    boot::{self, Settings},
    catalog::{self, Extras},
    listen::{self, Listener, tls},
};

/// A serving server.
pub(crate) struct Running {
    pub(crate) site: Site,
    pub(crate) settings: Settings,
    audit: Audit,
    stop: watch::Sender<bool>,
    listener: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    kernel: Arc<Kernel>,
    farewells: casemate_lambda::Farewells,
}

/// Opens the data directory, assembles the services and listens. Nothing is announced before it serves.
pub(crate) async fn start(
    options: &ServerOptions,
    spawner: Result<Spawner, String>,
) -> Result<Running, CliError> {
    let settings = options.settings();
    // The port first: a second server must not touch the data directory at all.
    let socket = listen::bind(settings.listen).await?;
    let opened = boot::open(&settings)?;
    let now = opened.clock.now();
    let acceptor = tls::acceptor(&settings.data_dir.join("tls"), &options.tls_names, now)?;
    let env = opened.builder.env("iam", "iam.amazonaws.com");
    let runtimes = runtime::table(&settings.data_dir)?;
    let driver = driver(spawner, runtimes, options.egress_ceiling.clone().unwrap_or_default());
    let incidents = driver.as_ref().ok().and_then(Driver::take_incidents);
    let machines = options.microvm.machines(&settings.data_dir.join("machines"), &driver).await;
    let farewells = casemate_lambda::Farewells::default();
    let lambda = casemate_lambda::Extras {
        driver,
        serve_connection: connection_server(env.clone()),
        python_sdk: options.python_sdk.clone(),
        functions_dir: settings.data_dir.join("functions"),
        signing_profiles: settings.data_dir.join(super::sign::FOLDER),
        farewells: farewells.clone(),
    };
    if let Some(line) = options.microvm.line(&machines) {
        output::line(&line);
    }
    if let Ok(stock) = &machines {
        incidents::note_machines(&env, stock.driver().probe());
    }
    let extras = Extras { lambda, machines: options.microvm.for_functions(machines) };
    let (kernel, tasks) = catalog::assemble(opened.builder, extras)?;
    if let Some((id, secret)) = casemate_iam::ensure_administrator(&env).await? {
        announce_administrator(&settings, &opened.site, &id, &secret)?;
    }
    let (stop, stopped) = watch::channel(false);
    let listener = Listener { kernel: Arc::clone(&kernel), tls: Some(acceptor), plain: options.plain() };
    let listener = tokio::spawn(listener.run(socket, stopped));
    let incidents = incidents.map(|incidents| tokio::spawn(incidents::record(env, incidents)));
    let tasks = tasks.into_iter().map(supervise).chain(incidents).collect();
    Ok(Running { site: opened.site, settings, audit: opened.audit, stop, listener, tasks, kernel, farewells })
}

impl Running {
    /// Waits for Ctrl-C or SIGTERM, then lets requests finish and closes everything; who asks again does not wait for that.
    pub(crate) async fn until_stopped(self) -> Result<(), CliError> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut asked = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        asked().await;
        output::progress("stopping: letting requests in flight finish; again: at once");
        let audit = self.audit.clone();
        tokio::select! {
            () = self.shutdown() => {}
            () = asked() => {
                output::progress("stopping at once");
                audit.close();
            }
        }
        Ok(())
    }

    /// Stops now.
    pub(crate) async fn shutdown(self) {
        self.stop.send_replace(true);
        drop(self.listener.await);
        for task in self.tasks {
            task.abort();
        }
        // Once more after the farewells, which take seconds that this one may not be given.
        write_observations(&self.kernel).await;
        self.farewells.say().await;
        write_observations(&self.kernel).await;
        drop(self.kernel);
        let machines = tokio::task::spawn_blocking(|| casemate_microvm::end_all(MACHINES_END_LIMIT));
        if machines.await.is_ok_and(|left| left > 0) {
            tracing::warn!("virtual machines have not ended yet; they will with this process");
        }
        self.audit.close();
    }
}

async fn write_observations(kernel: &Kernel) {
    if let Err(error) = kernel.flush_observations().await {
        tracing::warn!(%error, "what was recorded since the last write is lost");
    }
}

/// How long a server that stops waits for its virtual machines, which have been killed.
const MACHINES_END_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

fn driver(
    spawner: Result<Spawner, String>,
    runtimes: RuntimeTable,
    egress_ceiling: EgressRules,
) -> Result<Driver, String> {
    let driver = Driver::with_egress_ceiling(spawner?, runtimes, egress_ceiling);
    driver.map_err(|error| error.to_string())
}

/// Environments' AWS endpoint sockets are served like any other connection, with the environment as the peer.
fn connection_server(env: Env) -> casemate_lambda::ServeConnection {
    Arc::new(move |origin: Origin| {
        let (env, streams) = (env.clone(), listen::Streams::of_one_place());
        Box::new(move |stream, place| {
            let Ok(kernel) = env.kernel() else { return };
            let (streams, origin) = (streams.clone(), Arc::clone(&origin));
            tokio::spawn(async move {
                if let Err(error) = streams.serve(kernel, stream, origin).await {
                    tracing::debug!(%error, "connection of an execution environment ended");
                }
                drop(place);
            });
        })
    })
}

fn supervise(task: Task) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Whoever aborts this one drops the set, and the work with it.
        let mut work = JoinSet::new();
        work.spawn(task.work);
        if let Some(Err(error)) = work.join_next().await
            && error.is_panic()
        {
            tracing::error!(task = task.name, "a background task panicked");
        }
    })
}

fn announce_administrator(
    settings: &Settings,
    site: &Site,
    id: &str,
    secret: &Secret<String>,
) -> Result<(), CliError> {
    boot::write_administrator(settings, site, id, secret)?;
    let path: PathBuf = settings.administrator_path();
    output::line(
        "A new administrator key was made. It is shown once; it is also in the file named below (mode 0600).",
    );
    output::line("");
    output::line(&boot::administrator_exports(site, id, secret));
    output::line(&format!("In another shell: source {}", path.display()));
    output::line("");
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_task_that_is_ended_takes_its_work_with_it() {
        let (begun, begins) = oneshot::channel();
        let (held, ended) = oneshot::channel::<()>();
        let work = Box::pin(async move {
            begun.send(()).unwrap();
            let _held = held;
            std::future::pending::<()>().await;
        });
        let task = supervise(Task { name: "test", work });
        begins.await.unwrap();
        task.abort();
        assert!(ended.await.is_err(), "dropped, not sent");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_over_and_nothing_else() {
        let work = Box::pin(async { panic!("on purpose") });
        assert!(supervise(Task { name: "test", work }).await.is_ok());
    }
}
