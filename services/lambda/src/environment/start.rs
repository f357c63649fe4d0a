//! Starting an environment: role, credentials, package, sandbox, and the runtime's first request for work.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use bytes::Bytes;
use casemate_kernel::{Decoy, Env, Fault, Peer, SessionCredentials, SessionRequest};
use casemate_names::{Timestamp, hex_id};
use casemate_sandbox::{
    Driver, EnvironmentSpec, ExecPolicy, Exit, ExitStatus, Family, PIDS_MAX, StartError, Template,
};
use casemate_store::BlobId;
use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};

use super::{
    Berth, Environment, Held, Late, Room,
    assembly::Assemblies,
    extensions::{self, Listed},
    initialised::{Initial, restored},
    root::Root,
    snapshot::Snapshot,
};
use crate::{
    ServeConnection,
    api::Error,
    blanks::{self, Blanks},
    controls::{Controls, Credentials, Exec},
    credentials::Endpoint,
    decoy,
    delivery::Delivery,
    event::{self, Attribution},
    exchange::Exchange,
    extensions::{Extensions, Fault as ExtensionFault, Reason},
    farewells::Farewells,
    forking::Forks,
    function::Function,
    isolate::{Channel, Isolate, Taken},
    machines::Machines,
    output::Output,
    packages::{Folder, Packages},
    platform::{Note, Status},
    process::{self, Given, Purpose},
    restored::Restored,
    role,
    runtime_api::{self, SaidTo},
    telemetry::Telemetry,
    variables_key,
    version::Version,
};

/// How long the credentials of an environment live, seconds; the environment lives no longer.
// AWS: role sessions of services last at most an hour by default; ours are never renewed within an environment.
pub(super) const CREDENTIALS_S: i64 = 3_600;

/// Connections of one environment to the AWS endpoint at a time. Ours: SDKs keep ten or fifty at most.
const ENDPOINT_CONNECTIONS_MAX: usize = 64;

/// What environments are made from.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) env: Env,
    pub(crate) driver: Driver,
    pub(crate) packages: Arc<Packages>,
    pub(crate) serve_connection: ServeConnection,
    pub(crate) python_sdk: Option<PathBuf>,
    /// Runtime roots by runtime, each made once.
    pub(crate) templates: Arc<Assemblies<Template>>,
    /// Room for environments.
    pub(crate) room: Room,
    /// Processes that wait for a function.
    pub(crate) blanks: Arc<Blanks>,
    /// Virtual machines.
    pub(crate) machines: Machines,
    /// Turns for environments that end with a word to their extensions.
    pub(crate) farewells: Farewells,
}

/// Why there is no environment.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// The platform cannot or may not: no sandbox, no role, no package.
    Refused(Error),
    /// The runtime reported that it cannot load the function.
    Reported(Bytes, Vec<u8>),
    /// The runtime's process ended.
    Exited(Exit, Vec<u8>),
    /// It took too long.
    TimedOut(Vec<u8>),
    /// Its process must not be forked, because of this.
    Unforkable(String),
}

impl<E: Into<Error>> From<E> for NotStarted {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// What belongs to one environment besides its sandbox.
struct Start {
    /// What its credentials are bound to, and the last part of its log stream's name.
    id: String,
    function: Arc<Function>,
    held: (Vec<Arc<Folder>>, Berth, Option<Decoy>),
    /// `None`: it will be a template.
    credentials: Option<SessionCredentials>,
    endpoint: Option<Arc<Endpoint>>,
    log_stream: String,
    /// What its process is told late, and over which connection.
    late: Option<(Late, Channel)>,
    extensions: Arc<Extensions>,
    program: String,
    begins: Begins,
}

/// Of a snapshot; with a process that forks children; with one that goes on from a machine's template; with this right to what a
/// key hides.
type Begins = (Option<Snapshot>, Option<Arc<Forks>>, Option<Arc<Restored>>, variables_key::Access);

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) function: Arc<Function>,
    pub(crate) purpose: Purpose,
    /// How long its start may take.
    pub(crate) limit: Duration,
    /// The room it takes.
    pub(crate) berth: Berth,
    /// Said in its log, once.
    pub(crate) remark: Option<String>,
}

