//! Lambda: functions, their permissions, and running them in execution environments.
//!
//! - A **function** is a configuration, a package (a zip archive kept as a blob) and a resource policy.
//! - An **execution environment** is one sandbox that runs one revision of one function, one request at a time, frozen in
//!   between. It is reused by the same revision only and stopped when the function changes, the environment misbehaves, or
//!   nobody needs it.
//! - The **Runtime API** is served on a socket made inside the environment's network namespace: the socket is the identity.
//!
//! INVARIANT: a function never runs outside a sandbox. Where the sandbox cannot start, `Invoke` fails and says which layer
//! is missing.
//! INVARIANT: an environment's credentials are those of the function's execution role, bound to that environment, and die
//! with it.
//!
//! DIVERGES: no VPC attachment yet; what names one is refused.
//! DIVERGES: `arm64` functions with a managed runtime run on the host's architecture.
//! DIVERGES: managed runtimes come without AWS SDKs; Python functions see a directory of the host's if one is configured.
//! DIVERGES: `$LATEST` in a request counts as the unqualified ARN when policies are evaluated.

#[rustfmt::skip]
pub mod api;
mod alias;
mod ask;
mod askers;
mod backlog;
mod blanks;
mod bootstrap;
mod code;
mod configuration;
mod controls;
mod credentials;
mod decoy;
mod delivery;
mod destination;
mod download;
mod duty;
mod environment;
mod event;
mod event_config;
mod exchange;
mod extensions;
mod fair;
mod farewells;
mod forking;
mod function;
mod function_url;
mod image;
mod invocation;
mod invoker;
mod isolate;
mod lasting;
mod layer;
mod logging;
mod machines;
mod mapping;
mod ops;
mod output;
mod package;
mod packages;
mod page;
mod permission;
mod platform;
mod pool;
mod principal;
mod process;
mod provisioned;
mod queue;
mod ready;
mod refusal;
mod removal;
mod report;
mod resource;
mod restored;
mod restoring;
mod returning;
mod role;
mod runtime_api;
mod runtime_management;
mod signing;
mod snapshot;
mod streaming;
mod tags;
mod telemetry;
mod throttle;
mod trace;
mod url;
mod variables;
mod variables_key;
mod version;

use std::{fmt, path::PathBuf, sync::Arc};

use casemate_kernel::{
    Assembly, Caller, DataPlane, Env, Fault, Origin, Proof, ResourceAccount, ResourcePolicy, Service, Task,
};
use casemate_names::{Arn, Timestamp};
use tokio::sync::OwnedSemaphorePermit;

use api::Error;
pub use farewells::Farewells;
use function::Function;
pub use isolate::Channel;
pub use machines::{Isolation, Machines};
use resource::{FunctionRef, LayerRef};
pub use signing::{
    key_file,
    seal::{SignError, public_key, sign},
};

/// Makes what serves connections accepted inside one execution environment, as the platform's own AWS endpoint.
pub type ServeConnection = Arc<dyn Fn(Origin) -> ServeStream + Send + Sync>;

/// Serves one connection; keeps its place among those of the environment until it ends.
pub type ServeStream = Box<dyn Fn(Channel, OwnedSemaphorePermit) + Send + Sync>;

/// What this service needs beyond its [`Env`].
pub struct Extras {
    /// Makes sandboxes. `Err` says why there are none here: functions can then be managed but not invoked.
    pub driver: Result<casemate_sandbox::Driver, String>,
    /// Serves the AWS endpoint inside execution environments.
    pub serve_connection: ServeConnection,
    /// A host directory with packages (boto3) for Python functions.
    pub python_sdk: Option<PathBuf>,
    /// Where packages are unpacked. A cache: emptied at every start.
    pub functions_dir: PathBuf,
    /// Where the operator keeps public keys of signing profiles, see [`key_file`].
    pub signing_profiles: PathBuf,
    /// Kept by the server, whose end says them.
    pub farewells: Farewells,
}

/// The service.
#[derive(Debug)]
pub struct Lambda {
    env: Env,
    packages: Arc<packages::Packages>,
    invoker: Arc<invoker::Invoker>,
    queue: Arc<queue::Queue>,
    policies: permission::Compiled,
    publishers: Arc<signing::Publishers>,
}

/// Opens the service. No function runs in a virtual machine.
pub fn open(env: &Env, extras: Extras) -> Result<Assembly, Fault> {
    open_with_machines(env, extras, Machines::default())
}

