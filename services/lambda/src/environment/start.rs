//! Starting an environment: role, credentials, package, sandbox, and the runtime's first request for work.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use casemate_kernel::{Env, Fault, Peer, SessionCredentials, SessionRequest};
use casemate_names::{Timestamp, hex_id};
use casemate_sandbox::{
    Driver, EnvironmentSpec, ExecPolicy, Exit, Family, PIDS_MAX, StartError, Step, Template,
};
use tokio::{task::JoinHandle, time::Instant};

use super::{Count, Counted, Environment};
use crate::{
    ServeConnection,
    api::Error,
    bootstrap,
    controls::Controls,
    delivery::Delivery,
    event::{self, Attribution},
    exchange::Exchange,
    function::Function,
    output::Output,
    packages::{Folder, Packages},
    process::{self, Given},
    report,
    resource::LATEST,
    role, runtime_api,
};

/// How long the credentials of an environment live, seconds; the environment lives no longer.
// AWS: role sessions of services last at most an hour by default; ours are never renewed within an environment.
const CREDENTIALS_S: i64 = 3_600;

/// What environments are made from.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) env: Env,
    pub(crate) driver: Driver,
    pub(crate) packages: Arc<Packages>,
    pub(crate) serve_connection: ServeConnection,
    pub(crate) python_sdk: Option<PathBuf>,
    /// Runtime roots by runtime: made once.
    pub(crate) templates: Arc<tokio::sync::Mutex<Vec<(String, Template)>>>,
    /// How many environments there are.
    pub(crate) environments: Count,
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
    held: (Arc<Folder>, Counted),
    credentials: SessionCredentials,
    log_stream: String,
}

impl Host {
    /// Starts an environment and waits until its runtime asks for a request.
    pub(crate) async fn start(
        &self,
        function: Arc<Function>,
        limit: Duration,
    ) -> Result<Environment, NotStarted> {
        let (began, counted) = (Instant::now(), self.environments.one_more());
        let none = BTreeMap::new();
        let variables = function.settings.variables.as_ref().unwrap_or(&none);
        let controls = Controls::of(variables).map_err(Error::invalid_parameter_value_exception)?;
        let now = self.env.clock.now();
        let id = hex_id(&*self.env.entropy, "lambda.environment", 32);
        let folder = self.packages.folder(function.code).await?;
        let (template, family) = self.template(&function.settings.runtime).await?;
        if family == Family::Provided && !folder.path().join("bootstrap").is_file() {
            return Err(invalid_entrypoint(&format!(
                "Couldn't find valid bootstrap(s): [{ENTRYPOINT} /opt/bootstrap]"
            )));
        }
        let credentials = self.credentials(&function, &id, now).await?;
        let log_stream = log_stream(now, &id);
        let spec = spec(&function, &folder, template, family, &credentials, &log_stream, controls);
        let sandbox = match self.driver.start(spec).await {
            Ok(sandbox) => sandbox,
            Err(error) => {
                drop(self.env.sessions()?.revoke(&credentials.access_key_id).await);
                return Err(match error {
                    // A program of the package's own that the system cannot execute.
                    StartError::Step { step: Step::Execute, source, .. } if family == Family::Provided => {
                        invalid_entrypoint(&format!("fork/exec {ENTRYPOINT}: {source}"))
                    }
                    error => unavailable(&error).into(),
                });
            }
        };
        let held = (folder, counted);
        let environment = self.assemble(sandbox, Start { id, function, held, credentials, log_stream });
        environment
            .output
            .line(format!("INIT_START Runtime Version: {}", environment.function.settings.runtime))
            .await;
        if let Err(failure) = environment.first_next(limit).await {
            return Err(environment.explain(failure, began.elapsed()).await);
        }
        environment.sandbox.end_init().map_err(Fault::internal)?;
        *environment.init.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(began.elapsed());
        Ok(environment)
    }

    fn assemble(
        &self,
        mut sandbox: casemate_sandbox::Environment,
        Start { id, function, held: (folder, counted), credentials, log_stream }: Start,
    ) -> Environment {
        let (stdout, stderr, events) = (sandbox.take_stdout(), sandbox.take_stderr(), sandbox.take_events());
        let sandbox = Arc::new(sandbox);
        let exchange = Arc::new(Exchange::new());
        let attribution = Attribution::default();
        let delivery = Delivery::start(&self.env, Arc::clone(&function), log_stream);
        let output = Output::start(stdout, stderr, delivery, Arc::clone(&self.env.clock));
        let tasks = vec![
            serve_runtime_api(Arc::clone(&sandbox), Arc::clone(&exchange), function.arn.as_str()),
            serve_endpoint(Arc::clone(&sandbox), Arc::clone(&self.serve_connection), &id, &function),
        ];
        if let Some(events) = events {
            let place = Peer::Environment { id: id.clone(), function: function.arn.clone() }.label();
            let recorded =
                event::record(self.env.clone(), events, place, function.arn.clone(), attribution.clone());
            // Ends by itself when the sandbox is gone and its last events are taken: it is not aborted with the rest.
            drop(tokio::spawn(recorded));
        }
        Environment {
            function,
            credentials_end: credentials.expires_at,
            access_key_id: credentials.access_key_id,
            env: self.env.clone(),
            sandbox,
            exchange,
            output,
            attribution,
            init: Mutex::new(None),
            busy: AtomicBool::new(true),
            wanted: tokio::sync::Notify::new(),
            frozen: tokio::sync::Mutex::new(false),
            tasks,
            _folder: folder,
            _counted: counted,
        }
    }