impl Host {
    /// Starts an environment and waits until its runtime asks for a request.
    pub(crate) async fn start(&self, order: Order) -> Result<Environment, NotStarted> {
        let began = Instant::now();
        let (function, access) =
            variables_key::opened_for_start(&self.env, Arc::clone(&order.function)).await?;
        let order = Order { function, ..order };
        match self.begins_once(&order)? {
            Some(whose) => self.begin_once(order, whose, (began, access)).await,
            None => self.begin(order, (began, access), None).await,
        }
    }

    /// `from`: where its machine goes on. The function's variables can be read.
    pub(super) async fn begin(
        &self,
        order: Order,
        (began, access): (Instant, variables_key::Access),
        from: Option<&Initial>,
    ) -> Result<Environment, NotStarted> {
        let Order { function, purpose, limit, berth, remark } = order;
        let none = BTreeMap::new();
        let variables = function.settings.variables.as_ref().unwrap_or(&none);
        let controls = Controls::of(variables).map_err(Error::invalid_parameter_value_exception)?;
        // Also before a request: the host may have lost them since.
        controls.check_limits(|| self.driver.limits_by_groups()).map_err(Error::service_exception)?;
        let now = self.env.clock.now();
        let id = hex_id(&*self.env.entropy, "lambda.environment", 32);
        let folder = self.code_folder(&function).await?;
        let layers: Vec<BlobId> = function.settings.layers.iter().map(|layer| layer.code).collect();
        let layers = if layers.is_empty() { None } else { Some(self.packages.merged(&layers).await?) };
        let root = self.root(&function).await?;
        let listed = Listed::of(root.layers(layers.as_deref()), purpose)?;
        let root = root.with_program(folder.path(), layers.as_deref().map(Folder::path))?;
        let family = root.family;
        // INVARIANT: never in less than was asked for.
        let isolation = self.isolation(&function, &controls).map_err(Error::service_exception)?;
        let credentials = self.for_whole_life(&function, (&id, purpose), now).await?;
        let log_stream = log_stream(now, function.version, &id);
        let (snapshot, endpoint) = (Snapshot::of(purpose), self.endpoint((&controls, purpose), from)?);
        let decoy = decoy::plant(&self.env, &controls, &function, &id)?;
        let given = Given {
            function: &function,
            family,
            credentials: credentials.as_ref(),
            endpoint: endpoint.as_deref(),
            decoy: decoy.as_ref(),
            log_stream: &log_stream,
            purpose,
        };
        let suits_blank = root.exec == ExecPolicy::Deny
            && listed.is_empty()
            && blanks::suits(family, &function.settings, &controls);
        let spec = spec(&given, (&*folder, layers.as_deref()), (&root, &listed), controls);
        let started = match from {
            Some(from) => self.gone_on((&function, &root), from).await,
            None => self.isolated((isolation, purpose), (spec, suits_blank, now), (&function, &root)).await,
        };
        let (sandbox, late) = match started {
            Ok(started) => started,
            Err(error) => {
                if let Some(credentials) = credentials {
                    drop(self.env.sessions()?.revoke(&credentials.access_key_id).await);
                }
                return Err(error);
            }
        };
        let held = (std::iter::once(folder).chain(layers).collect(), berth, decoy);
        let extensions = listed.registry(&self.env, &function);
        let program = root.entrypoint.unwrap_or_default();
        let forks = purpose.is_template().then(|| Arc::new(Forks::new(snapshot.is_some())));
        let restored = from.map(|_| restored(credentials.as_ref(), endpoint.as_deref(), &log_stream));
        let start = Start {
            id,
            function,
            held,
            credentials,
            endpoint,
            log_stream,
            late,
            extensions,
            program,
            begins: (snapshot, forks, restored, access),
        };
        let environment = self.assemble(sandbox, start);
        environment.output.note(&Note::init_start(&environment.function, purpose));
        if let Some(remark) = remark {
            environment.output.note(&Note::remark(remark));
        }
        initialised(environment, (family, purpose), (began, self.start_limit(isolation, limit))).await
    }

    /// The credentials of an environment; a template has none, its children have.
    async fn for_whole_life(
        &self,
        function: &Function,
        (id, purpose): (&str, Purpose),
        now: Timestamp,
    ) -> Result<Option<SessionCredentials>, NotStarted> {
        if purpose.is_before_requests() {
            return Ok(None);
        }
        credentials(&self.env, function, id, now).await.map(Some)
    }