/// Opens the service.
pub fn open_with_machines(env: &Env, extras: Extras, machines: Machines) -> Result<Assembly, Fault> {
    let packages = Arc::new(packages::Packages::open(env, &extras.functions_dir)?);
    let publishers = Arc::new(signing::Publishers::new(&extras.signing_profiles));
    let farewells = extras.farewells.clone();
    let invoker = Arc::new(invoker::Invoker::new(env, extras, Arc::clone(&packages)).with_machines(machines));
    farewells.are_of(&invoker);
    let queue = Arc::new(queue::Queue::new(env, Arc::clone(&invoker)));
    let service = Arc::new(Lambda {
        env: env.clone(),
        packages: Arc::clone(&packages),
        invoker: Arc::clone(&invoker),
        queue: Arc::clone(&queue),
        policies: permission::Compiled::default(),
        publishers,
    });
    service.provision_all()?;
    let tasks = vec![
        Task { name: "lambda.async-queue", work: Box::pin(async move { queue.work().await }) },
        Task { name: "lambda.idle-environments", work: Box::pin(async move { invoker.reclaim().await }) },
        Task {
            name: "lambda.old-packages",
            work: Box::pin(async move { packages.remove_leftovers().await }),
        },
    ];
    let urls: Arc<dyn DataPlane> = Arc::new(url::Plane::new(Arc::clone(&service)));
    let packages: Arc<dyn DataPlane> = Arc::new(download::plane::Plane::new(Arc::clone(&service)));
    Ok(Assembly {
        operations: ops::operations(&service),
        data_planes: vec![urls, packages],
        tasks,
        ..Assembly::default()
    })
}

impl Lambda {
    /// The function a request names, wherever it is; syntax is looked at by [`FunctionRef::check`], after admission.
    fn at(&self, name: &str, qualifier: Option<&str>, caller: &Caller) -> FunctionRef {
        FunctionRef::parse(name, qualifier, &self.env, caller)
    }

    /// The function in the version that was asked for, or AWS's complaint that there is none.
    fn function(&self, at: &FunctionRef) -> Result<Function, Error> {
        at.check(&self.env)?;
        let found = self.env.store.read(|tx| version::resolve(tx, at, None))?;
        found.ok_or_else(|| refusal::no_function(at))
    }

    /// The same for one request: an alias may lead to either of its versions.
    async fn invoked(&self, at: &FunctionRef) -> Result<Function, Error> {
        at.check(&self.env)?;
        let mut draw = [0; 8];
        self.env.entropy.fill("lambda.alias-route", &mut draw);
        let found = self.env.store.read(|tx| version::resolve(tx, at, Some(u64::from_le_bytes(draw))))?;
        let found = found.ok_or_else(|| refusal::no_function(at))?;
        self.invoker.make_again(&found).await.map_err(Fault::from)?;
        found.state.check()?;
        Ok(found)
    }

    /// `$LATEST` of a function, for operations that know no other version.
    fn latest(&self, at: &FunctionRef) -> Result<Function, Error> {
        at.check_unqualified(&self.env)?;
        self.function(at)
    }
}

impl Service for Lambda {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &["lambda"];

    // AWS: constraint violations are `ValidationException` ("1 validation error detected: …").
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        Err(Error::invalid_parameter_value_exception("there are no in-band proofs here"))
    }

    fn resource_policy(&self, arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        if let Some((layer, Some(number))) = LayerRef::of_arn(arn) {
            return self.policies.of_layer(&self.env.store, &layer, number);
        }
        let Some(at) = FunctionRef::of_arn(arn) else { return Ok(None) };
        self.policies.of(&self.env.store, &at)
    }

    /// Everything of Lambda has an account in its ARN; what an ARN without one asks for exists nowhere, and the operation says so.
    fn resource_account(&self, _arn: &Arn) -> Result<ResourceAccount, Error> {
        Ok(ResourceAccount::Callers)
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let Some(at) = tags::Tagged::of_arn(arn) else { return Ok(Vec::new()) };
        let found = self.env.store.read(|tx| at.tags(tx))?;
        Ok(found.unwrap_or_default().into_iter().collect())
    }
}

impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras")
            .field("driver", &self.driver.is_ok())
            .field("python_sdk", &self.python_sdk)
            .field("functions_dir", &self.functions_dir)
            .finish_non_exhaustive()
    }
}
