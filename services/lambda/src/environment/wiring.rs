//! What serves an environment is joined to its sandbox: output, events, the Runtime API, the AWS endpoint, its credentials.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize},
};

use casemate_kernel::{Decoy, Peer, SessionCredentials};
use tokio::{sync::Semaphore, task::JoinHandle};

use super::{Berth, Environment, Held, Host, Late, extensions, snapshot::Snapshot};
use crate::{
    ServeConnection,
    credentials::Endpoint,
    delivery::Delivery,
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
    variables_key,
};

/// Connections of one environment to the AWS endpoint at a time. Ours: SDKs keep ten or fifty at most.
const ENDPOINT_CONNECTIONS_MAX: usize = 64;

/// What belongs to one environment besides its sandbox.
pub(super) struct Start {
    /// What its credentials are bound to, and the last part of its log stream's name.
    pub(super) id: String,
    pub(super) function: Arc<Function>,
    pub(super) held: (Vec<Arc<Folder>>, Berth, Option<Decoy>),
    /// `None`: it will be a template.
    pub(super) credentials: Option<SessionCredentials>,
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) log_stream: String,
    /// What its process is told late, and over which connection.
    pub(super) late: Option<(Late, Channel)>,
    pub(super) extensions: Arc<Extensions>,
    pub(super) program: String,
    pub(super) begins: Begins,
}

/// How it begins.
pub(super) struct Begins {
    /// Of a snapshot.
    pub(super) snapshot: Option<Snapshot>,
    pub(super) before: Before,
    /// From a machine's template, which is told this.
    pub(super) restored: Option<Arc<Restored>>,
    /// With this right to what a key hides.
    pub(super) access: variables_key::Access,
}

impl Host {
    pub(super) fn assemble(&self, mut sandbox: Isolate, start: Start) -> Environment {
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
            begins: Begins { snapshot, before, restored, access },
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
                (before.clone(), endpoint.clone(), late),
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
            forks: before.forks,
            restoring: before.restoring,
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

fn serve_runtime_api(
    sandbox: Arc<Isolate>,
    said_to: SaidTo,
    (before, credentials, late): (Before, Option<Arc<Endpoint>>, Option<(Late, Channel)>),
) -> JoinHandle<()> {
    tokio::spawn(async move {
        runtime_api::serve(&*sandbox, said_to, before, credentials, late).await;
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