    /// Where credentials are fetched, if they are.
    // AWS: where there is a snapshot, no keys are in the variables.
    fn endpoint(
        &self,
        (controls, purpose): (&Controls, Purpose),
        from: Option<&Initial>,
    ) -> Result<Option<Arc<Endpoint>>, Fault> {
        let fetched =
            controls.credentials == Credentials::Endpoint || matches!(purpose, Purpose::Snapshot { .. });
        let endpoint = match from {
            None => fetched.then(|| Endpoint::new(&self.env)),
            Some(from) => from.endpoint(&self.env, fetched)?,
        };
        Ok(endpoint.map(Arc::new))
    }

    fn assemble(&self, mut sandbox: Isolate, start: Start) -> Environment {
        let Start {
            id,
            function,
            held: (folders, berth, decoy),
            credentials,
            endpoint,
            log_stream,
            late,
            extensions,
            program,
            begins: (snapshot, forks, restored, access),
        } = start;
        let (beside, Taken { stdout, stderr, events }) = (sandbox.take_companion_output(), sandbox.take());
        let telemetry = Arc::new(Telemetry::new(Arc::clone(&self.env.clock), sandbox.take_outlets()));
        let sandbox = Arc::new(sandbox);
        let exchange = Arc::new(Exchange::new());
        let attribution = Attribution::default();
        let delivery = Delivery::start(&self.env, Arc::clone(&function), log_stream, &self.farewells);
        let (pipes, told) = ([stdout, stderr, beside], (function.settings.logging, Arc::clone(&telemetry)));
        let output = Output::start(pipes, delivery, told, Arc::clone(&self.env.clock));
        let place = Peer::Environment { id: id.clone(), function: function.arn.clone() }.label();
        let of = || (place.clone(), function.arn.clone(), attribution.clone());
        let said_to = (Arc::clone(&telemetry), output.clone(), event::foreign(self.env.clone(), of()));
        let tasks = vec![
            serve_runtime_api(
                Arc::clone(&sandbox),
                (Arc::clone(&exchange), Arc::clone(&extensions), said_to),
                (forks.clone(), endpoint.clone()),
                late,
            ),
            serve_endpoint(Arc::clone(&sandbox), &self.serve_connection, &id, &function),
            extensions::watch(&sandbox, &extensions),
        ];
        if let Some(events) = events {
            // Ends by itself when the sandbox is gone and its last events are taken: it is not aborted with the rest.
            drop(tokio::spawn(event::record(self.env.clone(), events, of())));
        }
        if let Some(endpoint) = &endpoint {
            endpoint.set(credentials.clone());
        }
        Environment {
            function,
            id,
            held: Mutex::new(Held::of(credentials)),
            env: self.env.clone(),
            sandbox,
            exchange,
            extensions,
            telemetry,
            ending: Mutex::default(),
            deadline: Mutex::default(),
            output,
            attribution,
            init: Mutex::new(None),
            unreported: Mutex::new(None),
            busy: AtomicBool::new(true),
            wanted: tokio::sync::Notify::new(),
            frozen: tokio::sync::Mutex::new(false),
            tasks,
            forks,
            endpoint,
            strays: AtomicUsize::new(0),
            program,
            snapshot,
            restored: Mutex::new(restored),
            access,
            folders,
            berth: Some(berth),
            decoy,
            farewells: self.farewells.clone(),
        }
    }
}

/// Waits until it can take a request; from then on it has the function's share of the processor.
async fn initialised(
    environment: Environment,
    (family, purpose): (Family, Purpose),
    (began, limit): (Instant, Duration),
) -> Result<Environment, NotStarted> {
    if let Err(failure) = environment.first_next(limit).await {
        return Err(environment.explain(failure, purpose, began.elapsed()));
    }
    let took = began.elapsed();
    let mut notes = vec![Note::init_runtime_done(purpose, Status::Success)];
    notes.extend(environment.extensions.notes());
    notes.push(Note::init_report(purpose, took, (Status::Success, None)));
    for note in &notes {
        environment.output.note(note);
    }
    environment.sandbox.end_init().await.map_err(Fault::internal)?;
    if environment.is_snapshot() {
        // Its children come with requests.
        return Ok(environment);
    }
    if family != Family::Provided {
        environment.sandbox.note_residents().await.map_err(Fault::internal)?;
    }
    if environment.is_template() && !environment.fork().await {
        return Err(NotStarted::Unforkable("its template did not make a process for the request".to_owned()));
    }
    *environment.init.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(began.elapsed());
    Ok(environment)
}