    async fn template(&self, runtime_id: &str) -> Result<(Template, Family), NotStarted> {
        let runtime = self.driver.runtimes().find(runtime_id).ok_or_else(|| {
            Error::service_exception(format!("the runtime {runtime_id} is not on this host"))
        })?;
        let mut templates = self.templates.lock().await;
        if let Some((_, template)) = templates.iter().find(|(id, _)| id == runtime_id) {
            return Ok((template.clone(), runtime.family));
        }
        let bootstrap = bootstrap::of(runtime, self.python_sdk.as_deref());
        let template =
            self.driver.prepare(runtime_id, bootstrap).await.map_err(|error| unavailable(&error))?;
        templates.push((runtime_id.to_owned(), template.clone()));
        Ok((template, runtime.family))
    }

    async fn credentials(
        &self,
        function: &Function,
        id: &str,
        now: Timestamp,
    ) -> Result<SessionCredentials, NotStarted> {
        let role = role::assumable(&self.env, &function.settings.role, &function.arn, now)?;
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
            source_function: Some(function.arn.clone()),
        };
        Ok(self.env.sessions()?.mint_for_service(request, &function.arn, now).await?)
    }
}

/// Why a runtime did not ask for its first request.
enum Failure {
    Reported(Bytes),
    Exited(Exit),
    TimedOut,
}

impl Environment {
    /// Waits until the runtime asks for its first request.
    async fn first_next(&self, limit: Duration) -> Result<(), Failure> {
        tokio::select! {
            biased;
            waiting = self.exchange.waiting() => waiting.map_err(Failure::Reported),
            exit = self.sandbox.exited() => Err(Failure::Exited(exit)),
            () = tokio::time::sleep(limit) => Err(Failure::TimedOut),
        }
    }

    async fn explain(&self, failure: Failure, took: Duration) -> NotStarted {
        let status = if matches!(failure, Failure::TimedOut) { "timeout" } else { "error" };
        let tail = self.output.end(vec![report::init_failed(took, status)]).await;
        match failure {
            Failure::Reported(report) => NotStarted::Reported(report, tail),
            Failure::Exited(exit) => NotStarted::Exited(exit, tail),
            Failure::TimedOut => NotStarted::TimedOut(tail),
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("python_sdk", &self.python_sdk).finish_non_exhaustive()
    }
}

fn spec(
    function: &Function,
    folder: &Folder,
    template: Template,
    family: Family,
    credentials: &SessionCredentials,
    log_stream: &str,
    controls: Controls,
) -> EnvironmentSpec {
    EnvironmentSpec {
        template,
        code_dir: folder.path().to_owned(),
        layers_dir: None,
        env: process::environment(&Given { function, family, credentials, log_stream }),
        memory_mb: u64::from(function.settings.memory_mb),
        tmp_mb: u64::from(function.settings.tmp_mb),
        pids_max: PIDS_MAX,
        // A custom runtime may be a script or start helpers; managed ones are one program.
        exec_policy: match &controls.exec {
            Some(wish) => wish.policy(),
            None if family == Family::Provided => ExecPolicy::Allow,
            None => ExecPolicy::Deny,
        },
        egress: controls.egress,
        hostname: "function".to_owned(),
    }
}

fn serve_runtime_api(
    sandbox: Arc<casemate_sandbox::Environment>,
    exchange: Arc<Exchange>,
    arn: &str,
) -> JoinHandle<()> {
    let arn: Arc<str> = Arc::from(arn);
    tokio::spawn(async move { runtime_api::serve(sandbox.runtime_api(), exchange, arn).await })
}

/// Passes connections to the platform's AWS endpoint on, with the environment as their origin.
fn serve_endpoint(
    sandbox: Arc<casemate_sandbox::Environment>,
    serve: ServeConnection,
    id: &str,
    function: &Function,
) -> JoinHandle<()> {
    let peer = Peer::Environment { id: id.to_owned(), function: function.arn.clone() };
    tokio::spawn(async move {
        while let Ok((stream, _)) = sandbox.aws_endpoint().accept().await {
            serve(stream, peer.clone());
        }
    })
}

// AWS: `YYYY/MM/DD/[version]` and 32 hexadecimal digits.
fn log_stream(now: Timestamp, id: &str) -> String {
    let civil = now.civil();
    format!("{:04}/{:02}/{:02}/[{LATEST}]{id}", civil.year, civil.month, civil.day)
}

// AWS: type and texts of the service.
fn invalid_entrypoint(why: &str) -> NotStarted {
    let report = serde_json::json!({ "errorType": "Runtime.InvalidEntrypoint", "errorMessage": format!("Error: {why}") });
    NotStarted::Reported(report.to_string().into(), Vec::new())
}

/// The program of a custom runtime.
const ENTRYPOINT: &str = "/var/task/bootstrap";

fn unavailable(error: &StartError) -> Error {
    // INVARIANT: nothing runs without the sandbox; the caller is told which layer is missing.
    Error::service_exception(format!("the execution environment cannot be started: {error}"))
}
