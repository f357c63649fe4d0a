//! Starting an environment: role, credentials, package, sandbox, and the runtime's first request for work.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use casemate_kernel::{Env, Fault, SessionCredentials, SessionRequest};
use casemate_names::{Timestamp, hex_id};
use casemate_sandbox::{Driver, EnvironmentSpec, ExecPolicy, PIDS_MAX, Template};
use casemate_store::BlobId;
use tokio::time::Instant;

use super::{
    Berth, Environment, NotStarted, Room,
    assembly::Assemblies,
    extensions::Listed,
    init::initialised,
    initialised::{Initial, restored},
    root::Root,
    snapshot::Snapshot,
    wiring::Start,
};
use crate::{
    ServeConnection,
    api::Error,
    blanks::{self, Blanks},
    controls::{Controls, Credentials, Exec},
    credentials::Endpoint,
    decoy,
    farewells::Farewells,
    forking::Forks,
    function::Function,
    machines::{Isolation, Machines},
    packages::{Folder, Packages},
    platform::Note,
    process::{self, Given, Purpose},
    role,
    runtime_api::Before,
    variables_key,
    version::Version,
};

/// How long the credentials of an environment live, seconds; the environment lives no longer.
// AWS: role sessions of services last at most an hour by default; ours are never renewed within an environment.
pub(super) const CREDENTIALS_S: i64 = 3_600;

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
        let log_stream = log_stream(now, function.version, &id);
        let endpoint = self.endpoint((&controls, purpose), from)?;
        let decoy = decoy::plant(&self.env, &controls, &function, &id)?;
        // INVARIANT: whatever fails from here on, they are revoked.
        let credentials = self.for_whole_life(&function, (&id, purpose), now).await?;
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
            // Few, and they stay: each is started for what it is.
            && !purpose.is_template()
            && blanks::suits(family, &function.settings, &controls);
        let spec = spec(&given, (&*folder, layers.as_deref()), (&root, &listed), controls);
        let started = match from {
            Some(from) => self.gone_on((&function, &root), (from, &spec.egress)).await,
            None => self.isolated((isolation, purpose), (spec, suits_blank, now), (&function, &root)).await,
        };
        let (sandbox, late) = match started {
            Ok(started) => started,
            Err(error) => return Err(self.unbegun(error, credentials).await),
        };
        let environment = self.assemble(
            sandbox,
            Start {
                extensions: listed.registry(&self.env, &function),
                program: root.entrypoint.unwrap_or_default(),
                before: before(purpose, isolation),
                restored: from.map(|_| restored(credentials.as_ref(), endpoint.as_deref(), &log_stream)),
                folders: std::iter::once(folder).chain(layers).collect(),
                id,
                function,
                berth,
                decoy,
                credentials,
                endpoint,
                log_stream,
                late,
                snapshot: Snapshot::of(purpose),
                access,
            },
        );
        environment.tell_start(purpose, remark);
        initialised(environment, (family, purpose), (began, self.start_limit(isolation, limit))).await
    }

    /// There is no environment whose end would be the end of its credentials.
    async fn unbegun(&self, why: NotStarted, credentials: Option<SessionCredentials>) -> NotStarted {
        if let (Some(credentials), Ok(sessions)) = (credentials, self.env.sessions()) {
            // Bound to an environment that never was, the key is worthless even where this fails.
            drop(sessions.revoke(&credentials.access_key_id).await);
        }
        why
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
        let fetched = controls.credentials == Credentials::Endpoint || purpose.is_of_snapshot();
        let endpoint = match from {
            None => fetched.then(|| Endpoint::new(&self.env)),
            Some(from) => from.endpoint(&self.env, fetched)?,
        };
        Ok(endpoint.map(Arc::new))
    }
}

impl Environment {
    /// The first lines of its log. A clone of a snapshot does not start: it is restored.
    fn tell_start(&self, purpose: Purpose, remark: Option<String>) {
        if !self.is_clone_of_snapshot() {
            self.output.note(&Note::init_start(&self.function, purpose));
        }
        if let Some(remark) = remark {
            self.output.note(&Note::remark(remark));
        }
    }
}

/// What comes before an environment's requests.
fn before(purpose: Purpose, isolation: Isolation) -> Before {
    let in_machine = isolation == Isolation::Machine;
    let of_snapshot = purpose.is_of_snapshot();
    Before {
        forks: (purpose.is_template() && !in_machine).then(|| Arc::new(Forks::new(of_snapshot))),
        restoring: (of_snapshot && in_machine).then(Arc::default),
    }
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

// AWS: `YYYY/MM/DD/[version]` and 32 hexadecimal digits.
pub(crate) fn log_stream(now: Timestamp, version: Version, id: &str) -> String {
    let civil = now.civil();
    format!("{:04}/{:02}/{:02}/[{version}]{id}", civil.year, civil.month, civil.day)
}

/// Of every environment.
pub(super) const HOSTNAME: &str = "function";