/// A session of the execution role for one environment, or one child of its template.
pub(super) async fn credentials(
    env: &Env,
    function: &Function,
    id: &str,
    now: Timestamp,
) -> Result<SessionCredentials, NotStarted> {
    let role = role::assumable(env, &function.settings.role, &function.unqualified(), now)?;
    let duration_s = CREDENTIALS_S.min(role.session_s_max);
    let request = SessionRequest {
        role,
        // AWS: the session carries the function's name.
        session_name: function.name.clone(),
        duration_s,
        policies: None,
        tags: Vec::new(),
        transitive_tags: Vec::new(),
        source_identity: None,
        bound_to: Some(id.to_owned()),
        source_function: Some(function.unqualified()),
    };
    Ok(env.sessions()?.mint_for_service(request, &function.unqualified(), now).await?)
}

/// Why a runtime did not ask for its first request.
enum Failure {
    Reported(Bytes),
    Exited(Exit),
    Extension(ExtensionFault),
    TimedOut,
    Unfit(String),
}

impl Environment {
    /// Waits until the runtime asks for its first request, or the template for its first order.
    async fn first_next(&self, limit: Duration) -> Result<(), Failure> {
        if self.is_snapshot() {
            return self.first_ready(limit).await;
        }
        if let Some(forks) = &self.forks {
            return tokio::select! {
                biased;
                ready = forks.ready() => ready.map_err(Failure::Unfit),
                // An ordinary environment will show what is wrong.
                _ = self.sandbox.exited() => Err(Failure::Unfit("its template ended while it started".to_owned())),
                () = tokio::time::sleep(limit) => Err(Failure::Unfit("its template took too long to start".to_owned())),
            };
        }
        tokio::select! {
            biased;
            // First: nothing of the function's runs where an extension failed before.
            fault = self.extension_failed() => Err(Failure::Extension(fault)),
            began = self.all_asked() => began,
            exit = self.sandbox.exited() => Err(Failure::Exited(exit)),
            () = tokio::time::sleep(limit) => Err(Failure::TimedOut),
        }
    }

    /// The same of a snapshot: what keeps it from being made is the function's failure.
    async fn first_ready(&self, limit: Duration) -> Result<(), Failure> {
        let Some(forks) = &self.forks else { return Err(Failure::Unfit("it has no template".to_owned())) };
        tokio::select! {
            biased;
            ready = forks.ready() => ready.map_err(Failure::Unfit),
            failed = self.exchange.waiting() => Err(match failed {
                Err(report) => Failure::Reported(report),
                // Nothing but a child asks for a request, and there is none yet.
                Ok(()) => Failure::Unfit("it asked for a request before it was restored".to_owned()),
            }),
            exit = self.sandbox.exited() => Err(Failure::Exited(exit)),
            () = tokio::time::sleep(limit) => Err(Failure::TimedOut),
        }
    }

    /// The extensions have registered, the runtime has begun, and all of them ask for what comes.
    async fn all_asked(&self) -> Result<(), Failure> {
        self.extensions.registered().await;
        // One that cannot be told any more is gone, and that will show.
        drop(self.sandbox.run_runtime().await);
        self.exchange.waiting().await.map_err(Failure::Reported)?;
        // AWS: from the runtime's first request on nobody registers.
        self.extensions.close_registration();
        self.telemetry.close();
        self.extensions.idle().await;
        Ok(())
    }

