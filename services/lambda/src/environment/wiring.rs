//! What serves an environment is joined to its sandbox: output, events, the Runtime API, the AWS endpoint, its credentials.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize},
};

use casemate_kernel::{Decoy, Origin, Peer, SessionCredentials};
use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};

use super::{Berth, Environment, Held, Host, Late, extensions, snapshot::Snapshot};
use crate::{
    ServeConnection,
    credentials::Endpoint,
    delivery::Delivery,
    duty::Duty,
    event::{self, Attribution},
    exchange::Exchange,
    extensions::Extensions,
    function::Function,
    isolate::{Channel, Isolate, Taken},
    output::Output,
    packages::Folder,
    restored::Restored,
    runtime_api::{self, Before, SaidTo},
    telemetry::Telemetry,
    variables_key::Access,
};

/// Connections of one environment to the AWS endpoint at a time. Ours: SDKs keep ten or fifty at most.
const ENDPOINT_CONNECTIONS_MAX: usize = 64;

/// What belongs to one environment besides its sandbox.
pub(super) struct Start {
    /// What its credentials are bound to, and the last part of its log stream's name.
    pub(super) id: String,
    pub(super) function: Arc<Function>,
    pub(super) folders: Vec<Arc<Folder>>,
    pub(super) berth: Berth,
    pub(super) decoy: Option<Decoy>,
    /// `None`: it will be a template.
    pub(super) credentials: Option<SessionCredentials>,
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) log_stream: String,
    /// What its process is told late, and over which connection.
    pub(super) late: Option<(Late, Channel)>,
    pub(super) extensions: Arc<Extensions>,
    pub(super) program: String,
    /// Of a snapshot.
    pub(super) snapshot: Option<Snapshot>,
    /// With what comes before its requests.
    pub(super) before: Before,
    /// What it is told that goes on from a machine's template.
    pub(super) restored: Option<Arc<Restored>>,
    /// With this right to what a key hides.
    pub(super) access: Access,
}

impl Host {
    /// From here on the environment's end is the end of all of it.
    pub(super) fn assemble(&self, mut sandbox: Isolate, start: Start) -> Environment {
        let (beside, Taken { stdout, stderr, events }) = (sandbox.take_companion_output(), sandbox.take());
        let telemetry = Arc::new(Telemetry::new(Arc::clone(&self.env.clock), sandbox.take_outlets()));
        let sandbox = Arc::new(sandbox);
        let exchange = Arc::new(Exchange::new());
        let (attribution, duty) = (Attribution::default(), Duty::default());
        let (id, function) = (start.id, start.function);
        let delivery = Delivery::start(&self.env, Arc::clone(&function), start.log_stream, &self.farewells);
        let (pipes, told) = ([stdout, stderr, beside], (function.settings.logging, Arc::clone(&telemetry)));
        let output = Output::start(pipes, delivery, told, Arc::clone(&self.env.clock));
        let place =
            Peer::Environment { id: id.clone(), function: function.arn.clone(), at_work: true }.label();
        let of = || (place.clone(), function.arn.clone(), attribution.clone());
        let said_to = (Arc::clone(&telemetry), output.clone(), event::witness(self.env.clone(), of()));
        let tasks = vec![
            serve_runtime_api(
                Arc::clone(&sandbox),
                (Arc::clone(&exchange), Arc::clone(&start.extensions), said_to),
                (start.before.clone(), start.endpoint.clone(), start.late),
            ),
            serve_endpoint(Arc::clone(&sandbox), &self.serve_connection, origin(&id, &function, &duty)),
            extensions::watch(&sandbox, &start.extensions),
        ];
        if let Some(events) = events {
            // Ends by itself when the sandbox is gone and its last events are taken: it is not aborted with the rest.
            drop(tokio::spawn(event::record(self.env.clone(), events, of())));
        }
        if let Some(endpoint) = &start.endpoint {
            endpoint.set(start.credentials.clone());
        }
        Environment {
            function,
            id,
            held: Mutex::new(Held::of(start.credentials)),
            env: self.env.clone(),
            sandbox,
            exchange,
            extensions: start.extensions,
            telemetry,
            ending: Mutex::default(),
            deadline: Mutex::default(),
            output,
            attribution,
            duty,
            init: Mutex::new(None),
            unreported: Mutex::new(None),
            busy: AtomicBool::new(true),
            wanted: tokio::sync::Notify::new(),
            frozen: tokio::sync::Mutex::new(false),
            tasks,
            forks: start.before.forks,
            restoring: start.before.restoring,
            endpoint: start.endpoint,
            strays: AtomicUsize::new(0),
            program: start.program,
            snapshot: start.snapshot,
            restored: Mutex::new(start.restored),
            access: start.access,
            folders: start.folders,
            berth: Some(start.berth),
            decoy: start.decoy,
            farewells: self.farewells.clone(),
        }
    }
}

fn serve_runtime_api(
    sandbox: Arc<Isolate>,
    said_to: SaidTo,
    (before, credentials, late): (Before, Option<Arc<Endpoint>>, Option<(Late, Channel)>),
) -> JoinHandle<()> {
    tokio::spawn(async move {
        runtime_api::serve(&*sandbox, said_to, before, credentials, late).await;
    })
}

/// The environment, and whether it is at work when it asks.
fn origin(id: &str, function: &Function, duty: &Duty) -> Origin {
    let (id, function, duty) = (id.to_owned(), function.arn.clone(), duty.clone());
    Arc::new(move || Peer::Environment {
        id: id.clone(),
        function: function.clone(),
        at_work: duty.is_on(Instant::now()),
    })
}

/// Passes connections to the platform's AWS endpoint on, with the environment as their origin.
fn serve_endpoint(sandbox: Arc<Isolate>, serve: &ServeConnection, origin: Origin) -> JoinHandle<()> {
    let serve = serve(origin);
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(ENDPOINT_CONNECTIONS_MAX));
        // Further ones wait in the kernel's queue.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let Ok(stream) = sandbox.accept_aws_endpoint().await else { return };
            serve(stream, place);
        }
    })
}