    fn explain(&self, failure: Failure, purpose: Purpose, took: Duration) -> NotStarted {
        if let Failure::Unfit(why) = failure {
            return NotStarted::Unforkable(why);
        }
        self.ends_for(if matches!(failure, Failure::TimedOut) { Reason::Timeout } else { Reason::Failure });
        match &failure {
            Failure::TimedOut => self.witness_time_over(None),
            Failure::Exited(exit) => self.witness_exit(None, *exit),
            _ => {}
        }
        let status = match &failure {
            Failure::TimedOut => (Status::Timeout, None),
            Failure::Extension(fault) => (Status::Error, Some(fault.kind())),
            _ => (Status::Error, None),
        };
        let mut notes = vec![Note::init_runtime_done(purpose, status.0)];
        notes.extend(self.extensions.notes());
        notes.push(Note::init_report(purpose, took, status));
        let tail = self.output.end(&notes);
        if let Some(error) = self.sandbox.runtime_not_executed() {
            return invalid_entrypoint(&format!("fork/exec {}: {error}", self.program));
        }
        match failure {
            Failure::Reported(report) => NotStarted::Reported(report, tail),
            // Nobody learnt how it ended: the spawner was killed, and its environments with it. Not the function's doing.
            Failure::Exited(exit) if exit.status == ExitStatus::Unknown => {
                NotStarted::Refused(unavailable(&StartError::SpawnerGone))
            }
            Failure::Exited(exit) => NotStarted::Exited(exit, tail),
            Failure::Extension(fault) => NotStarted::Reported(fault.report().into(), tail),
            Failure::TimedOut => NotStarted::TimedOut(tail),
            Failure::Unfit(why) => NotStarted::Unforkable(why),
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("python_sdk", &self.python_sdk).finish_non_exhaustive()
    }
}

fn spec(
    given: &Given<'_>,
    (folder, layers): (&Folder, Option<&Folder>),
    (root, listed): (&Root, &Listed),
    controls: Controls,
) -> EnvironmentSpec {
    let settings = &given.function.settings;
    EnvironmentSpec {
        template: root.template.clone(),
        code_dir: root.task().unwrap_or_else(|| folder.path()).to_owned(),
        layers_dir: layers.map(|layers| layers.path().to_owned()),
        env: root.environment(process::environment(given), given.function),
        memory_mb: u64::from(settings.memory_mb),
        tmp_mb: u64::from(settings.tmp_mb),
        pids_max: PIDS_MAX,
        exec_policy: controls.exec.as_ref().map_or_else(|| root.exec.clone(), Exec::policy),
        egress: controls.egress,
        hostname: HOSTNAME.to_owned(),
        companions: listed.companions(given, root),
    }
}

fn serve_runtime_api(
    sandbox: Arc<Isolate>,
    said_to: SaidTo,
    (forks, credentials): (Option<Arc<Forks>>, Option<Arc<Endpoint>>),
    late: Option<(Late, Channel)>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        runtime_api::serve(&*sandbox, said_to, forks, credentials, late).await;
    })
}

/// Passes connections to the platform's AWS endpoint on, with the environment as their origin.
fn serve_endpoint(
    sandbox: Arc<Isolate>,
    serve: &ServeConnection,
    id: &str,
    function: &Function,
) -> JoinHandle<()> {
    let serve = serve(Peer::Environment { id: id.to_owned(), function: function.arn.clone() });
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(ENDPOINT_CONNECTIONS_MAX));
        // Further ones wait in the kernel's queue.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let Ok(stream) = sandbox.accept_aws_endpoint().await else { return };
            serve(stream, place);
        }
    })
}

// AWS: `YYYY/MM/DD/[version]` and 32 hexadecimal digits.
pub(crate) fn log_stream(now: Timestamp, version: Version, id: &str) -> String {
    let civil = now.civil();
    format!("{:04}/{:02}/{:02}/[{version}]{id}", civil.year, civil.month, civil.day)
}

// AWS: type and texts of the service.
pub(super) fn invalid_working_dir(why: &str) -> NotStarted {
    let report = serde_json::json!({ "errorType": "Runtime.InvalidWorkingDir", "errorMessage": format!("Error: {why}") });
    NotStarted::Reported(report.to_string().into(), Vec::new())
}

// AWS: type and texts of the service.
pub(super) fn invalid_entrypoint(why: &str) -> NotStarted {
    let report = serde_json::json!({ "errorType": "Runtime.InvalidEntrypoint", "errorMessage": format!("Error: {why}") });
    NotStarted::Reported(report.to_string().into(), Vec::new())
}

/// Of every environment.
pub(super) const HOSTNAME: &str = "function";

pub(super) fn unavailable(error: &StartError) -> Error {
    // INVARIANT: nothing runs without the sandbox; the caller is told which layer is missing.
    Error::service_exception(format!("the execution environment cannot be started: {error}"))
}
